/*
 * Samples put together, against medians and totals in plain SQL, and what
 * makes two questions the same.  Jobs run only when committed, so this file is
 * no transaction; its database goes when it ends.
 */
\getenv model LI_MODEL_SERVER
SELECT plan(38);

SET linkedin_ingest.max_jobs_per_profile_per_hour = 0;
SET client_min_messages = warning;
UPDATE linkedin_ingest.llm_providers SET base_url = :'model' || '/misuse/v1', api_key_ref = NULL;	-- nobody is called by mistake
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('healthy', 'openai', :'model' || '/ok,note=samples/v1');
INSERT INTO linkedin_ingest.llm_models (model, provider, max_output_tokens, token_parameter) VALUES ('m', 'healthy', 3000, 'max_tokens');
INSERT INTO linkedin_ingest.profiles (id, full_name, first_name, last_name, headline, about, skills) VALUES
	('00000000-0000-7000-8000-0000000000a1', 'Ada Sample', 'Ada', 'Sample', 'Chief Technology Officer at Nordlicht',
		'Built the platform of a logistics company and the organisation of 240 engineers behind it, in five countries; before that a team of six, which wrote the software of a harbour and ran it for nine years without an outage.',
		'{Go,Rust,PostgreSQL}'),
	('00000000-0000-7000-8000-0000000000a2', 'Bo Short', 'Bo', 'Short', 'Engineer', NULL, '{}');
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, rubric)
	VALUES ('CTO', 'odd', '{{rubric}}', '[
		{"key": "a", "title": "A", "weight": 0.3333, "description": "first"},
		{"key": "b", "title": "B", "weight": 0.1117, "description": "second"},
		{"key": "c c", "title": "C", "weight": 0.055, "description": "third"},
		{"key": "é", "title": "D", "weight": 0.5, "description": "fourth"}]');
INSERT INTO linkedin_ingest.prompt_templates (stage, name, prompt_text)
	VALUES ('compatibility', 'all roles', 'Rate {{profile}} for each: {{roles}}');
CREATE TEMP TABLE templates AS SELECT name, id FROM linkedin_ingest.prompt_templates;
SELECT count(linkedin_ingest.activate_template(id)) FROM templates WHERE name IN ('odd', 'all roles') \g /dev/null

/*
 * Jobs whose samples an earlier claim has brought in: the worker has only to
 * put them together.
 */
CREATE FUNCTION pg_temp.job(sample_texts jsonb[], template text DEFAULT 'odd', prompt text DEFAULT NULL,
		profile_id uuid DEFAULT '00000000-0000-7000-8000-0000000000a1') RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	made uuid := linkedin_ingest.score_profile(profile_id, template_id => (SELECT t.id FROM templates t WHERE t.name = template AND prompt IS NULL),
		prompt => prompt, model => 'm', samples => cardinality(sample_texts));
BEGIN
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, sample, charged, provider, model, outcome, parsed, cache_key)
		SELECT j.id, s.i, 0, 'sample', s.i, true, 'healthy', 'm', 'ok', s.answer, r.question ->> 'cache_key'
		FROM linkedin_ingest.scoring_jobs j
		CROSS JOIN LATERAL linkedin_ingest.render_ask(j.profile_id, j.role, j.stage, j.template_id, j.template_version, j.prompt,
			j.provider, j.model, j.max_tokens, j.temperature, j.samples) AS r (question)
		CROSS JOIN LATERAL unnest(sample_texts) WITH ORDINALITY AS s (answer, i)
		WHERE j.id = made;
	RETURN made;
