-- retotal after a change of weights, its trace, reviews, rebuild_profile_scores.
\set QUIET on
BEGIN;
SELECT plan(31);
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
CREATE FUNCTION pg_temp.scored(profile uuid, template uuid, scores jsonb) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	job uuid := linkedin_ingest.score_profile(profile, template_id => template);
	criteria jsonb := (SELECT jsonb_object_agg(key, jsonb_build_object('score', value)) FROM jsonb_each(scores));
BEGIN
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = 1, claim_token = gen_random_uuid(), worker_id = gen_random_uuid(), attempts = 1, started_at = now() WHERE id = job;
	UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = clock_timestamp(),
		needs_review = (scores ->> 'c' IS NULL), review_reasons = CASE WHEN scores ->> 'c' IS NULL THEN '{missing_criterion}'::text[] END,
		parsed_score = jsonb_build_object('criteria', criteria, '_metadata', '{"model_used": "m"}'::jsonb),
		overall_score = linkedin_ingest.weighted_total((SELECT rubric FROM linkedin_ingest.prompt_templates WHERE id = template), criteria) WHERE id = job;
	RETURN job;
END
$$;
CREATE FUNCTION pg_temp.rubric(a numeric, b numeric, c numeric, last text DEFAULT 'c') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_agg(jsonb_build_object('key', k, 'title', upper(k), 'weight', w, 'description', 'all of ' || k)) FROM unnest(ARRAY['a', 'b', last], ARRAY[a, b, c]) AS r (k, w)
$$;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active, rubric)
	VALUES ('COO', 'operations', 'Score for {{role}} by {{rubric}}. {{profile}}', true, pg_temp.rubric(0.5, 0.3, 0.2)) RETURNING id AS t \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Sample') RETURNING id AS ada \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Bo Sample') RETURNING id AS bo \gset
SELECT pg_temp.scored(:'ada', :'t', '{"a": 80, "b": 60, "c": 40}') AS one \gset
SELECT pg_temp.scored(:'bo', :'t', '{"a": 80, "b": 60, "c": null}') AS two \gset
SELECT linkedin_ingest.score_profile(:'bo', 'COO') AS pending \gset

-- rebuild_profile_scores
SELECT is(linkedin_ingest.rebuild_profile_scores(), 2::bigint, 'two rows were missing');
SELECT is(linkedin_ingest.rebuild_profile_scores(), 0::bigint, 'none is');
SELECT pg_temp.scored(:'ada', :'t', '{"a": 10, "b": 10, "c": 10}') AS newer \gset
UPDATE linkedin_ingest.latest_scores SET completed_at = completed_at - interval '1 s' WHERE profile_id = :'bo';
INSERT INTO linkedin_ingest.latest_scores (profile_id, role, stage, job_id, completed_at) VALUES (:'ada', NULL, 'compatibility', :'one', now()), (:'ada', 'CTO', 'scoring', :'one', now());
SELECT is(linkedin_ingest.rebuild_profile_scores(), 4::bigint, 'a later one, a wrong time, two that are no scores');
SELECT results_eq('SELECT l.job_id, l.completed_at = j.completed_at FROM linkedin_ingest.latest_scores l JOIN linkedin_ingest.scoring_jobs j ON j.id = l.job_id ORDER BY l.job_id',
	format('VALUES (%L::uuid, true), (%L, true)', :'two', :'newer'), 'each person''s latest');
SELECT is_empty('SELECT * FROM linkedin_ingest.queue_anomalies', 'no anomaly');
DELETE FROM linkedin_ingest.scoring_jobs WHERE id = :'newer';
SELECT is(linkedin_ingest.rebuild_profile_scores(), 1::bigint, 'the one before it is the latest again');

-- retotal: arguments, and nothing to do
SELECT is(pg_temp.fault('SELECT linkedin_ingest.retotal(NULL)'), '22023 template_id', 'no template_id');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.retotal(''00000000-0000-7000-8000-00000000dead'')'), 'P0002 template_id', 'unknown template');
SELECT is(linkedin_ingest.retotal(:'t'), 0::bigint, 'the weights are those of the totals');
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Rate for {{role}} by {{rubric}}. {{profile}}' WHERE id = :'t';
SELECT is(linkedin_ingest.retotal(:'t'), 0::bigint, 'so they are when only the words have changed');

