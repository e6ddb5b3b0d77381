/* what is sent: profile text, the three messages, shortening */
BEGIN;
SELECT plan(31);

INSERT INTO linkedin_ingest.companies (id, company_name, employee_range, industries, hq_country)
	VALUES ('00000000-0000-7000-8000-0000000000c1', 'Nordlicht', '1001-5000', '{Software,Security}', 'DE');
INSERT INTO linkedin_ingest.profiles (id, linkedin_id, public_id, first_name, last_name, full_name, headline, about, job_title,
		company_name, city, country, email, phone, skills, languages, certifications)
	VALUES ('00000000-0000-7000-8000-0000000000a1', 'ACoAAfictional00000001', 'ada-sample-7', 'Ada', 'Sample', 'Ada Sample',
		'CTO | {{role}} ada@example.org', E'Ada Sample builds.\nTel. +49 30 1234567, https://example.org/ada', 'CTO',
		'Nordlicht', 'Berlin', 'Germany', 'ada@example.org', '+49 30 1234567', '{Go,Rust}',
		'[{"name": "German", "proficiency": "native"}]', '[{"name": "CISSP", "license_number": "998877"}]');
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, title, company_name, company_id, start_year, start_month, is_current, description)
	VALUES ('00000000-0000-7000-8000-0000000000a1', 1, 'CTO', 'Nordlicht', '00000000-0000-7000-8000-0000000000c1', 2019, 3, true,
		repeat('Newest words. ', 60));
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, title, start_year, end_year, description)
	SELECT '00000000-0000-7000-8000-0000000000a1', n, 'Role ' || n, 2020 - n, 2021 - n, repeat(format('Words of role %s. ', n), 80)
	FROM generate_series(2, 9) n;
INSERT INTO linkedin_ingest.educations (profile_id, ordinal, school, start_year, end_year)
	VALUES ('00000000-0000-7000-8000-0000000000a1', 1, 'TU Berlin', 1999, 2004);

CREATE TEMP TABLE t AS
	SELECT linkedin_ingest.render_profile_text('00000000-0000-7000-8000-0000000000a1', true) AS blind,
		linkedin_ingest.render_profile_text('00000000-0000-7000-8000-0000000000a1', false) AS open;
SELECT ok(open LIKE E'Name: Ada Sample\n%', 'an open text tells the name') FROM t;
SELECT ok(open ~ 'Years: 1999 to 2004', 'and years of education') FROM t;
SELECT ok(blind LIKE E'Name: the candidate\n%' AND blind !~* 'ada|sample|1999|2004', 'a blind one neither') FROM t;
SELECT ok(open !~* 'example\.org|1234567|ACoAA|998877|ada-sample', 'contacts and ids are never sent') FROM t;
SELECT ok(blind ~ E'Company: Nordlicht\nCompany facts: 1001-5000 employees; industries Software, Security; country DE\n',
	'facts of an employer that is known') FROM t;
SELECT is(linkedin_ingest.render_profile_text('00000000-0000-7000-8000-000000000000', true), NULL, 'nobody');

