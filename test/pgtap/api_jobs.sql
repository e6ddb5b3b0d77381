-- cancel_job, retry_job, job_status, dependent jobs, explain_score's refusals.
-- Everything happens in one transaction, so no worker sees the jobs.
\set QUIET on
BEGIN;
SELECT plan(76);

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
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
CREATE FUNCTION pg_temp.job(id uuid) RETURNS linkedin_ingest.scoring_jobs LANGUAGE sql AS $$
	SELECT j FROM linkedin_ingest.scoring_jobs j WHERE j.id = $1
$$;
-- what a worker writes when it claims a job and when the job ends
CREATE FUNCTION pg_temp.claim(job uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = claim_no + 1, claim_token = gen_random_uuid(),
		worker_id = '00000000-0000-4000-8000-000000000001', attempts = attempts + 1, started_at = clock_timestamp()
	WHERE id = job
$$;
CREATE FUNCTION pg_temp.complete(job uuid) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.claim(job);
	UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = started_at + interval '1.5 s',
		llm_response = '{"id": "x"}', parsed_score = '{"overall_score": 3, "_metadata": {"model_used": "test-dated"}}',
		overall_score = 81.25, prompt_tokens = 1000, completion_tokens = 200, cost_usd = 0.0002,
		needs_review = true, review_reasons = '{ungrounded}'
	WHERE id = job;
	SELECT linkedin_ingest.settle_dependents(job);
$$;
CREATE FUNCTION pg_temp.fail(job uuid) RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.claim(job);
	UPDATE linkedin_ingest.scoring_jobs SET status = 'failed', completed_at = clock_timestamp(),
		error = '{"code": "bad_request", "message": "no", "retryable": false, "http_status": 400, "attempts": 1}'
	WHERE id = job;
	SELECT linkedin_ingest.settle_dependents(job);
$$;

SET LOCAL client_min_messages = error;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;
INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active)
	VALUES ('COO', 'scoring', 'operations', 'Score the person for {{role}}. {{profile}}', true);
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('elsewhere', 'openai', 'http://127.0.0.1:9/v1');
INSERT INTO linkedin_ingest.llm_models (model, provider, max_output_tokens, supports_temperature, sunset_on) VALUES
	('test-small', 'elsewhere', 1000, true, NULL),
	('test-cold', 'elsewhere', NULL, false, NULL),
	('test-ended', 'elsewhere', NULL, true, '2020-01-01');
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Bo Example') RETURNING id AS bo \gset
\set nobody '00000000-0000-7000-8000-00000000dead'

-- job_status
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.job_status(%L)', :'nobody')), 'P0002 job_id', 'job_status: unknown job');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.job_status(NULL)'), 'P0002 job_id', 'job_status: null');
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small', temperature => 0.5) AS job \gset
SELECT linkedin_ingest.job_status(:'job') AS status \gset
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(:'status'::jsonb - 'error') k),
	'{attempts,created_at,job_id,profile_id,retry_count,role,run_at,stage,status,template_id,template_version,updated_at}',
	'pending: the fields of every job, and run_at');
SELECT is(:'status'::jsonb ->> 'status', 'pending', 'its status');
SELECT is(:'status'::jsonb ->> 'job_id', :'job', 'its id');
SELECT pg_temp.claim(:'job') \g /dev/null
SELECT is(linkedin_ingest.job_status(:'job') ->> 'status', 'processing', 'processing');
SELECT ok(linkedin_ingest.job_status(:'job') ? 'started_at', 'processing adds started_at');
UPDATE linkedin_ingest.scoring_jobs SET status = 'pending', run_at = now() + interval '1 min',
	error = '{"code": "timeout", "message": "no answer", "retryable": true}' WHERE id = :'job';
