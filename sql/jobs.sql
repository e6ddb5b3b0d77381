/* jobs.sql: the queue, its attempts, and what is kept of them */

CREATE TABLE linkedin_ingest.scoring_jobs (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	profile_id uuid NOT NULL REFERENCES linkedin_ingest.profiles ON DELETE CASCADE,
	role text REFERENCES linkedin_ingest.roles,
	stage text CHECK (stage IN ('screening', 'compatibility', 'scoring')),
	template_id uuid,
	template_version int,
	prompt text CHECK (btrim(prompt) <> '' AND octet_length(prompt) <= 200000),
	provider text NOT NULL,
	model text NOT NULL,
	max_tokens int NOT NULL CHECK (max_tokens BETWEEN 100 AND 32000),
	temperature numeric CHECK (temperature BETWEEN 0 AND 2),
	samples int NOT NULL DEFAULT 1 CHECK (samples BETWEEN 1 AND 15),
	priority smallint NOT NULL DEFAULT 0,
	run_at timestamptz NOT NULL DEFAULT now(),
	unique_key text,
	after_job uuid,
	lane text COLLATE "C" NOT NULL GENERATED ALWAYS AS
		(provider || E'\x1f' || model || E'\x1f' || coalesce(role, '') || E'\x1f' || created_by) STORED,
	status text NOT NULL DEFAULT 'pending'
		CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
	claim_no int NOT NULL DEFAULT 0 CHECK (claim_no >= 0),
	claim_token uuid,
	worker_id uuid,
	attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	max_attempts int NOT NULL DEFAULT 5 CHECK (max_attempts > 0),
	retry_count int NOT NULL DEFAULT 0 CHECK (retry_count BETWEEN 0 AND 10),
	request json,
	cache_key text,
	llm_response jsonb,
	parsed_score jsonb,
	overall_score numeric(5,2) CHECK (overall_score BETWEEN 0 AND 100),
	recommended_role text,
	needs_review boolean NOT NULL DEFAULT false,
	review_reasons text[],
	cached boolean NOT NULL DEFAULT false,
	error jsonb,
	prompt_tokens bigint,
	completion_tokens bigint,
	cost_usd numeric,
	created_by text NOT NULL DEFAULT linkedin_ingest.outer_user(),
	created_at timestamptz NOT NULL DEFAULT now(),
	started_at timestamptz,
	completed_at timestamptz,
	updated_at timestamptz NOT NULL DEFAULT now(),
	FOREIGN KEY (template_id, template_version) REFERENCES linkedin_ingest.prompt_template_versions,
	CONSTRAINT scoring_jobs_template_or_prompt CHECK
		((template_id IS NULL) = (template_version IS NULL)
		 AND (template_id IS NULL) = (stage IS NULL)
		 AND (template_id IS NULL) = (prompt IS NOT NULL)),
	CONSTRAINT scoring_jobs_processing_is_claimed CHECK
		((status = 'processing') = (claim_token IS NOT NULL)
		 AND (status <> 'processing' OR (worker_id IS NOT NULL AND claim_no > 0))),
	CONSTRAINT scoring_jobs_ended_has_time CHECK
		((status IN ('completed', 'failed', 'cancelled')) = (completed_at IS NOT NULL))
)
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
	  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02,
	  autovacuum_vacuum_cost_delay = 0,
	  toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_cost_delay = 0);

/* The wide columns are written once; lz4 costs a quarter of pglz. */
DO $$
BEGIN
	ALTER TABLE linkedin_ingest.scoring_jobs
		ALTER COLUMN request SET COMPRESSION lz4,
		ALTER COLUMN llm_response SET COMPRESSION lz4,
		ALTER COLUMN parsed_score SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;	/* a server built without lz4 */
END
$$;

/* The claim: equality on lane and priority, range on run_at (worker/queue.c). */
CREATE INDEX scoring_jobs_claim ON linkedin_ingest.scoring_jobs (lane, priority, run_at, id)
	WHERE status = 'pending';
/* Rescue and hand-back: whose jobs are these? */
CREATE INDEX scoring_jobs_processing ON linkedin_ingest.scoring_jobs (worker_id)
	WHERE status = 'processing';
CREATE UNIQUE INDEX scoring_jobs_unique_key ON linkedin_ingest.scoring_jobs (profile_id, unique_key)
	WHERE unique_key IS NOT NULL AND status IN ('pending', 'processing');
/*
 * The jobs of a person.  Also the state of every job for those who look at all
 * of them (queue_status, queue_anomalies): the rows are wide, and the index has
 * a new entry with each change of state as it is.
 */
CREATE INDEX scoring_jobs_profile ON linkedin_ingest.scoring_jobs (profile_id, created_at)
	INCLUDE (id, role, stage, status, completed_at);
