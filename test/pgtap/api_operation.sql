-- pause_worker, resume_worker, home, unblock_provider, health, version, job_status of blocked lanes.
-- Everything happens in one transaction, so no worker sees any of it.
\set QUIET on
BEGIN;
SELECT plan(51);
SET LOCAL client_min_messages = error;

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
CREATE FUNCTION pg_temp.job(id uuid) RETURNS linkedin_ingest.scoring_jobs LANGUAGE sql AS $$
	SELECT j FROM linkedin_ingest.scoring_jobs j WHERE j.id = $1
$$;
CREATE FUNCTION pg_temp.claim(job uuid, worker uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = claim_no + 1, claim_token = gen_random_uuid(),
		worker_id = worker, attempts = attempts + 1, started_at = clock_timestamp()
	WHERE id = job
$$;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active)
	VALUES ('COO', 'scoring', 'operations', 'Score the person for {{role}}. {{profile}}', true);
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('elsewhere', 'openai', 'http://127.0.0.1:9/v1');
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref) VALUES ('keyless', 'openai', 'http://127.0.0.1:9/v2', 'env:LI_NO_SUCH_VARIABLE');
INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('test-small', 'elsewhere'), ('test-keyless', 'keyless');
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset

-- pause
SELECT linkedin_ingest.pause_worker('maintenance') \g /dev/null
SELECT is((SELECT ROW(reason, paused_by)::text FROM linkedin_ingest.pause), ROW('maintenance', current_user)::text, 'pause_worker notes reason and user');
SELECT linkedin_ingest.pause_worker() \g /dev/null
SELECT is((SELECT count(*) FROM linkedin_ingest.pause), 1::bigint, 'pausing twice is one pause');
SELECT isnt(linkedin_ingest.worker_problem(), NULL, 'a paused worker has a reason');
SELECT linkedin_ingest.resume_worker() \g /dev/null
SELECT is((SELECT count(*) FROM linkedin_ingest.pause), 0::bigint, 'resume_worker ends it');

-- home
DELETE FROM linkedin_ingest.home;
SELECT isnt(linkedin_ingest.home_problem(), NULL, 'no home at first');
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS one \gset
SELECT is(linkedin_ingest.home_problem(), NULL, 'the first job makes one');
SELECT is((SELECT ROW(h.system_identifier, h.timeline, h.database_oid, h.host_id, h.data_directory, h.device, h.inode)::text FROM linkedin_ingest.home h),
	(SELECT t::text FROM linkedin_ingest.this_home() t), 'it is here');
SELECT armed_at FROM linkedin_ingest.home \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS two \gset
SELECT is((SELECT armed_at FROM linkedin_ingest.home), :'armed_at'::timestamptz, 'the next job leaves it alone');

-- home: a copy
UPDATE linkedin_ingest.home SET system_identifier = system_identifier + 1;
SELECT isnt(linkedin_ingest.home_problem(), NULL, 'a copy has a problem');
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS three \gset
SELECT isnt(linkedin_ingest.home_problem(), NULL, 'a new job does not arm a copy that has jobs');
SELECT isnt(linkedin_ingest.worker_problem(), NULL, 'its worker has a reason to rest');
SELECT pg_temp.claim(:'one', '00000000-0000-4000-8000-000000000001') \g /dev/null
INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged, provider, model)
	VALUES (:'one', 1, 1, 'first', true, 'elsewhere', 'test-small');
SELECT linkedin_ingest.pause_worker() \g /dev/null
SELECT linkedin_ingest.resume_worker() \g /dev/null
SELECT is(linkedin_ingest.home_problem(), NULL, 'resume_worker makes the copy a home');
SELECT is((SELECT count(*) FROM linkedin_ingest.pause), 0::bigint, 'and ends the pause');
SELECT is(ROW(j.status, j.attempts, j.claim_no, j.claim_token)::text, '(pending,0,1,)', 'a job that ran elsewhere starts anew, uncharged') FROM pg_temp.job(:'one') j;
SELECT is((SELECT ROW(count(*), min(outcome), min(error_code))::text FROM linkedin_ingest.scoring_attempts WHERE job_id = :'one'), '(1,unknown,worker_lost)',
	'no attempt is added, the open one is closed');
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies), 0::bigint, 'no anomaly');

-- home: resume_worker at home leaves lost jobs to the rescue, which charges them
SELECT pg_temp.claim(:'two', '00000000-0000-4000-8000-000000000001') \g /dev/null
SELECT linkedin_ingest.resume_worker() \g /dev/null
SELECT is(ROW(j.status, j.attempts)::text, '(processing,1)', 'at home a lost job is left to the rescue') FROM pg_temp.job(:'two') j;

-- blocked lanes
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-keyless') AS keyless \gset
SELECT is(linkedin_ingest.job_status(:'keyless') #>> '{error,code}', 'config_error', 'job_status: no key');
SELECT is(linkedin_ingest.job_status(:'keyless') #>> '{error,retryable}', 'true', 'it waits');
SELECT is((SELECT ROW(key_found, blocked, blocked_code)::text FROM linkedin_ingest.provider_status WHERE provider = 'keyless'), '(f,t,config_error)', 'provider_status: no key');
SELECT is((SELECT ROW(blocked, reason)::text FROM linkedin_ingest.queue_status WHERE role = 'COO' AND status = 'pending'), '(1,"keyless: config_error")', 'queue_status: one job is blocked');
SELECT ok(linkedin_ingest.health() -> 'providers' @> '[{"provider": "keyless", "model": "test-keyless", "error": {"code": "config_error"}}]', 'health: the provider of a waiting job');
SELECT is(linkedin_ingest.job_status(:'three') -> 'error', NULL, 'another provider''s job has no error');

-- unblock_provider
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.unblock_provider('nobody')$$), 'P0002 name', 'unblock_provider: unknown provider');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.unblock_provider(NULL)$$), 'P0002 name', 'null');
INSERT INTO linkedin_ingest.provider_blocks (account, model, provider, code, message, blocked_at, next_probe_at)
	SELECT s.account, m, s.provider, 'quota_exhausted', 'no credit', now(), now() + interval '1 min'
	FROM linkedin_ingest.account_states() s, unnest(ARRAY['', 'test-small']) m WHERE s.provider = 'elsewhere';