SELECT is(linkedin_ingest.job_status(:'job') #>> '{error,code}', 'timeout', 'pending again: the reason it waits');
SELECT pg_temp.complete(:'job') \g /dev/null
SELECT linkedin_ingest.job_status(:'job') AS status \gset
SELECT is(:'status'::jsonb ->> 'status', 'completed', 'completed');
SELECT is((:'status'::jsonb ->> 'processing_time_seconds')::numeric, 1.5, 'processing_time_seconds');
SELECT is(:'status'::jsonb -> 'result', '{"llm_response": {"id": "x"}, "parsed_score": {"overall_score": 3, "_metadata": {"model_used": "test-dated"}},
	"overall_score": 81.25, "model_used": "test-dated", "tokens_used": 1200, "cost_usd": 0.0002}'::jsonb, 'the result');
SELECT is(:'status'::jsonb -> 'review_reasons', '["ungrounded"]'::jsonb, 'review_reasons');
SELECT is(:'status'::jsonb -> 'needs_review', 'true'::jsonb, 'needs_review');
SELECT ok(:'status'::jsonb ? 'completed_at', 'completed_at');

-- a blocked account is the reason of all its pending jobs
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS job \gset
SELECT is(linkedin_ingest.job_status(:'job') -> 'error', NULL, 'nothing is wrong with a fresh job');

-- cancel_job
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.cancel_job(%L)', :'nobody')), 'P0002 job_id', 'cancel_job: unknown job');
SELECT is(linkedin_ingest.cancel_job(:'job'), true, 'a pending job is cancelled');
SELECT is(j.status, 'cancelled', 'its state') FROM pg_temp.job(:'job') j;
SELECT is(j.error ->> 'code', 'cancelled', 'its error') FROM pg_temp.job(:'job') j;
SELECT ok(j.completed_at IS NOT NULL, 'its end') FROM pg_temp.job(:'job') j;
SELECT is(linkedin_ingest.cancel_job(:'job'), false, 'once');
SELECT is(linkedin_ingest.job_status(:'job') ->> 'status', 'cancelled', 'job_status');
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small', temperature => 0.5) AS job \gset
SELECT pg_temp.claim(:'job') \g /dev/null
SELECT is(linkedin_ingest.cancel_job(:'job'), true, 'a processing job is cancelled');
SELECT is(j.claim_token, NULL, 'a late answer finds no claim') FROM pg_temp.job(:'job') j;
SELECT is(j.claim_no, 1, 'the fence stays') FROM pg_temp.job(:'job') j;

-- retry_job
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'nobody')), 'P0002 job_id', 'retry_job: unknown job');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L, max_tokens => 99)', :'job')), '22023 max_tokens', 'max_tokens out of range');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L, max_tokens => 1001)', :'job')), '22023 max_tokens', 'max_tokens above the model''s');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L, ''test-ended'')', :'job')), '22023 model', 'a model past its date');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'job')), 'ok', 'a cancelled job is retried');
SELECT is(ROW(j.status, j.attempts, j.retry_count, j.claim_no, j.error, j.completed_at, j.model, j.temperature)::text,
	'(pending,0,1,1,,,test-small,0.5)', 'as it was, with new attempts') FROM pg_temp.job(:'job') j;
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'job')), '55000 job_id', 'a pending job is not');
SELECT pg_temp.fail(:'job') \g /dev/null
SELECT is(linkedin_ingest.job_status(:'job') #>> '{error,code}', 'bad_request', 'failed: the error');
SELECT ok(linkedin_ingest.job_status(:'job') ? 'failed_at', 'failed: failed_at');
SELECT linkedin_ingest.retry_job(:'job', 'test-cold', 4000) \g /dev/null
SELECT is(ROW(j.model, j.provider, j.temperature, j.max_tokens, j.retry_count)::text, '(test-cold,elsewhere,,4000,2)',
	'another model: its provider, no temperature it does not take, the new cap') FROM pg_temp.job(:'job') j;
SELECT pg_temp.fail(:'job') \g /dev/null
SELECT linkedin_ingest.retry_job(:'job', 'test-small') \g /dev/null
SELECT is(ROW(j.model, j.max_tokens, j.retry_count)::text, '(test-small,1000,3)', 'the old cap is clipped to the new model''s') FROM pg_temp.job(:'job') j;
SELECT pg_temp.fail(:'job') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'job')), '53400 job_id', 'max_manual_retries');
SET LOCAL linkedin_ingest.max_manual_retries = 0;
SELECT linkedin_ingest.score_profile(:'ada', 'COO', unique_key => 'k') AS first \gset
SELECT linkedin_ingest.cancel_job(:'first') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'first')), '53400 job_id', 'max_manual_retries 0 forbids them');
SET LOCAL linkedin_ingest.max_manual_retries = 10;
SELECT linkedin_ingest.score_profile(:'ada', 'COO', unique_key => 'k') AS second \gset
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'first')), '55000 job_id', 'another open job has its unique_key');
SELECT is(pg_temp.message(format('SELECT linkedin_ingest.retry_job(%L)', :'first')), format('job %s is open with the same unique_key', :'second'), 'which is named');
SELECT linkedin_ingest.score_profile(:'ada', 'COO') AS job \gset
SELECT pg_temp.complete(:'job') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'job')), '55000 job_id', 'a completed job is not retried');
SELECT is(linkedin_ingest.cancel_job(:'job'), false, 'nor cancelled');

