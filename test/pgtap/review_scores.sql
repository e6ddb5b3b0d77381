-- review_score, profile_scores with reviews, agreement.
\set QUIET on
BEGIN;
SELECT plan(54);
SET LOCAL client_min_messages = error;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;

CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	argument text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, argument = COLUMN_NAME;
	RETURN rtrim(state || ' ' || argument);
END
$$;
CREATE FUNCTION pg_temp.message(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' | ', message, nullif(detail, ''));
END
$$;
-- what a worker leaves of a scored job
CREATE FUNCTION pg_temp.scored(profile uuid, template uuid, scores jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	job uuid := linkedin_ingest.score_profile(profile, template_id => template);
	criteria jsonb := (SELECT jsonb_object_agg(key, jsonb_build_object('score', value, 'justification', 'so')) FROM jsonb_each(scores));
BEGIN
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = 1, claim_token = gen_random_uuid(), worker_id = gen_random_uuid(), attempts = 1, started_at = now() WHERE id = job;
	UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = clock_timestamp(), needs_review = true, review_reasons = '{ungrounded}',
		parsed_score = jsonb_build_object('criteria', criteria, '_metadata', '{"model_used": "m"}'::jsonb),
		overall_score = linkedin_ingest.weighted_total((SELECT rubric FROM linkedin_ingest.prompt_templates WHERE id = template), criteria) WHERE id = job;
	PERFORM linkedin_ingest.rebuild_profile_scores();
	RETURN job;
END
$$;
CREATE FUNCTION pg_temp.shown(job uuid) RETURNS text LANGUAGE sql AS $$
	SELECT ROW(overall_score, reviewed_score, effective_score, band, verdict, needs_review)::text FROM linkedin_ingest.profile_scores WHERE job_id = job
$$;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active, rubric)
	VALUES ('COO', 'operations', 'Score for {{role}} by {{rubric}}. {{profile}}', true, '[
		{"key": "a", "title": "A", "weight": 0.5, "description": "first"},
		{"key": "b", "title": "B", "weight": 0.3, "description": "second"},
		{"key": "c", "title": "C", "weight": 0.2, "description": "third"}]') RETURNING id AS t \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Sample') RETURNING id AS ada \gset
SELECT pg_temp.scored(:'ada', :'t', '{"a": 80, "b": 60, "c": null}') AS job \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO') AS pending \gset
\set nobody '00000000-0000-7000-8000-00000000dead'

-- weighted_total by itself
SELECT is(linkedin_ingest.weighted_total(rubric, criteria), total, format('weighted_total(%s)', criteria))
FROM linkedin_ingest.prompt_templates t,
	(VALUES ('{"a": {"score": 80}, "b": {"score": 60}, "c": {"score": 40}}'::jsonb, 66.00), ('{"a": {"score": 80}, "b": {"score": 60}, "c": {"score": null}}', 72.50),
		('{"a": {"score": 33}}', 33.00), ('{"b": {"score": 100}, "c": {"score": 90}}', 96.00), ('{"b": {"score": 100}}', NULL), ('{}', NULL), ('{"d": {"score": 100}}', NULL),
		('{"a": {"score": 72.345}, "b": {"score": 0}, "c": {"score": 0}}', 36.17)) c (criteria, total)
WHERE t.id = :'t';
SELECT is(linkedin_ingest.weighted_total(NULL, '{"a": {"score": 80}}'), NULL, 'no rubric, no total');
SELECT is(linkedin_ingest.weighted_total('[{"key": "a", "weight": 1}]', NULL), NULL, 'no criteria, no total');

-- before any review
SELECT is(pg_temp.shown(:'job'), '(72.50,,72.50,medium,,t)', 'not reviewed: the computed score is in effect');

