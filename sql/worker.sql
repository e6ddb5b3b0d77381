/* worker.sql: the C functions of the worker, and of those who wait for it */

CREATE FUNCTION linkedin_ingest.is_preloaded() RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_is_preloaded';
COMMENT ON FUNCTION linkedin_ingest.is_preloaded() IS
	'whether the server preloads the library, so that a worker can run';

CREATE FUNCTION linkedin_ingest.build_info()
	RETURNS TABLE (library_version text, build_commit text, libcurl text)
	LANGUAGE c STABLE STRICT PARALLEL SAFE ROWS 1
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_build_info';
COMMENT ON FUNCTION linkedin_ingest.build_info() IS 'what the loaded library was built from and runs with';

CREATE FUNCTION linkedin_ingest.worker_slots()
	RETURNS TABLE (database_oid oid, pid int, worker_id uuid, kind text, state text, reason text,
		started_at timestamptz, in_flight int, completed bigint, failed bigint, retried bigint,
		deferred bigint, stale bigint, last_error text, heartbeat_age interval)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 4
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_worker_slots';
COMMENT ON FUNCTION linkedin_ingest.worker_slots() IS
	'the workers and run_once sessions of this database, from shared memory; counts are since their start';

CREATE FUNCTION linkedin_ingest.worker_reason() RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_worker_reason';
COMMENT ON FUNCTION linkedin_ingest.worker_reason() IS
	'why no worker runs in this database; null when one runs or is about to';

CREATE FUNCTION linkedin_ingest.live_workers() RETURNS SETOF uuid
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 4
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_live_workers';
COMMENT ON FUNCTION linkedin_ingest.live_workers() IS
	'ids of the workers and sessions whose claims in this database still hold';

CREATE FUNCTION linkedin_ingest.account_states()
	RETURNS TABLE (provider text, model text, account text, key_found boolean, blocked_code text,
		blocked_message text, blocked_at timestamptz, next_probe_at timestamptz,
		throttled_until timestamptz, in_flight int, requests_per_minute int, tokens_per_minute int,
		breaker_open boolean, calls_per_second numeric, full_until timestamptz)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 4
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_account_states';
COMMENT ON FUNCTION linkedin_ingest.account_states() IS
	'one row per provider (model empty) and one per model that is blocked or limited: whether its key is found, what holds its calls back';

CREATE FUNCTION linkedin_ingest.budget_refuses(of_role boolean, name text, daily_budget float8, model text) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_budget_refuses';
COMMENT ON FUNCTION linkedin_ingest.budget_refuses(boolean, text, float8, text) IS
	'internal: whether what is left today of a provider''s or role''s budget was too little for a call of the model, as the workers know it';

CREATE FUNCTION linkedin_ingest.clear_block(provider text, model text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_clear_block';
COMMENT ON FUNCTION linkedin_ingest.clear_block(text, text) IS
	'lifts a block in shared memory; part of unblock_provider()';

CREATE FUNCTION linkedin_ingest.this_home()
	RETURNS TABLE (system_identifier bigint, timeline int, database_oid oid, host_id text,
		data_directory text, device bigint, inode bigint)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 1
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_this_home';
COMMENT ON FUNCTION linkedin_ingest.this_home() IS 'what table home holds when jobs may run on this cluster';

CREATE FUNCTION linkedin_ingest.home_problem() RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_home_problem';
COMMENT ON FUNCTION linkedin_ingest.home_problem() IS 'why jobs may not run on this cluster; null: they may';

CREATE FUNCTION linkedin_ingest.notify_providers_changed() RETURNS trigger
	LANGUAGE c
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_notify_providers_changed';
COMMENT ON FUNCTION linkedin_ingest.notify_providers_changed() IS
	'trigger: the commit makes the workers read providers, models and pause again';

/* resume_worker() deletes from it, also when there is no row */
CREATE TRIGGER start AFTER DELETE ON linkedin_ingest.pause
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.notify_providers_changed('start');
CREATE TRIGGER wake AFTER INSERT OR UPDATE ON linkedin_ingest.pause
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.notify_providers_changed();
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON linkedin_ingest.home
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.notify_providers_changed();

CREATE FUNCTION linkedin_ingest.wait_for_job(job_id uuid, timeout interval DEFAULT '1 min') RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_wait_for_job';
COMMENT ON FUNCTION linkedin_ingest.wait_for_job(uuid, interval) IS
	'waits until the job has ended or the time is up; returns its state then';

CREATE FUNCTION linkedin_ingest.count_jobs_now(profile_ids uuid[], since timestamptz) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_count_jobs_now';
COMMENT ON FUNCTION linkedin_ingest.count_jobs_now(uuid[], timestamptz) IS
	'internal: jobs of these profiles created since, as committed by now, whatever the transaction''s snapshot';

CREATE PROCEDURE linkedin_ingest.run_once(max_jobs int DEFAULT 1)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'linkedin_ingest_run_once';
COMMENT ON PROCEDURE linkedin_ingest.run_once(int) IS
	'claims, asks and records up to max_jobs due jobs in this session; CALL it outside a transaction block';

CREATE FUNCTION linkedin_ingest.extension_created() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_extension_created';
COMMENT ON FUNCTION linkedin_ingest.extension_created() IS
	'called by the install and update scripts: their commit starts or wakes the worker';
SELECT linkedin_ingest.extension_created();