-- dependent jobs
SELECT linkedin_ingest.score_profile(:'ada', 'COO') AS one \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO', after_job => :'one') AS two \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO', after_job => :'two', unique_key => 'three') AS three \gset
SELECT is(j.run_at, 'infinity', 'a dependent job waits') FROM pg_temp.job(:'two') j;
SELECT is(j.after_job, :'one'::uuid, 'for its predecessor') FROM pg_temp.job(:'two') j;
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L)', :'bo', :'one')), '22023 after_job', 'of the same person only');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L)', :'ada', :'nobody')), 'P0002 after_job', 'unknown predecessor');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L, run_at => ''2100-01-01'')', :'ada', :'one')), '22023', 'run_at and after_job');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L)', :'nobody', :'one')), 'P0002 profile_id', 'unknown profile with after_job');
SELECT pg_temp.complete(:'one') \g /dev/null
SELECT is(ROW(j.status, j.run_at <= clock_timestamp())::text, '(pending,t)', 'released when it completed') FROM pg_temp.job(:'two') j;
SELECT is(j.run_at, 'infinity', 'its own dependent goes on waiting') FROM pg_temp.job(:'three') j;
SELECT linkedin_ingest.score_profile(:'ada', 'COO', after_job => :'one') AS late \gset
SELECT ok(j.run_at <= clock_timestamp(), 'after a completed job: due now') FROM pg_temp.job(:'late') j;
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies WHERE anomaly = 'unsettled'), 0::bigint, 'no anomaly while a job waits');
SELECT linkedin_ingest.score_profile(:'ada', 'COO', after_job => :'three') AS four \gset
SELECT pg_temp.fail(:'two') \g /dev/null
SELECT is(j.status || ' ' || (j.error ->> 'code'), 'cancelled dependency_failed', 'cancelled when it failed') FROM pg_temp.job(:'three') j;
SELECT is(j.status || ' ' || (j.error ->> 'code'), 'cancelled dependency_failed', 'and who waits for that one') FROM pg_temp.job(:'four') j;
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L)', :'ada', :'two')), '55000 after_job', 'no job after a failed one');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L)', :'ada', :'three')), '55000 after_job', 'nor after a cancelled one');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'three')), '55000 job_id', 'a dependent cannot be retried before its predecessor completed');
SELECT linkedin_ingest.retry_job(:'two') \g /dev/null
SELECT is(ROW(j.status, j.run_at, j.error, j.retry_count)::text, '(pending,infinity,,0)', 'retry of the predecessor puts it back to waiting') FROM pg_temp.job(:'three') j;
SELECT is(ROW(j.status, j.run_at, j.error)::text, '(pending,infinity,)', 'and the next one') FROM pg_temp.job(:'four') j;
SELECT linkedin_ingest.cancel_job(:'three') \g /dev/null
SELECT is(j.error ->> 'code', 'dependency_failed', 'cancel settles dependents too') FROM pg_temp.job(:'four') j;
SELECT linkedin_ingest.cancel_job(:'two') \g /dev/null
SELECT linkedin_ingest.retry_job(:'two') \g /dev/null
SELECT is(j.error ->> 'code', 'cancelled', 'what was cancelled by hand stays cancelled') FROM pg_temp.job(:'three') j;
SELECT linkedin_ingest.score_profile(:'ada', 'COO', after_job => :'two', unique_key => 'five') AS five \gset
SELECT linkedin_ingest.cancel_job(:'two') \g /dev/null
SELECT linkedin_ingest.score_profile(:'ada', 'COO', unique_key => 'five') AS other \gset
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'two')), 'ok', 'a dependent whose key is taken does not hinder the retry');
SELECT is(j.status, 'cancelled', 'it stays cancelled') FROM pg_temp.job(:'five') j;
SELECT pg_temp.complete(:'two') \g /dev/null
SELECT linkedin_ingest.cancel_job(:'other') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'five')), 'ok', 'until its predecessor has completed');
SELECT ok(j.run_at <= clock_timestamp(), 'it is due then') FROM pg_temp.job(:'five') j;