-- refusals
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.review_score(%L, %s)', :'job', a)), f, format('review_score(job, %s)', a))
FROM (VALUES ($$'agree', 'r', '{"a": 1}'$$, '22023 corrected'), ($$'reject', 'r', '{"a": 1}'$$, '22023 corrected'), ($$'adjust', 'r'$$, '22023 corrected'),
	($$'adjust', 'r', '{}'$$, '22023 corrected'), ($$'adjust', 'r', '[1]'$$, '22023 corrected'), ($$'adjust', 'r', 'null'$$, '22023 corrected'), ($$'adjust', 'r', '{"a": 100.01}'$$, '22023 corrected'),
	($$'adjust', 'r', '{"a": -1}'$$, '22023 corrected'), ($$'adjust', 'r', '{"a": null}'$$, '22023 corrected'), ($$'adjust', 'r', '{"a": "80"}'$$, '22023 corrected'),
	($$'adjust', 'r', '{"a": 80, "d": 1}'$$, '22023 corrected'), ($$'adjust', NULL, '{"a": 80}'$$, '22023 reason'), ($$'reject', NULL$$, '22023 reason'), ($$'agree', ' '$$, '22023 reason'),
	($$'approve', 'r'$$, '22023 verdict'), ($$NULL, 'r'$$, '22023 verdict'), ($$NULL, NULL$$, '22023 verdict')) c (a, f);
SELECT is(pg_temp.message(format('SELECT linkedin_ingest.review_score(%L, ''adjust'', ''r'', ''{"a": 80, "d": 1}'')', :'job')), 'the job has no criterion "d"', 'which criterion is not there');
SELECT is(pg_temp.message(format('SELECT linkedin_ingest.review_score(%L, ''adjust'', '' '', ''{"a": 101, "b": "x"}'')', :'job')), $$3 invalid arguments | reason: blank: reason must not be blank
corrected: out_of_range: the score of criterion "a" must be a number from 0 to 100
corrected: out_of_range: the score of criterion "b" must be a number from 0 to 100$$, 'all faults at once');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.review_score(%L, ''agree'', ''r'')', :'nobody')), 'P0002 job_id', 'unknown job');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.review_score(NULL, ''agree'', ''r'')'), 'P0002 job_id', 'no job');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.review_score(%L, ''agree'', ''r'')', :'pending')), '55000 job_id', 'a job that has not completed');
SELECT is((SELECT count(*) FROM linkedin_ingest.score_reviews), 0::bigint, 'nothing is kept of what was refused');

-- the three verdicts; the latest counts
SELECT linkedin_ingest.review_score(:'job', 'agree', NULL) \g /dev/null
SELECT is(pg_temp.shown(:'job'), '(72.50,72.50,72.50,medium,agree,f)', 'agree: the score stands, and is looked at no more');
SELECT linkedin_ingest.review_score(:'job', 'adjust', 'more of it', '{"a": 95, "c": 100}') \g /dev/null
SELECT is(pg_temp.shown(:'job'), '(72.50,85.50,85.50,high,adjust,f)', 'adjust: the total anew, the other criterion as it was');
SELECT linkedin_ingest.review_score(:'job', 'adjust', 'less', '{"b": 2.5}') \g /dev/null
SELECT is(pg_temp.shown(:'job'), '(72.50,50.94,50.94,medium,adjust,f)', 'a later review starts from the model''s scores; what it does not tell stays unscored');
SELECT linkedin_ingest.review_score(:'job', 'reject', 'not this person') \g /dev/null
SELECT is(pg_temp.shown(:'job'), '(72.50,,,unscored,reject,f)', 'reject: no score is in effect');
SELECT results_eq($$SELECT verdict, reason, corrected, reviewed_by = current_user FROM linkedin_ingest.score_reviews ORDER BY reviewed_at, id$$,
	$$VALUES ('agree', NULL, NULL::jsonb, true), ('adjust', 'more of it', '{"a": 95, "c": 100}', true), ('adjust', 'less', '{"b": 2.5}', true), ('reject', 'not this person', NULL, true)$$,
	'every review is kept');
