-- profile_scores, score_criteria, queue_status, provider_status, worker_status, queue_anomalies.
\set QUIET on
BEGIN;
SELECT plan(39);
SET LOCAL client_min_messages = error;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;

CREATE FUNCTION pg_temp.claim(job uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = claim_no + 1, claim_token = gen_random_uuid(),
		worker_id = '00000000-0000-4000-8000-000000000001', attempts = attempts + 1, started_at = clock_timestamp()
	WHERE id = job
$$;
CREATE FUNCTION pg_temp.complete(job uuid, score numeric, parsed jsonb DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.claim(job);
	UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = clock_timestamp(),
		overall_score = score, parsed_score = parsed WHERE id = job;
	INSERT INTO linkedin_ingest.latest_scores AS l (profile_id, role, stage, job_id, completed_at)
		SELECT j.profile_id, j.role, j.stage, j.id, j.completed_at FROM linkedin_ingest.scoring_jobs j
		WHERE j.id = job AND j.stage IS NOT NULL
		ON CONFLICT ON CONSTRAINT latest_scores_key DO UPDATE SET job_id = excluded.job_id, completed_at = excluded.completed_at;
$$;

SELECT is(linkedin_ingest.score_band(s), b, format('score_band(%s)', coalesce(s::text, 'null')))
FROM (VALUES (NULL::numeric, 'unscored'), (0, 'low'), (49.99, 'low'), (50, 'medium'), (74.99, 'medium'), (75, 'high'), (100, 'high')) v (s, b);

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, rubric, is_active)
	VALUES ('COO', 'scoring', 'operations', 'Score the person for {{role}} by {{rubric}}. {{profile}}',
	'[{"key": "scale", "title": "Scale", "weight": 0.6, "description": "Size of the operations run"},
	  {"key": "cost", "title": "Cost", "weight": 0.4, "description": "Effect on cost"}]', true);
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('elsewhere', 'openai', 'http://127.0.0.1:9/v1');
INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('test-small', 'elsewhere');
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset
\set nobody '00000000-0000-7000-8000-00000000dead'

-- results
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS first \gset
SELECT pg_temp.complete(:'first', 40) \g /dev/null
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS second \gset
SELECT pg_temp.complete(:'second', 80, '{"criteria": {
	"scale": {"score": 90, "justification": "Ran three plants", "evidence": ["ran three plants in two countries"], "grounding": [{"match": "normalized", "start": 3, "end": 9}]},
	"cost": {"score": null, "justification": "Not told", "evidence": ["saved a lot"], "grounding": [{"match": "absent"}]}}}') \g /dev/null
SELECT linkedin_ingest.score_profile(:'ada', prompt => 'And?', model => 'test-small') AS free \gset
SELECT pg_temp.complete(:'free', 12) \g /dev/null
SELECT results_eq(format('SELECT job_id, role, stage, overall_score, reviewed_score, effective_score, band FROM linkedin_ingest.profile_scores WHERE profile_id = %L', :'ada'),
	format($$VALUES (%L::uuid, 'COO', 'scoring', 80.00::numeric(5,2), NULL::numeric(5,2), 80.00::numeric(5,2), 'high')$$, :'second'),
	'profile_scores: the latest job, no free prompt');
SELECT results_eq(format('SELECT key, title, weight, score, justification, quotes, grounded FROM linkedin_ingest.score_criteria WHERE job_id = %L ORDER BY key', :'second'),
	$$VALUES ('cost', 'Cost', 0.4, NULL::numeric, 'Not told', '{saved a lot}'::text[], false),
		('scale', 'Scale', 0.6, 90, 'Ran three plants', '{ran three plants in two countries}', true)$$, 'score_criteria');
SELECT is((SELECT count(*) FROM linkedin_ingest.score_criteria WHERE job_id IN (:'first', :'free')), 0::bigint, 'an answer without criteria has no rows');
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies), 0::bigint, 'no anomaly so far');

