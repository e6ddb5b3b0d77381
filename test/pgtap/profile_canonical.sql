/* payloads of any shape in, one canonical form out; run from the top directory */
\set cassidy_marisol `cat test/fixtures/profiles/cassidy/marisol-okonkwo-reyes.json`
\set resume_marisol `cat test/fixtures/profiles/json_resume/marisol-okonkwo-reyes.json`
\set cassidy_torvald `cat test/fixtures/profiles/cassidy/torvald-aberg-lindqvist.json`
\set resume_torvald `cat test/fixtures/profiles/json_resume/torvald-aberg-lindqvist.json`
\set cassidy_priyamvada `cat test/fixtures/profiles/cassidy/priyamvada-raghunathan.json`
\set resume_priyamvada `cat test/fixtures/profiles/json_resume/priyamvada-raghunathan.json`
\set cassidy_zoe `cat test/fixtures/profiles/cassidy/zoe-beaulieu-fontaine.json`
\set resume_zoe `cat test/fixtures/profiles/json_resume/zoe-beaulieu-fontaine.json`
\set cassidy_kenjiro `cat test/fixtures/profiles/cassidy/kenjiro-matsunaga.json`
\set cassidy_dalia `cat test/fixtures/profiles/cassidy/dalia-haddad-farouk.json`
\set cassidy_hanneke `cat test/fixtures/profiles/cassidy/hanneke-van-der-zwaluw.json`
\set cassidy_ifeoma `cat test/fixtures/profiles/cassidy/ifeoma-adeyemi-clarke.json`
\set cassidy_xiomara `cat test/fixtures/profiles/cassidy/xiomara-teller.json`
\set resume_oluwaseun `cat test/fixtures/profiles/json_resume/oluwaseun-brightwater.json`
BEGIN;
SELECT plan(95);

/* the canonical form of a payload, and what an error says of one */
CREATE FUNCTION pg_temp.canon(payload jsonb) RETURNS jsonb
	LANGUAGE sql AS $$ SELECT linkedin_ingest.canonical_profile(payload) $$;