-- a change of weights
SELECT linkedin_ingest.review_score(:'one', 'adjust', 'more', '{"c": 100}') \g /dev/null
SELECT is((SELECT ROW(overall_score, reviewed_score)::text FROM linkedin_ingest.profile_scores WHERE job_id = :'one'), '(66.00,78.00)', 'before');
UPDATE linkedin_ingest.prompt_templates SET rubric = pg_temp.rubric(0.2, 0.2, 0.6) WHERE id = :'t';
SELECT is((SELECT ROW(overall_score, reviewed_score)::text FROM linkedin_ingest.profile_scores WHERE job_id = :'one'), '(66.00,78.00)', 'saving new weights changes no score');
SELECT is(linkedin_ingest.retotal(:'t'), 2::bigint, 'retotal: the completed jobs');
SELECT is((SELECT ROW(overall_score, reviewed_score, effective_score, band)::text FROM linkedin_ingest.profile_scores WHERE job_id = :'one'), '(52.00,88.00,88.00,high)', 'its total and the reviewed one');
SELECT is((SELECT overall_score FROM linkedin_ingest.profile_scores WHERE job_id = :'two'), NULL, 'scored criteria that now weigh under a half: no total');
SELECT is((SELECT ROW(template_version, needs_review, review_reasons)::text FROM linkedin_ingest.scoring_jobs WHERE id = :'two'), '(1,t,{missing_criterion})', 'what it was asked with, and what is wrong with it, stays');
SELECT is((SELECT parsed_score -> '_metadata' #- '{totals,0,until}' FROM linkedin_ingest.scoring_jobs WHERE id = :'one'),
	'{"model_used": "m", "weights_version": 3, "totals": [{"version": 1, "overall_score": 66.00}]}'::jsonb, 'the former total and its version are kept');
SELECT is((SELECT ROW(status, completed_at IS NOT NULL, attempts)::text FROM linkedin_ingest.scoring_jobs WHERE id = :'one'), '(completed,t,1)', 'no job is asked again');
SELECT is((SELECT ROW(status, overall_score, parsed_score)::text FROM linkedin_ingest.scoring_jobs WHERE id = :'pending'), '(pending,,)', 'nor one touched that has not completed');
SELECT is((SELECT count(*) FROM linkedin_ingest.score_reviews), 1::bigint, 'reviews stay');
SELECT is(linkedin_ingest.retotal(:'t'), 0::bigint, 'once is enough');
SELECT is((SELECT round(sum(weight * score) / sum(weight), 2) FROM linkedin_ingest.score_criteria WHERE job_id = :'one'), 52.00, 'score_criteria has the weights of the total');
SELECT is_empty('SELECT * FROM linkedin_ingest.queue_anomalies', 'no anomaly');

-- and back
UPDATE linkedin_ingest.prompt_templates SET rubric = pg_temp.rubric(0.50, 0.30, 0.20) WHERE id = :'t';
SELECT is(linkedin_ingest.retotal(:'t'), 2::bigint, 'back to the first weights');
SELECT is((SELECT parsed_score #> '{_metadata,totals}' #- '{0,until}' #- '{1,until}' FROM linkedin_ingest.scoring_jobs WHERE id = :'two'),
	'[{"version": 1, "overall_score": 72.50}, {"version": 3, "overall_score": null}]'::jsonb, 'the whole trace');
SELECT is((SELECT ROW(overall_score, reviewed_score)::text FROM linkedin_ingest.profile_scores WHERE job_id = :'one'), '(66.00,78.00)', 'as before');

-- other criteria
UPDATE linkedin_ingest.prompt_templates SET rubric = pg_temp.rubric(0.2, 0.2, 0.6, 'd') WHERE id = :'t';
SELECT is(linkedin_ingest.retotal(:'t'), 0::bigint, 'answers to other criteria are left alone');
SELECT pg_temp.scored(:'bo', :'t', '{"a": 50, "b": 50, "d": 100}') AS three \gset
UPDATE linkedin_ingest.prompt_templates SET rubric = pg_temp.rubric(0.4, 0.4, 0.2, 'd') WHERE id = :'t';
SELECT is(linkedin_ingest.retotal(:'t'), 1::bigint, 'only those with the same are made anew');
SELECT is((SELECT overall_score FROM linkedin_ingest.scoring_jobs WHERE id = :'three'), 60.00, 'by the new weights');
UPDATE linkedin_ingest.prompt_templates SET rubric = NULL, prompt_text = 'Rate for {{role}}. {{profile}}' WHERE id = :'t';
SELECT is(linkedin_ingest.retotal(:'t'), 0::bigint, 'a template without rubric has no weights');

-- rights
CREATE ROLE pgtap_retotal_operator;
SELECT linkedin_ingest.grant_access('pgtap_retotal_operator', 'operator') \g /dev/null
SET LOCAL ROLE pgtap_retotal_operator;
SELECT linkedin_ingest.retotal(:'t') + linkedin_ingest.rebuild_profile_scores() AS changed \gset
RESET ROLE;
SELECT is(:'changed'::bigint, 1::bigint, 'for operators');

SELECT * FROM finish();
ROLLBACK;