-- queue_status
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS due \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small', run_at => now() + interval '1 h') AS later \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small', after_job => :'due') AS last \gset
SELECT is((SELECT ROW(jobs, due, dependent, blocked, reason)::text FROM linkedin_ingest.queue_status WHERE role = 'COO' AND status = 'pending'),
	'(3,1,1,0,)', 'queue_status: jobs, due, dependent, blocked');
SELECT ok((SELECT next_run <= now() FROM linkedin_ingest.queue_status WHERE role = 'COO' AND status = 'pending'), 'next_run');
SELECT is((SELECT jobs FROM linkedin_ingest.queue_status WHERE role = 'COO' AND status = 'completed'), 2::bigint, 'a row per state');
SELECT is((SELECT jobs FROM linkedin_ingest.queue_status WHERE role IS NULL AND status = 'completed'), 1::bigint, 'a row for jobs without role');

-- pending_lanes: one entry per lane and priority
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small', priority => 5) \g /dev/null
SELECT linkedin_ingest.score_profile(:'ada', prompt => 'And?', model => 'test-small') \g /dev/null
SELECT results_eq($$SELECT provider, model, role, priority FROM linkedin_ingest.pending_lanes() WHERE model = 'test-small' ORDER BY role NULLS FIRST, priority$$,
	$$VALUES ('elsewhere', 'test-small', NULL, 0::smallint), ('elsewhere', 'test-small', 'COO', 0::smallint), ('elsewhere', 'test-small', 'COO', 5::smallint)$$,
	'pending_lanes');

-- provider_status
SELECT is((SELECT ROW(kind, key_found, blocked, spend_today_usd)::text FROM linkedin_ingest.provider_status WHERE provider = 'elsewhere'), '(openai,,f,)', 'provider_status: no key needed, not blocked');
INSERT INTO linkedin_ingest.spend_daily (day, provider, model, role, calls, cost_usd) VALUES
	((now() AT TIME ZONE 'UTC')::date, 'elsewhere', 'test-small', 'COO', 1, 0.25), ((now() AT TIME ZONE 'UTC')::date, 'elsewhere', 'test-small', NULL, 1, 0.5),
	((now() AT TIME ZONE 'UTC')::date - 1, 'elsewhere', 'test-small', 'COO', 1, 7);
INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged, provider, model, outcome, prompt_tokens, completion_tokens)
	VALUES (:'second', 1, 1, 'first', true, 'elsewhere', 'test-small', 'ok', 1000, 200);
SELECT is((SELECT ROW(requests_last_minute, tokens_last_minute, spend_today_usd)::text FROM linkedin_ingest.provider_status WHERE provider = 'elsewhere' AND model IS NULL),
	'(1,1200,0.75)', 'calls and tokens of the last minute, spend of the day');
SELECT is((SELECT count(*) FROM linkedin_ingest.provider_status WHERE model IS NULL), (SELECT count(*) FROM linkedin_ingest.llm_providers), 'one row per provider');

-- worker_status
SELECT cmp_ok((SELECT count(*) FROM linkedin_ingest.worker_status WHERE kind = 'worker'), '>=', 1::bigint, 'worker_status has a row, whatever runs');
SELECT is((SELECT count(*) FROM linkedin_ingest.worker_status WHERE state NOT IN ('running', 'paused', 'starting', 'stopped') OR database <> current_database()), 0::bigint, 'of this database, in one of four states');
SELECT is((SELECT count(*) FROM linkedin_ingest.worker_status WHERE state = 'stopped' AND reason IS NULL), 0::bigint, 'a stopped worker has a reason');

-- queue_anomalies: each kind, on a state that is undone afterwards
CREATE FUNCTION pg_temp.anomalies_after(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	BEGIN
		EXECUTE statement;
		SELECT string_agg(a.anomaly || ' ' || a.job_id, ', ' ORDER BY a.job_id) INTO found FROM linkedin_ingest.queue_anomalies a;
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
		RETURN found;
	END;
END
$$;
SELECT is(pg_temp.anomalies_after('SELECT'), NULL, 'no anomaly');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.scoring_jobs SET after_job = NULL WHERE id = %L', :'last')),
	'unsettled ' || :'last', 'infinity without predecessor');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.scoring_jobs SET after_job = %L WHERE id = %L', :'first', :'last')),
	'unsettled ' || :'last', 'a predecessor that has ended');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.scoring_jobs SET after_job = %L WHERE id = %L', '00000000-0000-7000-8000-00000000dead', :'last')),
	'unsettled ' || :'last', 'a predecessor that is gone');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.scoring_jobs SET attempts = max_attempts WHERE id = %L', :'due')),
	'exhausted ' || :'due', 'pending without attempts left');
