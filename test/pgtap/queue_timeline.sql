-- job_timeline: the steps of a job in order, with retries, samples, a cancel.
\set QUIET on
BEGIN;
SELECT plan(19);
SET LOCAL client_min_messages = error;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset

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
-- an attempt that begins so many seconds after the job was made and takes 300 ms
CREATE FUNCTION pg_temp.call(job uuid, attempt int, claim_no int, kind text, sample int, outcome text, seconds int, code text DEFAULT NULL,
		status int DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, sample, charged, worker_pid, provider, model, http_status, outcome,
			error_code, prompt_tokens, completion_tokens, cost_usd, claimed_at, sent_at, first_byte_at, finished_at, recorded_at)
	SELECT job, attempt, claim_no, kind, sample, true, 42, 'openai', 'gpt-6-luna', status, outcome, code,
		CASE WHEN outcome = 'ok' THEN 1000 END, CASE WHEN outcome = 'ok' THEN 100 END, CASE WHEN outcome = 'ok' THEN 0.00015 END,
		t, t + interval '10 ms', CASE WHEN status IS NOT NULL THEN t + interval '200 ms' END, t + interval '300 ms', t + interval '310 ms'
	FROM (SELECT created_at + make_interval(secs => seconds) AS t FROM linkedin_ingest.scoring_jobs WHERE id = job) x
$$;
CREATE FUNCTION pg_temp.steps(job uuid) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', t.step, t.event, t.claim_no || '/' || coalesce(t.attempt::text, '-')) FROM linkedin_ingest.job_timeline(job) t ORDER BY t.step
$$;

SELECT is(pg_temp.fault('SELECT linkedin_ingest.job_timeline(NULL)'), 'P0002 job_id', 'no job');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.job_timeline(gen_random_uuid())'), 'P0002 job_id', 'an unknown job');

-- a job that waits
SELECT linkedin_ingest.score_profile(:'ada', 'CTO', priority => 3) AS job \gset
SELECT results_eq(format('SELECT * FROM pg_temp.steps(%L)', :'job'), $$VALUES ('1 queued')$$, 'a new job');
SELECT is(detail, 'CTO, model gpt-6-luna of openai, priority 3', 'what it is about') FROM linkedin_ingest.job_timeline(:'job');
SELECT is(elapsed_ms, NULL, 'nothing is before it') FROM linkedin_ingest.job_timeline(:'job');
SELECT linkedin_ingest.score_profile(:'ada', 'CTO', run_at => clock_timestamp() + interval '1 h') AS later \gset
SELECT results_eq(format('SELECT * FROM pg_temp.steps(%L)', :'later'), $$VALUES ('1 queued'), ('2 planned')$$, 'a job of the future');
SELECT is(round(elapsed_ms / 60000), 60::numeric, 'in an hour') FROM linkedin_ingest.job_timeline(:'later') WHERE event = 'planned';

-- claimed, no call recorded yet
UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = 1, claim_token = gen_random_uuid(), attempts = 1,
	worker_id = gen_random_uuid(), started_at = created_at + interval '1 s' WHERE id = :'job';
SELECT results_eq(format('SELECT * FROM pg_temp.steps(%L)', :'job'), $$VALUES ('1 queued'), ('2 claimed 1/-')$$, 'in flight');

-- a retry, then three samples of which one is asked again
SELECT pg_temp.call(:'job', 1, 1, 'first', 1, 'retry', 1, 'provider_error', 500) \g /dev/null
UPDATE linkedin_ingest.scoring_jobs SET status = 'pending', run_at = now() + interval '1 h', error = '{"code": "provider_error"}' WHERE id = :'job';
SELECT results_eq(format('SELECT * FROM pg_temp.steps(%L)', :'job'), $$VALUES ('1 queued'), ('2 claimed 1/-'), ('3 sent 1/1'), ('4 first byte 1/1'),
	('5 finished 1/1'), ('6 recorded 1/1'), ('7 retry planned')$$, 'a call that is retried');
SELECT is(detail, 'retry, provider_error', 'why') FROM linkedin_ingest.job_timeline(:'job') WHERE event = 'recorded';
SELECT results_eq(format($$SELECT elapsed_ms FROM linkedin_ingest.job_timeline(%L) WHERE step BETWEEN 3 AND 6 ORDER BY step$$, :'job'),
	'VALUES (10.000), (190.000), (100.000), (10.000)', 'how long each step took, in milliseconds');
UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = 2, claim_token = gen_random_uuid(), attempts = 2, samples = 2,
	started_at = created_at + interval '5 s' WHERE id = :'job';
SELECT pg_temp.call(:'job', 2, 2, 'retry', 1, 'reask', 5, 'invalid_json', 200), pg_temp.call(:'job', 3, 2, 'sample', 2, 'ok', 6, NULL, 200),
	pg_temp.call(:'job', 4, 2, 'reask', 1, NULL, 7) \g /dev/null
UPDATE linkedin_ingest.scoring_attempts SET sent_at = NULL, finished_at = NULL WHERE job_id = :'job' AND attempt = 4;
SELECT results_eq(format('SELECT * FROM pg_temp.steps(%L) OFFSET 6', :'job'), $$VALUES ('7 claimed 2/-'), ('8 sent 2/2'), ('9 first byte 2/2'), ('10 finished 2/2'),
	('11 recorded 2/2'), ('12 sent 2/3'), ('13 first byte 2/3'), ('14 finished 2/3'), ('15 recorded 2/3'), ('16 opened 2/4')$$, 'samples of a second claim, one call open');
SELECT is(detail, 'ok, 1000 + 100 tokens, USD 0.00015', 'what a call cost') FROM linkedin_ingest.job_timeline(:'job') WHERE attempt = 3 AND event = 'recorded';
SELECT is(detail, 'reask, sample 1, no outcome yet', 'the open one') FROM linkedin_ingest.job_timeline(:'job') WHERE event = 'opened';
DELETE FROM linkedin_ingest.scoring_attempts WHERE job_id = :'job' AND attempt = 4;
-- the worker writes the job first, the call a moment later
UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = created_at + interval '6.305 s', overall_score = 81.5, error = NULL WHERE id = :'job';
SELECT results_eq(format('SELECT * FROM pg_temp.steps(%L) OFFSET 13', :'job'), $$VALUES ('14 finished 2/3'), ('15 recorded 2/3'), ('16 completed')$$,
	'recorded, then completed');
SELECT is(detail, 'score 81.50', 'the end') FROM linkedin_ingest.job_timeline(:'job') WHERE event = 'completed';
SELECT is_empty(format('SELECT * FROM linkedin_ingest.job_timeline(%L) WHERE elapsed_ms < 0', :'job'), 'time never runs backwards');

-- cancelled, and how it is read by whom
SELECT linkedin_ingest.cancel_job(:'later') \g /dev/null
SELECT results_eq(format('SELECT event, detail FROM linkedin_ingest.job_timeline(%L) OFFSET 1', :'later'), $$VALUES ('cancelled', 'cancelled')$$, 'cancelled');
CREATE ROLE pgtap_timeline_reader;
SELECT linkedin_ingest.grant_access('pgtap_timeline_reader', 'reader') \g /dev/null
SET LOCAL ROLE pgtap_timeline_reader;
SELECT cmp_ok((SELECT count(*) FROM linkedin_ingest.job_timeline(:'job')), '=', 16::bigint, 'a reader can see it');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