/* The answer cache (linkedin_ingest.cache_ttl). */
CREATE INDEX scoring_jobs_cache ON linkedin_ingest.scoring_jobs (cache_key, completed_at)
	WHERE cache_key IS NOT NULL AND status = 'completed' AND NOT cached;
CREATE INDEX scoring_jobs_after_job ON linkedin_ingest.scoring_jobs (after_job)
	WHERE after_job IS NOT NULL;

COMMENT ON TABLE linkedin_ingest.scoring_jobs IS 'one row per question asked of a model; the queue and its results';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.id IS 'job id, time-ordered';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.profile_id IS 'the person; the job goes when the profile goes';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.role IS 'role the person is scored for; null for compatibility and free prompts';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.stage IS 'stage of the template; null for a free prompt';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.template_id IS 'template asked with; null for a free prompt';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.template_version IS 'version the job was created with and runs with';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.prompt IS 'free prompt; null with a template';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.provider IS 'llm_providers.name, resolved when the job was created';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.model IS 'model, resolved when the job was created';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.max_tokens IS 'cap on the tokens of the answer';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.temperature IS 'sampling temperature; null: none is sent';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.samples IS 'answers asked for; the median counts per criterion';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.priority IS 'higher is claimed first';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.run_at IS 'not claimed before; infinity while it waits for after_job';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.unique_key IS 'unique per profile while the job is open';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.after_job IS 'predecessor; no foreign key, a purged one is remembered';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.lane IS 'provider, model, role and creator: what the claim skips or shares as a whole';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.status IS 'pending, processing, completed, failed, cancelled';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.claim_no IS 'the fence: one more with every claim, never lowered';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.claim_token IS 'random token of the claim; only a processing job has one';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.worker_id IS 'workers.id that made the latest claim';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.attempts IS 'charged tries since creation or the last manual retry';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.max_attempts IS 'charged tries after which the job fails';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.retry_count IS 'manual retries (retry_job)';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.request IS 'body of the last good or last call exactly as sent; no header';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.cache_key IS 'hash of what was asked, without the nonce';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.llm_response IS 'the provider''s reply object';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.parsed_score IS 'checked answer with grounding and _metadata';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.overall_score IS 'weighted total computed by the database, 0..100';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.recommended_role IS 'compatibility: the role recommended by the gate';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.needs_review IS 'a person should look at this result';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.review_reasons IS 'why needs_review is set';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.cached IS 'answered from an earlier job without a call';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.error IS 'why the job failed or waits: code, message, retryable, http_status, attempts, at';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.prompt_tokens IS 'sum over all calls; null while unknown';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.completion_tokens IS 'sum over all calls; null while unknown';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.cost_usd IS 'sum over all calls at the price of the call; null when a price is unknown';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.created_by IS 'the outer user''s name';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.created_at IS 'when the job was created';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.started_at IS 'latest claim';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.completed_at IS 'when the job ended, in whichever terminal state';
COMMENT ON COLUMN linkedin_ingest.scoring_jobs.updated_at IS 'latest change of the row';

CREATE FUNCTION linkedin_ingest.scoring_jobs_guard() RETURNS trigger
	LANGUAGE c
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_scoring_jobs_guard';
COMMENT ON FUNCTION linkedin_ingest.scoring_jobs_guard() IS
	'trigger: refuses a transition that the job states do not have, keeps updated_at';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON linkedin_ingest.scoring_jobs
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.scoring_jobs_guard();

CREATE FUNCTION linkedin_ingest.lock_jobs_of_profile() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	PERFORM FROM linkedin_ingest.scoring_jobs j WHERE j.profile_id = OLD.id ORDER BY j.id FOR UPDATE;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.lock_jobs_of_profile() IS
	'trigger: the jobs that go with a profile are locked in the order of their ids, as by all who lock several (lock_jobs())';

CREATE TRIGGER lock_jobs BEFORE DELETE ON linkedin_ingest.profiles
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.lock_jobs_of_profile();

CREATE FUNCTION linkedin_ingest.wake_worker() RETURNS trigger
	LANGUAGE c
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_wake_worker';
COMMENT ON FUNCTION linkedin_ingest.wake_worker() IS
	'trigger: the commit of this transaction wakes the worker and whoever waits for a job';

CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON linkedin_ingest.scoring_jobs
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.wake_worker();

