-- cancel_jobs: whom it cancels, what becomes of those that wait, notices.
-- Everything happens in one transaction, so no worker sees the jobs.
\set QUIET on
BEGIN;
SELECT plan(38);
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
	RETURN rtrim(state || ' ' || argument || ' ' || SQLERRM);
END
$$;
CREATE FUNCTION pg_temp.claim(job uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = claim_no + 1, claim_token = gen_random_uuid(),
		worker_id = '00000000-0000-4000-8000-000000000001', attempts = attempts + 1, started_at = clock_timestamp()
	WHERE id = job
$$;
CREATE FUNCTION pg_temp.state(job uuid) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', j.status, j.error ->> 'code') FROM linkedin_ingest.scoring_jobs j WHERE j.id = job
$$;
CREATE FUNCTION pg_temp.score(role text, after_job uuid DEFAULT NULL) RETURNS uuid LANGUAGE sql AS $$
	SELECT linkedin_ingest.score_profile(p.id, role, after_job => after_job) FROM linkedin_ingest.profiles p WHERE p.full_name = 'Ada Example'
$$;
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset

-- arguments
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.cancel_jobs('king')$$), '22023 role unknown role "king"', 'an unknown role');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.cancel_jobs(status => 'completed')$$),
	'22023 status status must be pending or processing, not "completed"', 'another status');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.cancel_jobs('king', 'x')$$), '22023 role 2 invalid arguments', 'both');
SELECT is(linkedin_ingest.cancel_jobs(), 0::bigint, 'an empty queue');

-- everything
SELECT pg_temp.score('CTO') AS cto, pg_temp.score('CIO') AS cio, pg_temp.score('CTO') AS running \gset
SELECT linkedin_ingest.score_profile(:'ada', prompt => 'And?', run_at => '2100-01-01') AS free \gset
SELECT pg_temp.score('CISO', :'cio') AS waiting \gset
SELECT pg_temp.score('CTO', :'waiting') AS further \gset
SELECT pg_temp.claim(:'running') \g /dev/null
SAVEPOINT before;
SELECT is(linkedin_ingest.cancel_jobs(), 6::bigint, 'every open job, the number of them');
SELECT is(pg_temp.state(:'cto'), 'cancelled cancelled', 'a due one');
SELECT is(pg_temp.state(:'running'), 'cancelled cancelled', 'a running one');
SELECT is(pg_temp.state(:'free'), 'cancelled cancelled', 'one of the future, without role');
SELECT is(pg_temp.state(:'waiting'), 'cancelled dependency_failed', 'one that waits for another ends with it');
SELECT is(pg_temp.state(:'further'), 'cancelled dependency_failed', 'and the next in the chain');
SELECT is(j.claim_token, NULL, 'a late answer finds no claim') FROM linkedin_ingest.scoring_jobs j WHERE j.id = :'running';
SELECT ok(j.completed_at IS NOT NULL AND (j.error ->> 'retryable')::boolean, 'it has ended, and may be retried') FROM linkedin_ingest.scoring_jobs j WHERE j.id = :'cto';
SELECT is(linkedin_ingest.cancel_jobs(), 0::bigint, 'nothing is left');
SELECT linkedin_ingest.retry_job(:'cio') \g /dev/null
SELECT is(pg_temp.state(:'waiting'), 'pending', 'a retry of the first brings the chain back');
SELECT is(pg_temp.state(:'further'), 'pending', 'all of it');
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies), 0::bigint, 'no anomalies');
ROLLBACK TO before;

-- by role
SELECT is(linkedin_ingest.cancel_jobs('Cio'), 3::bigint, 'one role, in any case, and whoever waits for its jobs');
SELECT is(pg_temp.state(:'cio'), 'cancelled cancelled', 'its job');
SELECT is(pg_temp.state(:'waiting'), 'cancelled dependency_failed', 'one of another role that waits for it');
SELECT is(pg_temp.state(:'further'), 'cancelled dependency_failed', 'and the next');
SELECT is(pg_temp.state(:'cto'), 'pending', 'another role goes on');
ROLLBACK TO before;
SELECT is(linkedin_ingest.cancel_jobs('ciso'), 2::bigint, 'the middle of a chain');
SELECT is(pg_temp.state(:'cio'), 'pending', 'its beginning goes on');
SELECT is(pg_temp.state(:'waiting'), 'cancelled cancelled', 'the middle was asked for');
SELECT is(pg_temp.state(:'further'), 'cancelled dependency_failed', 'its end ends with it');
ROLLBACK TO before;

-- by state
SELECT is(linkedin_ingest.cancel_jobs(status => 'processing'), 1::bigint, 'running ones only');
SELECT is(pg_temp.state(:'running'), 'cancelled cancelled', 'it');
SELECT is(pg_temp.state(:'cto'), 'pending', 'not a pending one');
ROLLBACK TO before;
SELECT is(linkedin_ingest.cancel_jobs(status => 'pending'), 5::bigint, 'pending ones only');
SELECT is(pg_temp.state(:'running'), 'processing', 'a running one goes on');
SELECT is(linkedin_ingest.cancel_jobs('CTO', 'processing'), 1::bigint, 'both');
ROLLBACK TO before;
SELECT is(linkedin_ingest.cancel_jobs('CIO', 'processing'), 0::bigint, 'none of that role runs');

-- wait_for_job
SELECT is(pg_temp.fault('SELECT linkedin_ingest.wait_for_job(NULL)'), 'P0002 job_id there is no job with this id', 'wait_for_job(NULL) finds no job');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.wait_for_job(%L, NULL)', :'cto')),
	'55000 job_id the job was written by this transaction, the worker cannot see it yet', 'a null time-out is the default, and no null answer');
SELECT is(linkedin_ingest.cancel_job(:'cto'), true, 'cancel_job');
SELECT is(linkedin_ingest.cancel_job(:'cto'), false, 'once');

-- who may
CREATE ROLE pgtap_cancel_scorer;
CREATE ROLE pgtap_cancel_reader;
SELECT linkedin_ingest.grant_access('pgtap_cancel_scorer', 'scorer'), linkedin_ingest.grant_access('pgtap_cancel_reader', 'reader') \g /dev/null
SET LOCAL ROLE pgtap_cancel_reader;
SELECT throws_ok('SELECT linkedin_ingest.cancel_jobs()', '42501', NULL, 'a reader cannot');
RESET ROLE;
SET LOCAL ROLE pgtap_cancel_scorer;
SELECT is(linkedin_ingest.cancel_jobs(), 5::bigint, 'a scorer can, as with cancel_job');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