-- the state machine
SELECT is(pg_temp.fault(format('UPDATE linkedin_ingest.scoring_jobs SET status = %L, completed_at = now() WHERE id = %L', 'completed', :'late')), '55000 status', 'no job completes unclaimed');
SELECT is(pg_temp.fault(format('UPDATE linkedin_ingest.scoring_jobs SET status = %L, completed_at = NULL WHERE id = %L', 'pending', :'one')), '55000 status', 'no completed job goes back');
SELECT is(pg_temp.fault(format('INSERT INTO linkedin_ingest.scoring_jobs (profile_id, prompt, provider, model, max_tokens, status, completed_at) VALUES (%L, %L, %L, %L, 100, %L, now())',
	:'ada', 'x', 'openai', 'x', 'completed')), '55000 status', 'no job is born completed');

-- who asked
CREATE ROLE pgtap_api_scorer;
SELECT linkedin_ingest.grant_access('pgtap_api_scorer', 'scorer') \g /dev/null
SET LOCAL ROLE pgtap_api_scorer;
SELECT linkedin_ingest.score_profile(:'ada', 'COO') AS job \gset
RESET ROLE;
SELECT is(j.created_by, 'pgtap_api_scorer', 'created_by is the outer user') FROM pg_temp.job(:'job') j;

-- explain_score checks as score_profile does, and writes nothing
SELECT count(*) AS before FROM linkedin_ingest.scoring_jobs \gset
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.explain_score(%L)', :'ada')), '22023', 'explain_score: none of role, template_id, prompt');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.explain_score(%L, ''COO'')', :'nobody')), 'P0002 profile_id', 'unknown profile');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.explain_score(%L, ''COO'', samples => 16)', :'ada')), '22023 samples', 'samples out of range');
SELECT linkedin_ingest.explain_score(:'ada', 'COO', model => 'test-small', samples => 2) AS told \gset
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(:'told'::jsonb) k),
	'{cache_hit,cached_job_id,estimated_cost_usd,messages,model,parameters,prompt_tokens,prompt_tokens_exact,provider,shortened,template_id,template_version}', 'what it tells');
SELECT is(:'told'::jsonb -> 'parameters', '{"max_tokens": 1000, "temperature": 0.1, "samples": 2, "reasoning_effort": null}'::jsonb, 'parameters as resolved');
SELECT is(:'told'::jsonb -> 'estimated_cost_usd', 'null'::jsonb, 'a model without a price costs null');
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_jobs), :before::bigint, 'no job is made');

SELECT * FROM finish();
ROLLBACK;
