/*
 * The worker's total and weighted_total() are one rule: random rubrics, real
 * calls to the scripted model server.  Jobs run only when committed, so this
 * file is no transaction; its database goes when it ends.
 */
\getenv model LI_MODEL_SERVER
SELECT plan(8);

SET linkedin_ingest.max_jobs_per_profile_per_hour = 0;
SET client_min_messages = warning;
SELECT setseed(0.2026) \g /dev/null

INSERT INTO linkedin_ingest.profiles (id, full_name, headline, about)
	VALUES ('00000000-0000-7000-8000-0000000000a1', 'Ada Sample', 'Chief Technology Officer at Nordlicht',
		'Built the platform of a logistics company and the organisation of 240 engineers behind it, in five countries.');
INSERT INTO linkedin_ingest.roles (role, title) SELECT 'R' || n, 'Role ' || n FROM generate_series(1, 160) n;

/* Weights: of two to four decimals, of all a double has, and some that meet at a half or end in ties. */
CREATE TEMP TABLE cases (n int PRIMARY KEY, weights float8[], script text, strict boolean, job_id uuid);
INSERT INTO cases SELECT n,
	CASE n % 8
		WHEN 0 THEN '{0.5,0.5}' WHEN 1 THEN '{0.5,0.15,0.35}' WHEN 2 THEN '{0.125,0.875}' WHEN 3 THEN '{0.55,0.3,0.15}'
		ELSE (SELECT array_agg(w ORDER BY i) FROM (
			SELECT i, CASE WHEN i < k THEN round((r / sum(r) OVER ())::numeric, CASE n % 8 WHEN 4 THEN 2 WHEN 5 THEN 3 WHEN 6 THEN 4 ELSE 17 END)::float8 END AS w
			FROM (SELECT i, random() + 0.05 AS r, 2 + n % 7 AS k FROM generate_series(1, 2 + n % 7) i) x) y) END,
	CASE (n / 8) % 4 WHEN 0 THEN 'ok' WHEN 1 THEN 'score=null,on=k1' WHEN 2 THEN 'score=fraction' ELSE 'score=null,on=k2' END,
	(n / 8) % 4 <> 2
FROM generate_series(1, 160) n;
/* A model without strict schemas gets none, so the server is told the keys. */
UPDATE cases SET script = script || ',criteria=' || (SELECT string_agg('k' || i, '+' ORDER BY i) FROM generate_subscripts(weights, 1) i) WHERE NOT strict;
UPDATE cases SET weights[cardinality(weights)] = CASE WHEN n % 8 = 7 THEN 1 - s.sum ELSE round((1 - s.sum)::numeric, 4) END
	FROM (SELECT n AS case_n, (SELECT sum(w) FROM unnest(weights[:cardinality(weights) - 1]) w) FROM cases) s
	WHERE case_n = n AND weights[cardinality(weights)] IS NULL;
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, rubric, is_active)
	SELECT 'R' || n, 'random', 'Rate {{profile}} by {{rubric}}',
		(SELECT jsonb_agg(jsonb_build_object('key', 'k' || i, 'title', 'K' || i, 'weight', w, 'description', 'number ' || i) ORDER BY i) FROM unnest(weights) WITH ORDINALITY x (w, i)), true
	FROM cases;
UPDATE linkedin_ingest.llm_providers SET base_url = :'model' || '/misuse/v1', api_key_ref = NULL;	-- nobody is called by mistake
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url)
	SELECT DISTINCT 'p-' || translate(script, '=,+', '---'), 'openai', :'model' || '/' || script || ',note=totals/v1' FROM cases;
INSERT INTO linkedin_ingest.llm_models (model, provider, token_parameter, supports_json_schema)
	SELECT 'm' || n, 'p-' || translate(script, '=,+', '---'), 'max_tokens', strict FROM cases;
UPDATE cases SET job_id = linkedin_ingest.score_profile('00000000-0000-7000-8000-0000000000a1', 'R' || n, model => 'm' || n);
SELECT count(linkedin_ingest.wait_for_job(job_id, '1 min')) FROM cases \g /dev/null

CREATE TEMP TABLE done AS
	SELECT c.n, j.status, j.overall_score, linkedin_ingest.weighted_total(v.rubric, j.parsed_score -> 'criteria') AS total,
		v.rubric, j.parsed_score -> 'criteria' AS criteria
	FROM cases c JOIN linkedin_ingest.scoring_jobs j ON j.id = c.job_id
	JOIN linkedin_ingest.prompt_template_versions v ON v.template_id = j.template_id AND v.version = j.template_version;
SELECT is((SELECT count(*) FROM done WHERE status = 'completed'), 160::bigint, 'all have completed');
SELECT is_empty('SELECT n, overall_score, total, rubric FROM done WHERE overall_score IS DISTINCT FROM total', 'the worker''s total is weighted_total()');
/* In the plain, save where a weight has more digits than a double keeps. */
SELECT is_empty($$SELECT d.n, d.total, o.total FROM done d, LATERAL (
		SELECT CASE WHEN sum(w) >= 0.5 THEN round(sum(w * s) / sum(w), 2) END
		FROM jsonb_array_elements(d.rubric) r, LATERAL (SELECT (r ->> 'weight')::numeric, (d.criteria -> (r ->> 'key') ->> 'score')::numeric) x (w, s) WHERE s IS NOT NULL) o (total)
	WHERE d.n % 8 < 7 AND d.total IS DISTINCT FROM o.total$$, 'which is the plain sum');
/* It is no proof if nothing unusual was among them. */
SELECT cmp_ok((SELECT count(*) FROM done WHERE total IS NULL), '>', 5::bigint, 'some have no total');
SELECT cmp_ok((SELECT count(*) FROM done WHERE total IS NOT NULL AND jsonb_path_exists(criteria, '$.*.score ? (@ == null)')), '>', 20::bigint, 'some have one in spite of a gap');
SELECT cmp_ok((SELECT count(*) FROM done WHERE jsonb_path_exists(criteria, '$.*.score ? (@ != @.floor())')), '>', 20::bigint, 'some have fractions');
SELECT cmp_ok((SELECT count(*) FROM done WHERE n % 8 = 1 AND jsonb_path_exists(criteria, '$.k1.score ? (@ == null)') AND total IS NOT NULL), '>', 3::bigint, 'exactly a half is enough');
SELECT cmp_ok((SELECT count(DISTINCT total) FROM done), '>', 80::bigint, 'and they differ');

SELECT * FROM finish();