CREATE FUNCTION pg_temp.render(template_id uuid, prompt text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
	SELECT linkedin_ingest.render_ask('00000000-0000-7000-8000-0000000000a1', v.role, v.stage, template_id, v.version, prompt,
		'openai', 'gpt-6-luna', 2000, 0.1, 1)
	FROM (SELECT) o LEFT JOIN linkedin_ingest.prompt_template_versions v ON v.template_id = $1
	ORDER BY v.version DESC LIMIT 1
$$;
CREATE TEMP TABLE r AS
	SELECT pg_temp.render('019a6f00-0000-7000-8000-0000000000c1') AS one, pg_temp.render('019a6f00-0000-7000-8000-0000000000c1') AS two;
SELECT is(jsonb_path_query_array(one, '$.messages[*].role'), '["system", "user", "user"]', 'three messages') FROM r;
SELECT ok(one #>> '{messages,0,content}' ~ 'Chief Technology Officer \(CTO\)', 'role and title in the system text') FROM r;
SELECT ok(one #>> '{messages,1,content}' ~ 'the profile in the next message' AND
	one #>> '{messages,1,content}' ~ E'\nteam_building \\(Team building and management\\): .*\n  75: ', 'rubric and profile in the prompt') FROM r;
SELECT ok(one::text !~ '\{\{(?!role)', 'no placeholder is left but what a profile wrote') FROM r;
SELECT ok(one #>> '{messages,1,content}' !~ '0\.25|25 ?%', 'weights are no part of the question') FROM r;
SELECT matches(one #>> '{messages,2,content}', E'^[^\n]+\n<<<PROFILE ([0-9a-f]{24})>>>\nName: [^<]*\n<<<END \\1>>>$', 'the fence') FROM r;
SELECT is((regexp_match(one #>> '{messages,2,content}', E'>>>\n(.*)\n<<<END'))[1], blind, 'holds the profile text') FROM r, t;
SELECT is(one #> '{messages,0}', two #> '{messages,0}', 'asked again: the same system text') FROM r;
SELECT is(one #> '{messages,1}', two #> '{messages,1}', 'the same prompt') FROM r;
SELECT isnt(one #> '{messages,2}', two #> '{messages,2}', 'another nonce') FROM r;
SELECT is(one #> '{schema,properties,criteria,required}', jsonb_path_query_array(p.rubric, '$[*].key'), 'the schema names the criteria')
	FROM r, linkedin_ingest.prompt_templates p WHERE p.role = 'CTO' AND p.stage = 'scoring';
SELECT is(one #> '{schema,properties,criteria,properties,innovation,properties,score}',
	'{"type": ["integer", "null"], "minimum": 0, "maximum": 100}', 'and what a score is') FROM r;
SELECT is(one -> 'prompt_tokens', two -> 'prompt_tokens', 'as long whatever the nonce') FROM r;
SELECT is(one -> 'shortened', '[]', 'nothing is cut') FROM r;

/* a template without the placeholder of its rubric; values are not expanded again */
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, rubric)
	VALUES ('CTO', 'bare', 'Judge {{full_name}}: {{headline}}; {{suggested_role}}',
		'[{"key": "a", "title": "A", "weight": 1, "description": "what counts"}]');
CREATE TEMP TABLE b AS SELECT pg_temp.render(id) AS r FROM linkedin_ingest.prompt_templates WHERE name = 'bare';
SELECT is(r #>> '{messages,1,content}', E'Judge the candidate: CTO | {{role}}; not stated\n\na (A): what counts',
	'values are clean, the rubric is told at the end') FROM b;
SELECT ok(r #>> '{messages,0,content}' ~ 'data', 'a system text of our own') FROM b;

/* a free prompt */
CREATE TEMP TABLE f AS SELECT pg_temp.render(NULL, 'What of {{full_name}}? {{other}}') AS r;
SELECT is(r #>> '{messages,1,content}', 'What of the candidate? {{other}}', 'a free prompt is blind') FROM f;
SELECT is(r -> 'schema', 'null', 'and has no schema') FROM f;

/* shortening */
SET LOCAL linkedin_ingest.max_prompt_tokens = 3500;
CREATE TEMP TABLE s AS SELECT pg_temp.render('019a6f00-0000-7000-8000-0000000000c1') AS r;
SELECT ok((r ->> 'prompt_tokens')::int BETWEEN 3300 AND 3500, 'a long prompt is shortened to fit') FROM s;
SELECT ok(r #>> '{messages,2,content}' ~ ('\n  ' || rtrim(repeat('Newest words. ', 60)) || '\n'), 'the newest role is whole') FROM s;
SELECT is(jsonb_path_query_array(r, '$.shortened[*].part'),
	'["experience 3 description", "experience 4 description", "experience 5 description", "experience 6 description", "experience 7 description", "experience 8 description", "experience 9 description"]',
	'the oldest are cut, and named in the order of the text') FROM s;
SELECT ok((SELECT bool_and((c ->> 'kept')::int < (c ->> 'characters')::int) FROM jsonb_array_elements(r -> 'shortened') c),
	'with what was kept of each') FROM s;
SET LOCAL linkedin_ingest.max_prompt_tokens = 1000;
SELECT ok(r #>> '{messages,2,content}' ~ 'Newest words' AND r #>> '{messages,2,content}' !~ 'Words of role'
		AND r #>> '{messages,2,content}' ~ E'Title: Role 9\nDates: 2011 to 2012', 'in the shortest form roles keep their lines')
	FROM pg_temp.render('019a6f00-0000-7000-8000-0000000000c1') r;
RESET linkedin_ingest.max_prompt_tokens;

/* the cache of parsed versions follows the content */
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Changed {{profile}}' WHERE name = 'bare';
SELECT is(pg_temp.render(id) #>> '{messages,1,content}', E'Changed the profile in the next message\n\na (A): what counts', 'a new version is used')
	FROM linkedin_ingest.prompt_templates WHERE name = 'bare';
SELECT is(linkedin_ingest.render_ask('00000000-0000-7000-8000-0000000000a1', 'CTO', 'scoring', id, 1, NULL, 'openai', 'm', 2000, 0.1, 1)
		#>> '{messages,1,content}', (SELECT r #>> '{messages,1,content}' FROM b), 'an old one can still be')
	FROM linkedin_ingest.prompt_templates WHERE name = 'bare';

SELECT * FROM finish();
ROLLBACK;