END
$$;
CREATE FUNCTION pg_temp.answer(a numeric, b numeric, c numeric, d numeric, metadata jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('summary', 's', 'strengths', '[]'::jsonb, 'development_areas', '[]'::jsonb, 'alternative_role', NULL,
		'_metadata', metadata || '{"prompt_tokens": 100, "completion_tokens": 10, "tokens_used": 110}',
		'criteria', (SELECT jsonb_object_agg(k.key, jsonb_build_object('score', k.score, 'justification', 'said with ' || coalesce(k.score::text, 'none'),
				'evidence', '["a team of six"]'::jsonb, 'grounding', '[{"match": "exact", "start": 9, "end": 22}]'::jsonb, 'grounded', true))
			FROM (VALUES ('a', a), ('b', b), ('c c', c), ('é', d)) AS k (key, score)))
$$;

/* a few hundred random jobs: 2 to 15 samples, near or far, with some left unscored, whole or with decimals */
SELECT setseed(0.3);
CREATE TEMP TABLE drawn AS
	SELECT job, sample, key, CASE WHEN random() >= nulls THEN least(100, round((base + random() * width)::numeric, decimals)) END AS score
	FROM (SELECT job, 2 + floor(random() * 14)::int AS samples, (ARRAY[0, 0.2, 0.5])[1 + floor(random() * 3)::int] AS nulls,
			(ARRAY[4, 20, 60])[1 + floor(random() * 3)::int] AS width, (ARRAY[0, 0, 4])[1 + floor(random() * 3)::int] AS decimals
		  FROM generate_series(1, 300) AS job) j,
		LATERAL (SELECT key, floor(random() * 60) + 0 * job AS base FROM unnest('{a,b,c c,é}'::text[]) AS key) k,
		LATERAL generate_series(1, samples) AS sample;
CREATE TEMP TABLE jobs AS
	SELECT s.job, pg_temp.job(array_agg(s.answer ORDER BY s.sample)) AS id
	FROM (SELECT job, sample, pg_temp.answer(max(score) FILTER (WHERE key = 'a'), max(score) FILTER (WHERE key = 'b'),
			max(score) FILTER (WHERE key = 'c c'), max(score) FILTER (WHERE key = 'é')) AS answer
		  FROM drawn GROUP BY job, sample) s
	GROUP BY s.job;
SELECT count(linkedin_ingest.wait_for_job(id, '1 min')) FROM jobs \g /dev/null

CREATE TEMP TABLE expected AS
	WITH ranked AS (
		SELECT d.*, row_number() OVER (PARTITION BY job, key ORDER BY score) AS rank,
			count(score) OVER (PARTITION BY job, key) AS scored, count(*) OVER (PARTITION BY job, key) AS samples
		FROM drawn d)
	SELECT r.job, r.key, w.weight, max(r.score) - min(r.score) AS spread,
		CASE WHEN r.scored * 2 >= r.samples THEN avg(r.score) FILTER (WHERE r.rank IN ((r.scored + 1) / 2, r.scored / 2 + 1)) END AS median
	FROM ranked r
	JOIN (SELECT c ->> 'key' AS key, (c ->> 'weight')::numeric AS weight
		  FROM linkedin_ingest.prompt_templates t, jsonb_array_elements(t.rubric) c WHERE t.name = 'odd') w ON w.key = r.key
	GROUP BY r.job, r.key, w.weight, r.scored, r.samples;
CREATE TEMP VIEW done AS
	SELECT j.job, s.* FROM jobs j JOIN linkedin_ingest.scoring_jobs s ON s.id = j.id;

SELECT is(count(*), 300::bigint, 'random jobs are completed') FROM done WHERE status = 'completed';
SELECT is((SELECT array_agg(DISTINCT samples ORDER BY samples) FROM done), ARRAY(SELECT generate_series(2, 15)), 'with any number of samples');
SELECT ok(count(*) FILTER (WHERE median IS NULL) > 50 AND count(*) FILTER (WHERE median <> round(median, 4)) > 20
		AND count(*) FILTER (WHERE spread > 15) > 100 AND count(*) FILTER (WHERE spread <= 5) > 100, 'of every kind') FROM expected;
SELECT is_empty($$SELECT d.id, e.* FROM done d JOIN expected e USING (job)
	WHERE (d.parsed_score #>> ARRAY['criteria', e.key, 'score'])::numeric IS DISTINCT FROM e.median$$, 'each criterion has the median');
SELECT is_empty($$SELECT d.id, e.* FROM done d JOIN expected e USING (job)
	WHERE (d.parsed_score #>> ARRAY['spread', e.key])::numeric IS DISTINCT FROM e.spread$$, 'and the spread');
SELECT is_empty($$SELECT d.id, d.overall_score, t.total FROM done d
	JOIN (SELECT job, CASE WHEN sum(weight) FILTER (WHERE median IS NOT NULL) >= 0.5
			THEN round(sum(weight * median) / sum(weight) FILTER (WHERE median IS NOT NULL), 2) END AS total
		  FROM expected GROUP BY job) t USING (job)
	WHERE d.overall_score IS DISTINCT FROM t.total$$, 'each total is that of the medians');
SELECT ok(count(*) FILTER (WHERE overall_score IS NULL) > 0, 'none where the scored criteria weigh too little') FROM done;
SELECT is_empty($$SELECT d.id, d.review_reasons, r.reasons FROM done d
	JOIN (SELECT job, nullif(array_remove(ARRAY[CASE WHEN bool_or(median IS NULL) THEN 'missing_criterion' END,
			CASE WHEN max(spread) > 15 THEN 'spread' END], NULL), '{}') AS reasons
		  FROM expected GROUP BY job) r USING (job)
	WHERE d.review_reasons IS DISTINCT FROM r.reasons OR d.needs_review <> (r.reasons IS NOT NULL)$$, 'and its reasons to look');
SELECT is_empty($$SELECT d.id, x.* FROM done d JOIN drawn x USING (job)
	WHERE (d.parsed_score #>> ARRAY['samples', (x.sample - 1)::text, 'criteria', x.key])::numeric IS DISTINCT FROM x.score$$, 'each sample is kept');
SELECT is_empty($$SELECT d.id, e.key FROM done d JOIN expected e USING (job)
	WHERE e.median IS NOT NULL AND d.parsed_score #>> ARRAY['criteria', e.key, 'justification'] IS DISTINCT FROM (
		SELECT 'said with ' || x.score FROM drawn x WHERE x.job = e.job AND x.key = e.key AND x.score IS NOT NULL
		ORDER BY abs(x.score - e.median), x.sample LIMIT 1)$$, 'the words are those of the nearest sample');
SELECT is_empty($$SELECT id FROM done WHERE (parsed_score #>> '{_metadata,tokens_used}')::int <> 110 * samples$$, 'tokens are sums');

/* samples that cannot be used, and other forms */
CREATE TEMP TABLE odd (name text PRIMARY KEY, id uuid);
INSERT INTO odd VALUES
	('some', pg_temp.job(ARRAY[pg_temp.answer(10, 10, 10, 10), '{}', '[1]', '"x"', pg_temp.answer(30, 30, 30, 30),
		'{"criteria": {"a": {"score": 1}}, "_metadata": {}}', pg_temp.answer(1000, 0, 0, 0), pg_temp.answer(20, 20, 20, 20)])),
	('none', pg_temp.job(ARRAY['{}', '[]', '7', '{"criteria": [], "_metadata": 1}']::jsonb[])),
	('found', pg_temp.job(ARRAY[pg_temp.answer(80, 80, 80, 80, '{"shortened": [{"part": "about"}], "injection": ["score"]}'), pg_temp.answer(80, 80, 80, 80)])),
	('short', pg_temp.job(ARRAY[pg_temp.answer(80, 80, 80, 80), pg_temp.answer(80, 80, 80, 80)], profile_id => '00000000-0000-7000-8000-0000000000a2')),
	('roles', pg_temp.job(ARRAY(SELECT jsonb_build_object('overall_assessment', 'x', '_metadata', '{}'::jsonb, 'roles',
			(SELECT jsonb_object_agg(r.role, jsonb_build_object('confidence', r.confidence, 'grounded', true))
			 FROM (VALUES ('CIO', c.cio), ('CISO', 0.2), ('CTO', c.cto)) AS r (role, confidence)))
		FROM (VALUES (0.39, 0.1), (0.41, 0.95)) AS c (cio, cto)), 'all roles')),
	('gate', pg_temp.job(ARRAY(SELECT jsonb_build_object('overall_assessment', 'x', '_metadata', '{}'::jsonb, 'roles',
			(SELECT jsonb_object_agg(r.role, jsonb_build_object('confidence', r.confidence, 'grounded', true))
			 FROM (VALUES ('CIO', c.cio), ('CISO', 0.2), ('CTO', 0.399)) AS r (role, confidence)))
		FROM (VALUES (0.39), (0.41)) AS c (cio)), 'all roles')),
	('free', pg_temp.job(ARRAY['{"overall_score": 70, "_metadata": {}}', '{"overall_score": "high", "_metadata": {}}',
		'{"why": "last", "overall_score": 90.25, "_metadata": {}}']::jsonb[], prompt => 'Say what {{full_name}} does.'));
SELECT count(linkedin_ingest.wait_for_job(id, '1 min')) FROM odd \g /dev/null
CREATE TEMP VIEW ended AS SELECT o.name, j.* FROM odd o JOIN linkedin_ingest.scoring_jobs j ON j.id = o.id;

SELECT results_eq($$SELECT status, overall_score, review_reasons, jsonb_array_length(parsed_score -> 'samples') FROM ended WHERE name = 'some'$$,
	$$VALUES ('completed', 20.00::numeric(5,2), '{spread}'::text[], 3)$$, 'what cannot be read is left out');
SELECT results_eq($$SELECT status, overall_score, parsed_score, needs_review, review_reasons FROM ended WHERE name = 'none'$$,
	$$VALUES ('completed', NULL::numeric(5,2), '{}'::jsonb, true, '{missing_criterion}'::text[])$$, 'nothing to read: for review');
SELECT results_eq($$SELECT review_reasons, overall_score FROM ended WHERE name = 'found'$$,
	$$VALUES ('{injection_suspected,profile_truncated}'::text[], 80.00::numeric(5,2))$$, 'what one sample has found counts');
SELECT is(review_reasons, '{low_information}', 'and what the profile is') FROM ended WHERE name = 'short';
SELECT results_eq($$SELECT recommended_role, overall_score, parsed_score #> '{roles,CTO,confidence}', parsed_score -> 'spread', review_reasons FROM ended WHERE name = 'roles'$$,
	$$VALUES ('CTO', NULL::numeric(5,2), '0.525'::jsonb, '{"CIO": 2, "CISO": 0, "CTO": 85}'::jsonb, '{spread}'::text[])$$, 'medians of confidences');
SELECT results_eq($$SELECT recommended_role, needs_review FROM ended WHERE name = 'gate'$$, $$VALUES ('CIO', false)$$, 'a median of 0.40 passes the gate');
SELECT results_eq($$SELECT overall_score, parsed_score ->> 'why', parsed_score #> '{_metadata,samples}' FROM ended WHERE name = 'free'$$,
	$$VALUES (80.13::numeric(5,2), 'last', '[{"overall_score": 70}, {"overall_score": null}, {"overall_score": 90.25}]'::jsonb)$$,
	'other answers: the last one, and the median of their scores');
SELECT is(count(*), 0::bigint, 'and no call was made for any of them') FROM linkedin_ingest.scoring_attempts WHERE claim_no > 0;

/* samples that are asked for */
CREATE TEMP TABLE asked AS
	SELECT linkedin_ingest.score_profile('00000000-0000-7000-8000-0000000000a1', template_id => (SELECT t.id FROM templates t WHERE t.name = 'odd'),
		model => 'm', samples => 2) AS id;
SELECT count(linkedin_ingest.wait_for_job(id, '1 min')) FROM asked \g /dev/null
CREATE TEMP VIEW answered AS SELECT j.* FROM asked JOIN linkedin_ingest.scoring_jobs j USING (id);
SELECT results_eq($$SELECT status, jsonb_array_length(parsed_score -> 'samples'),
		(SELECT array_agg(DISTINCT a.sample ORDER BY a.sample) FROM linkedin_ingest.scoring_attempts a WHERE a.job_id = j.id AND a.parsed IS NOT NULL)
		FROM answered j$$, $$VALUES ('completed', 2, '{1,2}'::int[])$$, 'two samples are asked for');
SELECT is_empty($$SELECT c.key FROM answered j, jsonb_each(j.parsed_score -> 'criteria') c (key, value)
	WHERE (c.value ->> 'score')::numeric <> (SELECT avg((a.parsed #>> ARRAY['criteria', c.key, 'score'])::numeric)
		FROM linkedin_ingest.scoring_attempts a WHERE a.job_id = j.id AND a.parsed IS NOT NULL)$$, 'and put together');

/* the same question */
CREATE FUNCTION pg_temp.key(max_tokens int DEFAULT 2000, temperature numeric DEFAULT 0.1, samples int DEFAULT 1, provider text DEFAULT 'healthy',
		model text DEFAULT 'm', role text DEFAULT 'CTO', version int DEFAULT 1, profile text DEFAULT 'a1', prompt text DEFAULT NULL) RETURNS text
	LANGUAGE sql AS $$
	SELECT linkedin_ingest.render_ask(('00000000-0000-7000-8000-0000000000' || profile)::uuid, role, 'scoring',
		(SELECT t.id FROM templates t WHERE t.name = 'odd' AND prompt IS NULL), version, prompt, provider, model,
		max_tokens, temperature, samples) ->> 'cache_key'
$$;
SELECT matches(pg_temp.key(), '^[0-9a-f]{64}$', 'a cache key');
SELECT is(pg_temp.key(), pg_temp.key(), 'is that of the question, not of its nonce');
SELECT is(j.cache_key, linkedin_ingest.render_ask(j.profile_id, j.role, j.stage, j.template_id, j.template_version, j.prompt, j.provider, j.model,
	j.max_tokens, j.temperature, j.samples) ->> 'cache_key', 'a job has it') FROM answered j;
SELECT is(pg_temp.key(temperature => 0.10), pg_temp.key(), 'numbers are compared by value');
SELECT is(count(DISTINCT k), count(*), 'whatever is sent is part of it')
	FROM (VALUES (pg_temp.key()), (pg_temp.key(max_tokens => 2001)), (pg_temp.key(temperature => 0.2)), (pg_temp.key(temperature => NULL)),
		(pg_temp.key(samples => 2)), (pg_temp.key(provider => 'openai')), (pg_temp.key(model => 'other')), (pg_temp.key(role => 'CIO')),
		(pg_temp.key(profile => 'a2')), (pg_temp.key(prompt => 'one')), (pg_temp.key(prompt => 'two'))) AS v (k);

CREATE TEMP TABLE before AS SELECT pg_temp.key() AS k, pg_temp.key(prompt => 'one') AS free;
UPDATE linkedin_ingest.prompt_templates SET name = 'renamed', rubric = jsonb_set(jsonb_set(rubric, '{0,weight}', '0.5'), '{3,weight}', '0.3333')
	WHERE id = (SELECT t.id FROM templates t WHERE t.name = 'odd');
SELECT is(pg_temp.key(version => 2), k, 'other weights ask the same') FROM before;
UPDATE linkedin_ingest.prompt_templates SET rubric = jsonb_set(rubric, '{0,description}', '"reworded"')
	WHERE id = (SELECT t.id FROM templates t WHERE t.name = 'odd');
SELECT isnt(pg_temp.key(version => 3), k, 'other words do not') FROM before;
UPDATE linkedin_ingest.llm_models SET reasoning_effort = 'low' WHERE model = 'm';
SELECT isnt(pg_temp.key(), k, 'nor does another effort') FROM before;
UPDATE linkedin_ingest.llm_models SET reasoning_effort = NULL, token_parameter = 'max_completion_tokens' WHERE model = 'm';
SELECT isnt(pg_temp.key(), k, 'another parameter') FROM before;
UPDATE linkedin_ingest.llm_models SET token_parameter = 'max_tokens', supports_json_schema = false WHERE model = 'm';
SELECT isnt(pg_temp.key(), k, 'a schema that is not sent') FROM before;
UPDATE linkedin_ingest.llm_models SET supports_json_schema = true WHERE model = 'm';
SELECT is(pg_temp.key(), k, 'the same facts again: the same') FROM before;
UPDATE linkedin_ingest.roles SET title = 'Head of technology' WHERE role = 'CTO';
SELECT isnt(pg_temp.key(), k, 'another title') FROM before;
UPDATE linkedin_ingest.roles SET title = 'Chief Technology Officer' WHERE role = 'CTO';
UPDATE linkedin_ingest.profiles SET email = 'ada@example.org', last_name = 'Sampler', full_name = 'Ada Sampler' WHERE id = '00000000-0000-7000-8000-0000000000a1';
SELECT is(pg_temp.key(), k, 'what is not sent does not count') FROM before;
UPDATE linkedin_ingest.profiles SET headline = 'CTO at Nordlicht' WHERE id = '00000000-0000-7000-8000-0000000000a1';
SELECT isnt(pg_temp.key(), k, 'a changed profile') FROM before;
SELECT isnt(pg_temp.key(prompt => 'one'), free, 'also with a free prompt') FROM before;

/* with the cache off, as it is here, explain_score finds nothing */
UPDATE linkedin_ingest.profiles SET headline = 'Chief Technology Officer at Nordlicht' WHERE id = '00000000-0000-7000-8000-0000000000a1';
SELECT results_eq($$SELECT e -> 'cache_hit', e -> 'cached_job_id' FROM linkedin_ingest.explain_score('00000000-0000-7000-8000-0000000000a1',
		template_id => (SELECT t.id FROM templates t WHERE t.name = 'odd'), model => 'm', samples => 2) e$$,
	$$VALUES ('false'::jsonb, 'null'::jsonb)$$, 'no hit while the cache is off');
SELECT is(count(*), 0::bigint, 'nothing is left open') FROM linkedin_ingest.scoring_jobs WHERE status NOT IN ('completed', 'failed');

SELECT * FROM finish();