INSERT INTO linkedin_ingest.provider_blocks (account, model, provider, code, message, blocked_at, next_probe_at)
	VALUES ('other', '', 'keyless', 'quota_exhausted', 'no credit', now(), now());
SELECT linkedin_ingest.unblock_provider('elsewhere') \g /dev/null
SELECT is((SELECT count(*) FROM linkedin_ingest.provider_blocks WHERE provider = 'elsewhere'), 0::bigint, 'its blocks are lifted');
SELECT is((SELECT count(*) FROM linkedin_ingest.provider_blocks WHERE provider = 'keyless'), 1::bigint, 'no other''s');

-- health
SELECT ok(linkedin_ingest.health() ->> 'status' IN ('ok', 'degraded', 'down'), 'health: a status');
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(linkedin_ingest.health()) k), '{database,models_ending,providers,queue,status,worker}', 'all of it for a superuser');
SELECT is(linkedin_ingest.health() #>> '{database,name}', current_database()::text, 'the database');
SELECT ok((linkedin_ingest.health() #>> '{queue,age_seconds}')::numeric >= 0, 'age of the queue');
UPDATE linkedin_ingest.llm_models SET sunset_on = (now() AT TIME ZONE 'UTC')::date + 10, replacement = 'test-keyless' WHERE model = 'test-small';
SELECT ok(linkedin_ingest.health() -> 'models_ending' @> '[{"model": "test-small", "replacement": "test-keyless"}]', 'a model of waiting jobs that ends soon');
UPDATE linkedin_ingest.llm_models SET sunset_on = (now() AT TIME ZONE 'UTC')::date + 61 WHERE model = 'test-small';
SELECT ok(NOT linkedin_ingest.health() -> 'models_ending' @> '[{"model": "test-small"}]', 'not soon');
CREATE ROLE pgtap_api_anonymous;
SELECT linkedin_ingest.grant_access('pgtap_api_anonymous', 'anonymous') \g /dev/null
CREATE TEMPORARY TABLE seen (health jsonb, version jsonb);
GRANT ALL ON seen TO pgtap_api_anonymous;
SET LOCAL ROLE pgtap_api_anonymous;
INSERT INTO seen SELECT linkedin_ingest.health(), linkedin_ingest.version();
RESET ROLE;
SELECT is((SELECT array_agg(k ORDER BY k) FROM seen, jsonb_object_keys(health) k), '{status}', 'a stranger is told the status alone');
SELECT is((SELECT version FROM seen), linkedin_ingest.version(), 'and the version');

-- version
SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(linkedin_ingest.version()) k), '{build_commit,extension,libcurl,library,server}', 'version');
SELECT is(linkedin_ingest.version() ->> 'extension', (SELECT extversion FROM pg_extension WHERE extname = 'linkedin_ingest'), 'of the extension');
SELECT is(linkedin_ingest.version() ->> 'library', linkedin_ingest.version() ->> 'extension', 'of the library');

-- an operator does all this without any right on the tables behind it
CREATE ROLE pgtap_api_operator;
SELECT linkedin_ingest.grant_access('pgtap_api_operator', 'operator') \g /dev/null
SET LOCAL ROLE pgtap_api_operator;
CREATE TEMPORARY TABLE answers AS SELECT n, pg_temp.fault(s) AS fault, s FROM unnest(ARRAY[
	$$SELECT linkedin_ingest.pause_worker('by an operator')$$,
	$$SELECT linkedin_ingest.resume_worker()$$,
	$$SELECT linkedin_ingest.unblock_provider('keyless')$$,
	$$SELECT * FROM linkedin_ingest.worker_status$$,
	$$SELECT * FROM linkedin_ingest.queue_status$$,
	$$SELECT * FROM linkedin_ingest.provider_status$$,
	$$SELECT * FROM linkedin_ingest.queue_anomalies$$,
	$$SELECT linkedin_ingest.health()$$]) WITH ORDINALITY u (s, n);
RESET ROLE;
SELECT is(fault, 'ok', 'operator: ' || s) FROM answers ORDER BY n;
GRANT pg_monitor TO pgtap_api_anonymous;
SELECT linkedin_ingest.revoke_access('pgtap_api_anonymous') \g /dev/null
SET LOCAL ROLE pgtap_api_anonymous;
CREATE TEMPORARY TABLE monitored AS SELECT n, pg_temp.fault(s) AS fault, s FROM unnest(ARRAY[
	$$SELECT * FROM linkedin_ingest.worker_status$$,
	$$SELECT * FROM linkedin_ingest.queue_status$$,
	$$SELECT * FROM linkedin_ingest.provider_status$$,
	$$SELECT * FROM linkedin_ingest.queue_anomalies$$,
	$$SELECT linkedin_ingest.health()$$]) WITH ORDINALITY u (s, n);
RESET ROLE;
SELECT is(fault, 'ok', 'pg_monitor: ' || s) FROM monitored ORDER BY n;

SELECT * FROM finish();
ROLLBACK;