SELECT is(pg_temp.anomalies_after(format('SELECT pg_temp.claim(%L); UPDATE linkedin_ingest.scoring_jobs SET started_at = now() - interval ''1 h'' WHERE id = %L', :'due', :'due')),
	'abandoned ' || :'due', 'processing for an hour, for a worker that is gone');
SELECT is(pg_temp.anomalies_after(format('ALTER TABLE linkedin_ingest.scoring_jobs DISABLE TRIGGER guard;
	UPDATE linkedin_ingest.scoring_jobs SET updated_at = now() - interval ''1 h'' WHERE id = %L;
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged, provider, model) VALUES (%L, 1, 1, ''first'', true, ''x'', ''x'')', :'first', :'first')),
	'open attempt ' || :'first', 'a call without an outcome, of a job that has ended');
SELECT is(pg_temp.anomalies_after(format('SELECT pg_temp.claim(%L); UPDATE linkedin_ingest.scoring_jobs SET attempts = max_attempts + 1 WHERE id = %L', :'due', :'due')),
	'exhausted ' || :'due', 'an attempt beyond the last one');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.scoring_jobs SET run_at = now() WHERE id = %L', :'last')),
	'released early ' || :'last', 'due before its predecessor has completed');
SELECT is(pg_temp.anomalies_after(format('ALTER TABLE linkedin_ingest.scoring_jobs DISABLE TRIGGER guard;
	ALTER TABLE linkedin_ingest.scoring_jobs DROP CONSTRAINT scoring_jobs_processing_is_claimed;
	UPDATE linkedin_ingest.scoring_jobs SET claim_token = gen_random_uuid() WHERE id = %L', :'due')),
	'stray claim ' || :'due', 'pending with a claim');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.scoring_jobs SET status = ''cancelled'', completed_at = now() WHERE id = %L', :'due')),
	'unsettled ' || :'last', 'ended, without a look at who waits');
SELECT is(pg_temp.anomalies_after(format('ALTER TABLE linkedin_ingest.latest_scores DISABLE TRIGGER ALL; UPDATE linkedin_ingest.latest_scores SET job_id = %L WHERE job_id = %L', :'nobody', :'second')) ~ ('wrong latest score ' || :'nobody'),
	true, 'a job that does not exist');
SELECT is(pg_temp.anomalies_after(format('INSERT INTO linkedin_ingest.profiles (full_name) VALUES (''Bo Example'');
	UPDATE linkedin_ingest.latest_scores SET profile_id = (SELECT id FROM linkedin_ingest.profiles WHERE full_name = ''Bo Example'') WHERE job_id = %L', :'second')) ~ ('wrong latest score ' || :'second'),
	true, 'one of another person');
SELECT is(pg_temp.anomalies_after(format('DELETE FROM linkedin_ingest.latest_scores WHERE job_id = %L', :'second')),
	format('wrong latest score %s, wrong latest score %s', :'first', :'second'), 'completed jobs without latest score');
SELECT is(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.latest_scores l SET job_id = j.id, completed_at = j.completed_at FROM linkedin_ingest.scoring_jobs j WHERE j.id = %L AND l.job_id = %L', :'first', :'second')),
	'wrong latest score ' || :'second', 'an older one shown as latest');
SELECT alike(pg_temp.anomalies_after(format('UPDATE linkedin_ingest.latest_scores SET role = ''CTO'' WHERE job_id = %L', :'second')),
	'%wrong latest score ' || :'second' || '%', 'one of another role');
SELECT is(pg_temp.anomalies_after(format('SELECT pg_temp.claim(%L)', :'due')), NULL,
	'a job just claimed by a worker that is gone is left to the rescue');

SELECT * FROM finish();
ROLLBACK;