CREATE TABLE linkedin_ingest.scoring_attempts (
	job_id uuid NOT NULL REFERENCES linkedin_ingest.scoring_jobs ON DELETE CASCADE,
	attempt int NOT NULL CHECK (attempt > 0),
	claim_no int NOT NULL,
	kind text NOT NULL CHECK (kind IN ('first', 'retry', 'sample', 'reask', 'probe')),
	sample int NOT NULL DEFAULT 1 CHECK (sample > 0),
	charged boolean NOT NULL,
	worker_pid int,
	provider text NOT NULL,
	model text NOT NULL,
	http_status int,
	outcome text CHECK (outcome IN ('ok', 'retry', 'defer', 'open', 'fail', 'reask', 'shrink', 'cancelled', 'unknown')),
	error_code text,
	error_message text,
	request_id text,
	prompt_tokens int,
	completion_tokens int,
	cost_usd numeric,
	parsed jsonb,
	cache_key text,
	claimed_at timestamptz,
	sent_at timestamptz,
	first_byte_at timestamptz,
	finished_at timestamptz,
	recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (job_id, attempt)
)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
	  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02,
	  autovacuum_vacuum_cost_delay = 0,
	  toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_cost_delay = 0);
/*
 * What happened in the last minute (provider_status).  No BRIN index: a purge
 * makes room all over the table, and the newest rows go there.
 */
CREATE INDEX scoring_attempts_recorded ON linkedin_ingest.scoring_attempts (recorded_at);
/* Calls that have not ended: few at any time. */
CREATE INDEX scoring_attempts_open ON linkedin_ingest.scoring_attempts (job_id) WHERE outcome IS NULL;
COMMENT ON TABLE linkedin_ingest.scoring_attempts IS 'one row per call to a model, possibly paid ones included';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.job_id IS 'the job';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.attempt IS '1, 2, ... over the job''s life, never reused';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.claim_no IS 'claim under which the call was made';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.kind IS 'first, retry, sample, reask or probe';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.sample IS 'which sample of the job';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.charged IS 'whether the call''s claim counts in scoring_jobs.attempts';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.worker_pid IS 'process that made the call';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.provider IS 'provider called';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.model IS 'model asked for';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.http_status IS 'null: no response';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.outcome IS 'class of the answer; null while the call is open; unknown: the worker was lost, the call may have been paid';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.error_code IS 'error code; null when ok';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.error_message IS 'one line, redacted';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.request_id IS 'the provider''s id of the call';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.prompt_tokens IS 'as told by the provider';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.completion_tokens IS 'as told by the provider';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.cost_usd IS 'at the price valid when the call was made; null without a price';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.parsed IS 'a sample''s valid answer, kept when it arrived';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.cache_key IS 'hash of what that sample was asked, as in scoring_jobs: a later claim takes it over only for the same question';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.claimed_at IS 'when the job was claimed for this call';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.sent_at IS 'when the transfer was started';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.first_byte_at IS 'first byte of the response';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.finished_at IS 'end of the transfer';
COMMENT ON COLUMN linkedin_ingest.scoring_attempts.recorded_at IS 'when this row got its outcome, or was opened';

/*
 * No foreign key to the profile, whose jobs go with it: checking one would let
 * the worker, which has the job's row, wait for the profile's, while a DELETE
 * of the profile waits for the job's.
 */
CREATE TABLE linkedin_ingest.latest_scores (
	profile_id uuid NOT NULL,
	role text,
	stage text NOT NULL,
	job_id uuid NOT NULL REFERENCES linkedin_ingest.scoring_jobs ON DELETE CASCADE,
	completed_at timestamptz NOT NULL,
	CONSTRAINT latest_scores_key UNIQUE NULLS NOT DISTINCT (profile_id, role, stage)
)
WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
	  autovacuum_vacuum_cost_delay = 0);
CREATE INDEX latest_scores_job ON linkedin_ingest.latest_scores (job_id);
COMMENT ON TABLE linkedin_ingest.latest_scores IS 'which completed job is the latest per profile, role and stage; kept by the statement that records a result';
COMMENT ON COLUMN linkedin_ingest.latest_scores.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.latest_scores.role IS 'role; null for compatibility';
COMMENT ON COLUMN linkedin_ingest.latest_scores.stage IS 'stage of the template';
COMMENT ON COLUMN linkedin_ingest.latest_scores.job_id IS 'the latest completed job';
COMMENT ON COLUMN linkedin_ingest.latest_scores.completed_at IS 'its completed_at';

CREATE TABLE linkedin_ingest.spend_daily (
	day date NOT NULL,
	provider text NOT NULL,
	model text NOT NULL,
	role text,
	template_id uuid,
	calls bigint NOT NULL DEFAULT 0,
	prompt_tokens bigint NOT NULL DEFAULT 0,
	completion_tokens bigint NOT NULL DEFAULT 0,
	cost_usd numeric,
	CONSTRAINT spend_daily_key UNIQUE NULLS NOT DISTINCT (day, provider, model, role, template_id)
)
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
	  autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE linkedin_ingest.spend_daily IS 'calls, tokens and cost per UTC day; no person''s data, untouched by purge';