CREATE FUNCTION pg_temp.fault(payload jsonb, source text DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql AS $$
DECLARE
	code text; message text; detail text; hint text; col text;
BEGIN
	PERFORM linkedin_ingest.canonical_profile(payload, source);
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, col = COLUMN_NAME;
	RETURN jsonb_build_object('code', code, 'message', message, 'detail', detail, 'hint', hint, 'column', col);
END
$$;
/* a person's payload with one key more */
CREATE FUNCTION pg_temp.person(extra jsonb) RETURNS jsonb
	LANGUAGE sql AS $$ SELECT pg_temp.canon('{"full_name": "Test Person", "public_id": "test-person"}' || extra) $$;
CREATE FUNCTION pg_temp.role(entry jsonb) RETURNS jsonb
	LANGUAGE sql AS $$
	SELECT pg_temp.person(jsonb_build_object('experiences', jsonb_build_array('{"title": "Role"}' || entry)))
		-> 'experiences' -> 0 $$;

/* one person, two shapes */
CREATE FUNCTION pg_temp.comparable(canonical jsonb) RETURNS jsonb
	LANGUAGE sql AS $$
	SELECT canonical
		- '{linkedin_id,urn,first_name,last_name,follower_count,connection_count,is_premium,is_creator,is_influencer,is_verified,fetched_at}'::text[]
		|| jsonb_build_object(
			'skills', (SELECT jsonb_agg(s ORDER BY s) FROM jsonb_array_elements(canonical -> 'skills') AS s),
			'experiences', (SELECT jsonb_agg(e - '{company_linkedin_id,company_logo_url,date_range,duration,job_type,skills}'::text[] ORDER BY n)
				FROM jsonb_array_elements(canonical -> 'experiences') WITH ORDINALITY AS l (e, n)),
			'educations', (SELECT jsonb_agg(e - '{date_range,school_id,school_linkedin_url}'::text[] ORDER BY n)
				FROM jsonb_array_elements(canonical -> 'educations') WITH ORDINALITY AS l (e, n)))
$$;
SELECT is(pg_temp.comparable(pg_temp.canon(:'cassidy_marisol')), pg_temp.comparable(pg_temp.canon(:'resume_marisol')),
	'Marisol is the same person in both shapes');
SELECT is(pg_temp.comparable(pg_temp.canon(:'cassidy_torvald')), pg_temp.comparable(pg_temp.canon(:'resume_torvald')),
	'Torvald is the same person in both shapes');
SELECT is(pg_temp.comparable(pg_temp.canon(:'cassidy_priyamvada')), pg_temp.comparable(pg_temp.canon(:'resume_priyamvada')),
	'Priyamvada is the same person in both shapes');
SELECT is(pg_temp.comparable(pg_temp.canon(:'cassidy_zoe')), pg_temp.comparable(pg_temp.canon(:'resume_zoe')),
	'Zoë is the same person in both shapes');
SELECT is((SELECT count(*) FROM jsonb_object_keys(pg_temp.canon(:'cassidy_marisol'))),
	(SELECT count(*) FROM jsonb_object_keys(pg_temp.canon(:'cassidy_xiomara'))), 'every canonical form has every key');

/* what the fixtures say */
SELECT is(pg_temp.canon(:'cassidy_kenjiro') ->> 'full_name', '松永 健二郎 (Kenjiro Matsunaga)', 'CJK text survives');
SELECT is(pg_temp.canon(:'cassidy_dalia') ->> 'about',
	'أقود التحول الرقمي في شركة اتصالات تخدم أربعة ملايين مشترك. Four million subscribers, one billing system, no weekend outages since 2021. 🌙',
	'right-to-left text and emoji survive, escaped in a JSON text');
SELECT is(pg_temp.canon(:'cassidy_torvald') ->> 'public_id', 'torvald-åberg-lindqvist', 'a non-ASCII public id survives');
SELECT is(pg_temp.canon(:'cassidy_torvald') #> '{experiences,0,start_month}', '8', 'month names are read');
SELECT is((pg_temp.canon(:'cassidy_torvald') #> '{experiences,2}') - '{title,company_name,company_linkedin_id,company_linkedin_url,company_logo_url,location,duration,description,job_type,skills}'::text[],
	'{"start_year": 2005, "start_month": null, "end_year": 2013, "end_month": null, "is_current": false, "date_range": "2005 - 2013"}',
	'a year alone stays a year');
SELECT is(jsonb_array_length(pg_temp.canon(:'cassidy_ifeoma') -> 'experiences'), 9, 'a long career is whole');
SELECT is(pg_temp.canon(:'cassidy_hanneke') - '{about,skills,languages,experiences,educations,certifications}'::text[]
		@> '{"linkedin_id": "900100108", "full_name": "Hanneke van der Zwaluw", "country": "NL",
			"linkedin_url": "https://www.linkedin.com/in/hanneke-van-der-zwaluw", "public_id": "hanneke-van-der-zwaluw",
			"headline": "Head of IT Operations at Waterwolf Verzekeringen, looking for a first CIO role",
			"follower_count": 1045, "connection_count": 500}', true, 'legacy names are accepted');
SELECT is(pg_temp.canon(:'cassidy_hanneke') #> '{experiences,0,is_current}', 'true', 'current_job is is_current');
SELECT is(jsonb_strip_nulls(pg_temp.canon(:'cassidy_xiomara')),
	'{"full_name": "Xiomara Teller", "public_id": "xiomara-teller", "linkedin_url": "https://www.linkedin.com/in/xiomara-teller",
	"headline": "Technology leader", "email": "xiomara@example.org", "phone": "+1 555 010 0199",
	"skills": [], "languages": [], "experiences": [], "educations": [], "certifications": []}',
	'a name and a URL are enough, and nothing is invented');
SELECT is(pg_temp.canon(:'resume_oluwaseun') ->> 'linkedin_url', 'https://www.linkedin.com/in/oluwaseun-brightwater',
	'the URL follows from the public id');
SELECT is(pg_temp.canon(:'cassidy_priyamvada') -> 'certifications' -> 1,
	'{"name": "Offensive Testing Expert", "authority": "Fictional Lab Guild", "license_number": null, "url": null,
	"issued_year": 2017, "issued_month": null, "expires_year": null, "expires_month": null}', 'certifications');
SELECT is((linkedin_ingest.read_payload(p.payload::jsonb, NULL)).unmapped, '{}', p.name || ': every path of the fixture is known')
	FROM (VALUES ('marisol', :'cassidy_marisol'), ('hanneke', :'cassidy_hanneke'), ('xiomara', :'cassidy_xiomara'),
		('marisol resume', :'resume_marisol')) AS p (name, payload);

/* envelopes */
CREATE FUNCTION pg_temp.in_workflow(output jsonb) RETURNS text
	LANGUAGE sql AS $$
	SELECT pg_temp.canon(jsonb_build_object('workflowRun', jsonb_build_object('status', 'SUCCESS', 'actionResults',
		jsonb_build_array(jsonb_build_object('name', 'a', 'status', 'SUCCESS', 'output', output))))) ->> 'full_name' $$;
CREATE TEMP TABLE envelope AS SELECT '{"full_name": "En Velope", "public_id": "en-velope"}'::jsonb AS person;
SELECT is(pg_temp.in_workflow(jsonb_build_object('value', person::text)), 'En Velope', 'a JSON text in output.value') FROM envelope;
SELECT is(pg_temp.in_workflow(to_jsonb(person::text)), 'En Velope', 'a JSON text in output') FROM envelope;
SELECT is(pg_temp.in_workflow(person), 'En Velope', 'an object in output') FROM envelope;
SELECT is(pg_temp.in_workflow(jsonb_build_object('value', jsonb_build_array(person))), 'En Velope', 'a list of one') FROM envelope;
SELECT is(pg_temp.in_workflow(to_jsonb(E'```json\n' || person::text || E'\n```')), 'En Velope', 'a fenced JSON text') FROM envelope;
SELECT is(pg_temp.in_workflow(to_jsonb(E'Here is the profile:\n```\n' || person::text || E'\n```\nAnything else?')), 'En Velope',
	'a fenced JSON text with chatter around it') FROM envelope;
SELECT is(pg_temp.in_workflow(to_jsonb(to_jsonb(person::text)::text)), 'En Velope', 'a JSON text in a JSON text') FROM envelope;
SELECT is(pg_temp.canon(to_jsonb(person::text)) ->> 'full_name', 'En Velope', 'a payload that is a JSON text') FROM envelope;
SELECT is(pg_temp.canon(jsonb_build_array(person, '{"full_name": "Second"}')) ->> 'full_name', 'En Velope',
	'of a list the first counts') FROM envelope;
SELECT is(pg_temp.canon(jsonb_build_object('workflowRun', jsonb_build_object('status', 'SUCCESS', 'actionResults', jsonb_build_array(
		'{"output": {"linkedin_url": "https://www.linkedin.com/in/other"}}'::jsonb, '{"output": "done"}'::jsonb,
		jsonb_build_object('output', jsonb_build_object('value', person::text)), '{"output": {"rows": 1}}'::jsonb)))) ->> 'full_name',
	'En Velope', 'outputs of intermediate actions are passed over') FROM envelope;
SELECT is(pg_temp.canon(jsonb_build_object('workflowRun', jsonb_build_object('actionResults', jsonb_build_array(
		jsonb_build_object('output', '{"full_name": "Raw", "public_id": "en-velope"}'::jsonb), jsonb_build_object('output', person))))) ->> 'full_name',
	'En Velope', 'of two full outputs the last counts') FROM envelope;
SELECT is(pg_temp.in_workflow(to_jsonb('{"full_name": "N\u0000u\ud800l \ud83d\ude00", "public_id": "nul", "public_id": "nul2"}'::text)), 'Nul 😀',
	'NUL and lone surrogates are dropped, pairs are not, and a repeated key is no fault');

/* workflows that failed */
SELECT is(pg_temp.fault('{"workflowRun": {"status": "FAILED", "error": "Page not\n found", "actionResults": []}}')
		- 'hint', '{"code": "22023", "column": "payload", "detail": "payload: failed: Page not found",
		"message": "the workflow that should have fetched the profile failed"}', 'a failed workflow is an error with its message');
SELECT is(pg_temp.fault('{"workflowRun": {"status": "failed", "actionResults": [{"error": {"message": "No credits"}}]}}') ->> 'detail',
	'payload: failed: No credits', 'the message of an action counts too');
SELECT is(pg_temp.fault('{"workflowRun": {"status": "SUCCESS", "actionResults": [{"output": null, "error": "No credits"}]}}') ->> 'detail',
	'payload: failed: No credits', 'a workflow without a result failed, whatever it says');
SELECT is(pg_temp.canon(jsonb_build_object('workflowRun', jsonb_build_object('status', 'SUCCESS', 'actionResults',
		jsonb_build_array('{"error": "first try timed out"}'::jsonb, jsonb_build_object('output', person))))) ->> 'full_name',
	'En Velope', 'an error on the way to a result is none') FROM envelope;
SELECT ok(length(pg_temp.fault(jsonb_build_object('workflowRun', jsonb_build_object('status', 'FAILED', 'error', repeat('é', 5000)))) ->> 'detail') < 250,
	'a long message is cut');

/* what is missing */
SELECT is(pg_temp.fault('{"headline": "x", "full_name": " ", "linkedin_url": null, "public_id": ""}', 'cassidy'),
	'{"code": "22023", "column": "payload", "hint": "", "message": "payload lacks what a profile needs",
	"detail": "full_name: missing: a full name is needed, or a first and a last name\nlinkedin_id: missing: a member id, a public id or a LinkedIn URL is needed\npublic_id: missing: a member id, a public id or a LinkedIn URL is needed\nlinkedin_url: missing: a member id, a public id or a LinkedIn URL is needed"}',
	'one error names everything that is missing');
SELECT is(pg_temp.fault('{"full_name": "A B", "linkedin_url": "https://www.linkedin.com/pub/a-b/1/2/3"}') ->> 'detail',
	E'linkedin_id: missing: a member id, a public id or a LinkedIn URL is needed\npublic_id: missing: a member id, a public id or a LinkedIn URL is needed\nlinkedin_url: invalid: it is not the address of a person''s page',
	'a URL that names nobody is called invalid');
SELECT is(pg_temp.fault('{"public_id": "ab", "first_name": "A"}') ->> 'detail',
	'full_name: missing: a full name is needed, or a first and a last name', 'a first name alone is no name');
SELECT is(pg_temp.canon('{"public_id": "ab", "first_name": "A", "last_name": "B"}') ->> 'full_name', 'A B', 'first and last name make one');
SELECT is(pg_temp.canon('{"profile_id": 12, "full_name": "A B"}') ->> 'linkedin_id', '12', 'a member id alone is an identity');
SELECT is(pg_temp.canon('{"urn": "urn:li:member:77", "full_name": "A B"}') ->> 'linkedin_id', '77', 'a member''s urn holds the member id');
SELECT is(pg_temp.fault('{"headline": "x", "basics": null}') - 'hint',
	'{"code": "22023", "column": "payload", "message": "payload has the shape of no known source",
	"detail": "source: unrecognized: \"cassidy\" lacks full_name, linkedin_url\nsource: unrecognized: \"json_resume\" lacks basics, work"}',
	'a shape that is not recognised: what the sources would need');
SELECT is(pg_temp.fault('{"full_name": "A B"}', 'nobody') - 'hint' - 'detail',
	'{"code": "22023", "column": "source", "message": "unknown source \"nobody\""}', 'an unknown source');
SELECT is(pg_temp.fault(NULL) -> 'code', '"22023"', 'null is no payload');
SELECT is(pg_temp.fault(p.payload) ->> 'message', 'payload is not a profile', 'not a profile: ' || p.payload::text)
	FROM (VALUES ('[]'::jsonb), ('17'), ('"text"'), ('true'), ('null'), ('[[[[[[[[1]]]]]]]]')) AS p (payload);
SELECT is(pg_temp.fault(jsonb_build_object('full_name', 'A B', 'public_id', 'ab', 'about', repeat('x', 9 * 1024 * 1024))) ->> 'message',
	'payload is too large', 'there is a limit to size');

/* reading rules */
SELECT is(pg_temp.person(r.given) -> r.key, r.read, format('%s of %s', r.key, r.given))
	FROM (VALUES
		('{"about": "  x \n"}'::jsonb, 'about', '"x"'::jsonb),
		('{"about": ""}', 'about', 'null'),
		('{"about": {}}', 'about', 'null'),
		('{"about": 42}', 'about', '"42"'),
		('{"about": ["x"]}', 'about', 'null'),
		('{"follower_count": "12"}', 'follower_count', '12'),
		('{"follower_count": "1,234,567"}', 'follower_count', '1234567'),
		('{"follower_count": "500+"}', 'follower_count', '500'),
		('{"follower_count": "1,5"}', 'follower_count', 'null'),
		('{"follower_count": "many"}', 'follower_count', 'null'),
		('{"follower_count": -3}', 'follower_count', 'null'),
		('{"follower_count": 99999999999999999999999}', 'follower_count', 'null'),
		('{"is_premium": "yes"}', 'is_premium', 'true'),
		('{"is_premium": 0}', 'is_premium', 'false'),
		('{"is_premium": "maybe"}', 'is_premium', 'null'),
		('{"languages": ["Dutch", {"name": "Frisian", "proficiency": "Native"}, null, 7, {}]}', 'languages',
			'[{"name": "Dutch", "proficiency": null}, {"name": "Frisian", "proficiency": "Native"}, {"name": "7", "proficiency": null}]'),
		('{"languages": "[\"Dutch\"]"}', 'languages', '[{"name": "Dutch", "proficiency": null}]'),
		('{"experiences": null}', 'experiences', '[]'),
		('{"experiences": "none"}', 'experiences', '[]'),
		('{"educations": {"school": "S"}}', 'educations',
			'[{"school": "S", "degree": null, "field_of_study": null, "start_year": null, "end_year": null, "date_range": null,
			"activities": null, "school_linkedin_url": null, "school_id": null}]'),
		('{"skills": "Go|SQL| go "}', 'skills', '["Go", "SQL"]'),
		('{"skills": [{"name": "Go"}, {"name": "SQL"}]}', 'skills', '["Go", "SQL"]'),
		('{"scraped_at": "2026-01-05T10:00:00+02:00"}', 'fetched_at', '"2026-01-05T08:00:00Z"'),
		('{"city": "Gent", "country": "Belgium"}', 'location', '"Gent, Belgium"'),
		('{"job_title": "CEO", "experiences": [{"title": "CTO", "company": "A", "is_current": true}]}', 'company_name', 'null'),
		('{"experiences": [{"title": "Adviser", "company": "A", "start_year": 2019}, {"title": "CTO", "company": "B", "start_year": 2021}]}',
			'job_title', '"CTO"')
	) AS r (given, key, read);