SELECT is((SELECT ROW(overall_score, needs_review, parsed_score #>> '{criteria,a,score}')::text FROM linkedin_ingest.scoring_jobs WHERE id = :'job'), '(72.50,t,80)', 'the model''s answer is untouched');
SELECT is((SELECT overall_score::text || ' ' || (linkedin_ingest.job_status(:'job') #>> '{result,overall_score}') FROM linkedin_ingest.profile_scores WHERE job_id = :'job'), '72.50 72.50', 'job_status tells the model''s score');
SELECT pg_temp.scored(:'ada', :'t', '{"a": 10, "b": 20, "c": 30}') AS again \gset
SELECT is(pg_temp.shown(:'again'), '(17.00,,17.00,low,,t)', 'a new score has no review yet');

-- a job without criteria
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active) VALUES ('COO', 'screening', 'quick', 'Go on with {{profile}}?', true) RETURNING id AS s \gset
SELECT pg_temp.scored(:'ada', :'s', '{}') AS plain \gset
UPDATE linkedin_ingest.scoring_jobs SET parsed_score = '{"overall_score": 61}', overall_score = 61 WHERE id = :'plain';
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.review_score(%L, ''adjust'', ''r'', ''{"a": 1}'')', :'plain')), '22023 corrected', 'has nothing to adjust');
SELECT linkedin_ingest.review_score(:'plain', 'agree', 'fine') \g /dev/null
SELECT is(pg_temp.shown(:'plain'), '(61.00,61.00,61.00,medium,agree,f)', 'but can be agreed with');

-- unscored answers
SELECT pg_temp.scored(:'ada', :'t', '{"a": null, "b": 20, "c": null}') AS thin \gset
SELECT is(pg_temp.shown(:'thin'), '(,,,unscored,,t)', 'too few criteria: no total');
SELECT linkedin_ingest.review_score(:'thin', 'adjust', 'I know', '{"a": 60}') \g /dev/null
SELECT is(pg_temp.shown(:'thin'), '(,45.00,45.00,low,adjust,f)', 'a reviewer can make one');

-- agreement: the whole matrix as an oracle
DELETE FROM linkedin_ingest.score_reviews;
CREATE TEMP TABLE made AS
	SELECT n, pg_temp.scored(p.id, :'t', jsonb_build_object('a', (n * 37) % 101, 'b', CASE WHEN n % 5 > 0 THEN (n * 53) % 101 END, 'c', 90)) AS job_id
	FROM generate_series(1, 40) n, LATERAL (SELECT id FROM linkedin_ingest.profiles WHERE full_name = 'Ada Sample' AND n > 0) p;
SELECT linkedin_ingest.review_score(job_id, 'agree', NULL) FROM made WHERE n % 4 = 0 \g /dev/null
SELECT linkedin_ingest.review_score(job_id, 'reject', 'no') FROM made WHERE n % 4 = 1 \g /dev/null
SELECT linkedin_ingest.review_score(job_id, 'adjust', 'so', jsonb_build_object('a', (n * 37 + 10 * (n % 7)) % 101)) FROM made WHERE n % 4 = 2 \g /dev/null
SELECT linkedin_ingest.review_score(job_id, 'reject', 'at first') FROM made WHERE n % 4 = 3 \g /dev/null
SELECT linkedin_ingest.review_score(job_id, 'adjust', 'so', jsonb_build_object('a', (n * 29) % 101, 'b', (n * 31) % 101)) FROM made WHERE n % 4 = 3 \g /dev/null
CREATE TEMP VIEW oracle AS
	WITH pairs AS (
		SELECT k.key, (c.score >= 50)::int + (c.score >= 75)::int AS m, (h.score >= 50)::int + (h.score >= 75)::int AS h, h.score - c.score AS d
		FROM made, (VALUES ('a'), ('b'), ('c')) k (key),
			LATERAL (SELECT CASE k.key WHEN 'a' THEN (n * 37) % 101 WHEN 'b' THEN CASE WHEN n % 5 > 0 THEN (n * 53) % 101 END ELSE 90 END) c (score),
			LATERAL (SELECT CASE WHEN k.key = 'a' AND n % 4 = 2 THEN (n * 37 + 10 * (n % 7)) % 101 WHEN k.key = 'a' AND n % 4 = 3 THEN (n * 29) % 101
				WHEN k.key = 'b' AND n % 4 = 3 THEN (n * 31) % 101 ELSE c.score END) h (score)
		WHERE n % 4 <> 1 AND c.score IS NOT NULL),
	cells AS (
		SELECT k.key, i, j, (i - j) * (i - j) / 4.0 AS weight,
			(SELECT count(*) FROM pairs p WHERE p.key = k.key AND p.m = i AND p.h = j)::numeric AS observed,
			(SELECT count(*) FROM pairs p WHERE p.key = k.key AND p.m = i)::numeric * (SELECT count(*) FROM pairs p WHERE p.key = k.key AND p.h = j)
				/ (SELECT count(*) FROM pairs p WHERE p.key = k.key) AS expected
		FROM (VALUES ('a'), ('b'), ('c')) k (key), generate_series(0, 2) i, generate_series(0, 2) j)
	SELECT c.key, (SELECT count(*) FROM pairs p WHERE p.key = c.key) AS pairs, (SELECT count(*) FROM pairs p WHERE p.key = c.key AND p.m = p.h) AS same_band,
		(SELECT round(avg(p.d), 2) FROM pairs p WHERE p.key = c.key) AS mean_correction,
		round(1 - sum(weight * observed) / nullif(sum(weight * expected), 0), 4) AS kappa
	FROM cells c GROUP BY c.key;
SELECT results_eq('SELECT key, pairs, same_band, mean_correction, kappa FROM linkedin_ingest.agreement ORDER BY key',
	'SELECT key, pairs, same_band, mean_correction, kappa FROM oracle ORDER BY key', 'kappa is that of the whole matrix');
SELECT results_eq('SELECT key, kappa IS NULL, kappa < 1 FROM linkedin_ingest.agreement ORDER BY key', $$VALUES ('a', false, true), ('b', false, true), ('c', true, NULL)$$, 'null when all are in one band');
SELECT is((SELECT min(pairs) FROM linkedin_ingest.agreement), 24::bigint, 'rejected jobs and unscored criteria are left out');
SELECT results_eq('SELECT DISTINCT template_id, role, stage FROM linkedin_ingest.agreement', format('VALUES (%L::uuid, ''COO'', ''scoring'')', :'t'), 'of that template');
DELETE FROM linkedin_ingest.score_reviews;
SELECT linkedin_ingest.review_score(job_id, 'agree', NULL) FROM made \g /dev/null
SELECT is((SELECT kappa FROM linkedin_ingest.agreement WHERE key = 'a'), 1.0000, 'agreement is 1');
DELETE FROM linkedin_ingest.score_reviews;
SELECT is_empty('SELECT * FROM linkedin_ingest.agreement', 'no review, no row');

-- rights
CREATE ROLE pgtap_review_scorer;
CREATE ROLE pgtap_review_reader;
SELECT linkedin_ingest.grant_access('pgtap_review_scorer', 'scorer'), linkedin_ingest.grant_access('pgtap_review_reader', 'reader') \g /dev/null
SET LOCAL ROLE pgtap_review_scorer;
SELECT linkedin_ingest.review_score(:'thin', 'adjust', 'mine', '{"a": 60}') \g /dev/null
RESET ROLE;
SELECT is((SELECT reviewed_by FROM linkedin_ingest.score_reviews), 'pgtap_review_scorer', 'a scorer reviews, in the own name');
GRANT SELECT ON made TO pgtap_review_reader;
SET LOCAL ROLE pgtap_review_reader;
CREATE FUNCTION pg_temp.reads(statement text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; RETURN 'ok'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END $$;
CREATE TEMP TABLE seen AS
	SELECT s, pg_temp.reads(s) AS answer FROM unnest(ARRAY['SELECT * FROM linkedin_ingest.profile_scores', 'SELECT * FROM linkedin_ingest.agreement', 'SELECT * FROM linkedin_ingest.profile_compatibility',
		'SELECT * FROM linkedin_ingest.score_criteria', 'SELECT * FROM linkedin_ingest.score_reviews', format('SELECT linkedin_ingest.review_score(%L, ''agree'', NULL)', :'thin')]) s;
RESET ROLE;
SELECT results_eq('SELECT answer FROM seen', $$VALUES ('ok'), ('ok'), ('ok'), ('ok'), ('ok'), ('42501')$$, 'a reader sees it all and reviews nothing');

SELECT * FROM finish();
ROLLBACK;