COMMENT ON COLUMN linkedin_ingest.spend_daily.day IS 'UTC day on which the call was recorded';
COMMENT ON COLUMN linkedin_ingest.spend_daily.provider IS 'provider called';
COMMENT ON COLUMN linkedin_ingest.spend_daily.model IS 'model asked for';
COMMENT ON COLUMN linkedin_ingest.spend_daily.role IS 'role of the job, if any';
COMMENT ON COLUMN linkedin_ingest.spend_daily.template_id IS 'template of the job, if any; no foreign key';
COMMENT ON COLUMN linkedin_ingest.spend_daily.calls IS 'calls recorded';
COMMENT ON COLUMN linkedin_ingest.spend_daily.prompt_tokens IS 'sum as told by the provider';
COMMENT ON COLUMN linkedin_ingest.spend_daily.completion_tokens IS 'sum as told by the provider';
COMMENT ON COLUMN linkedin_ingest.spend_daily.cost_usd IS 'sum of the known costs; null when none was known';

/* The state of the machinery: none of it is dumped, save a pause. */

CREATE TABLE linkedin_ingest.workers (
	id uuid PRIMARY KEY,
	pid int NOT NULL,
	started_at timestamptz NOT NULL,
	heartbeat_at timestamptz NOT NULL,
	library_version text NOT NULL
)
WITH (fillfactor = 50);
COMMENT ON TABLE linkedin_ingest.workers IS 'one row per process incarnation that has claimed jobs; not dumped';
COMMENT ON COLUMN linkedin_ingest.workers.id IS 'random id of the incarnation';
COMMENT ON COLUMN linkedin_ingest.workers.pid IS 'process id';
COMMENT ON COLUMN linkedin_ingest.workers.started_at IS 'start of the process, as in pg_stat_activity.backend_start';
COMMENT ON COLUMN linkedin_ingest.workers.heartbeat_at IS 'written every quarter of lease_interval while it owns jobs';
COMMENT ON COLUMN linkedin_ingest.workers.library_version IS 'version of the loaded library';

CREATE TABLE linkedin_ingest.provider_blocks (
	account text NOT NULL,
	model text NOT NULL DEFAULT '',
	provider text NOT NULL,
	code text NOT NULL,
	message text NOT NULL,
	blocked_at timestamptz NOT NULL,
	next_probe_at timestamptz NOT NULL,
	PRIMARY KEY (account, model)
);
COMMENT ON TABLE linkedin_ingest.provider_blocks IS 'accounts and models that are not called until a probe succeeds, kept over a restart; not dumped';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.account IS 'hash of kind, base_url, organization and key';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.model IS 'the blocked model; empty: the whole account';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.provider IS 'provider whose job met the fault';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.code IS 'error code that blocked it';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.message IS 'one line, redacted';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.blocked_at IS 'when it was blocked';
COMMENT ON COLUMN linkedin_ingest.provider_blocks.next_probe_at IS 'when one job may try again';

CREATE TABLE linkedin_ingest.home (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	system_identifier bigint NOT NULL,
	timeline int NOT NULL,
	database_oid oid NOT NULL,
	host_id text,
	data_directory text NOT NULL,
	device bigint NOT NULL,
	inode bigint NOT NULL,
	armed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE linkedin_ingest.home IS 'the cluster on which jobs may run; a copy does not match it and calls nobody; not dumped';
COMMENT ON COLUMN linkedin_ingest.home.only_row IS 'there is one row at most';
COMMENT ON COLUMN linkedin_ingest.home.system_identifier IS 'of the cluster';
COMMENT ON COLUMN linkedin_ingest.home.timeline IS 'WAL timeline; a promotion or point-in-time recovery raises it';
COMMENT ON COLUMN linkedin_ingest.home.database_oid IS 'a database made with TEMPLATE copies the row, not the oid';
COMMENT ON COLUMN linkedin_ingest.home.host_id IS '/etc/machine-id; null where there is none';
COMMENT ON COLUMN linkedin_ingest.home.data_directory IS 'path of the data directory';
COMMENT ON COLUMN linkedin_ingest.home.device IS 'its device number';
COMMENT ON COLUMN linkedin_ingest.home.inode IS 'its inode number';
COMMENT ON COLUMN linkedin_ingest.home.armed_at IS 'when the row was written';

CREATE TABLE linkedin_ingest.pause (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	reason text,
	paused_by text NOT NULL,
	paused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE linkedin_ingest.pause IS 'holds a row while the worker is paused by hand';
COMMENT ON COLUMN linkedin_ingest.pause.only_row IS 'there is one row at most';
COMMENT ON COLUMN linkedin_ingest.pause.reason IS 'as given to pause_worker()';
COMMENT ON COLUMN linkedin_ingest.pause.paused_by IS 'who paused it';
COMMENT ON COLUMN linkedin_ingest.pause.paused_at IS 'since when';