SELECT is(pg_temp.role(r.given) -> r.key, r.read, format('%s of a role: %s', r.key, r.given))
	FROM (VALUES
		('{"start_year": "2020-05-01"}'::jsonb, 'start_year', '2020'::jsonb),
		('{"start_year": 2020, "start_month": "März"}', 'start_month', '3'),
		('{"start_year": 2020, "start_month": "03"}', 'start_month', '3'),
		('{"start_year": 2020, "start_month": 13}', 'start_month', 'null'),
		('{"start_month": 3}', 'start_month', 'null'),
		('{"start_year": 2020, "end_year": "Present"}', 'end_year', 'null'),
		('{"start_year": 2020, "end_year": "Present"}', 'is_current', 'true'),
		('{"start_year": 2020, "end_year": ""}', 'is_current', 'true'),
		('{"start_year": 2020, "is_current": "false"}', 'is_current', 'false'),
		('{}', 'is_current', 'false'),
		('{"date_range": "Mar 2018 – Jun 2019 · 1 yr 4 mos"}', 'end_month', '6'),
		('{"company_linkedin_url": "http://uk.linkedin.com/company/Acorn/"}', 'company_linkedin_url', '"https://www.linkedin.com/company/acorn"')
	) AS r (given, key, read);
SELECT is((linkedin_ingest.read_payload(jsonb_build_object('full_name', 'A B', 'public_id', 'ab', 'shoe_size', 44, 'empty', '', 'experiences',
		'[{"title": "X", "boss": {"name": "Y"}}, null, {"is_current": true}]'::jsonb), NULL)).unmapped,
	'{shoe_size,experiences[*].boss,"experiences: 2 entries skipped"}', 'what no mapping used, and what was skipped, is noted');
SELECT is(pg_temp.person('{"headline": 1e400, "city": "Gent", "profile_id": 1234567890123456789012345}') - '{experiences}'::text[]
	@> '{"headline": null, "city": "Gent", "linkedin_id": null}', true, 'numbers that fit nowhere are absent');
SELECT is(jsonb_array_length(pg_temp.person(jsonb_build_object('experiences', (SELECT jsonb_agg(jsonb_build_object('title', 'Role ' || n, 'start_year', 1950 + n % 70))
		FROM generate_series(1, 140) AS n))) -> 'experiences'), 140, '140 experiences are read');
SELECT is(jsonb_array_length(pg_temp.person('{"experiences": [{"title": "X", "start_year": 2000}, {"title": "X", "start_year": 2000}]}') -> 'experiences'), 1,
	'a repeated row is one');

SELECT * FROM finish();
ROLLBACK;
