/* operation.sql: where jobs may run, pausing, unblocking, health */

CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON linkedin_ingest.llm_providers
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.notify_providers_changed();
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON linkedin_ingest.llm_models
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.notify_providers_changed();
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON linkedin_ingest.roles
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.notify_providers_changed();

CREATE FUNCTION linkedin_ingest.set_home() RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
	INSERT INTO linkedin_ingest.home
		(system_identifier, timeline, database_oid, host_id, data_directory, device, inode)
	SELECT h.system_identifier, h.timeline, h.database_oid, h.host_id, h.data_directory, h.device, h.inode
	FROM linkedin_ingest.this_home() h
	ON CONFLICT (only_row) DO UPDATE
	SET system_identifier = excluded.system_identifier, timeline = excluded.timeline,
		database_oid = excluded.database_oid, host_id = excluded.host_id,
		data_directory = excluded.data_directory, device = excluded.device, inode = excluded.inode,
		armed_at = excluded.armed_at;
END;
COMMENT ON FUNCTION linkedin_ingest.set_home() IS 'internal: makes this cluster and database the home of the jobs';

CREATE FUNCTION linkedin_ingest.arm_home() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF linkedin_ingest.home_problem() IS NOT NULL
		AND NOT EXISTS (SELECT FROM linkedin_ingest.scoring_jobs) THEN
		PERFORM linkedin_ingest.set_home();
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.arm_home() IS
	'internal: called by what creates jobs; a database without jobs is at home where it is, a copy with jobs waits for resume_worker()';

CREATE FUNCTION linkedin_ingest.pause_worker(reason text DEFAULT NULL) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
BEGIN ATOMIC
	INSERT INTO linkedin_ingest.pause (reason, paused_by)
	VALUES (left(pause_worker.reason, 1000), linkedin_ingest.outer_user())
	ON CONFLICT (only_row) DO UPDATE
	SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at;
END;
COMMENT ON FUNCTION linkedin_ingest.pause_worker(text) IS
	'stops the claiming of jobs in this database until resume_worker(); calls in flight are finished';

CREATE FUNCTION linkedin_ingest.resume_worker() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	DELETE FROM linkedin_ingest.pause;
	IF linkedin_ingest.home_problem() IS NULL THEN
		RETURN;
	END IF;

	/*
	 * A copy.  What was being asked when it was taken was asked elsewhere, and
	 * is recorded there: the jobs start anew, uncharged, and their open calls
	 * are closed.  Where jobs are at home, rescue does this and charges.
	 */
	WITH foreign_jobs AS (
		UPDATE linkedin_ingest.scoring_jobs j
		SET status = 'pending', attempts = greatest(j.attempts - 1, 0)
		WHERE j.status = 'processing' AND j.worker_id NOT IN (SELECT l FROM linkedin_ingest.live_workers() l)
		RETURNING j.id)
	UPDATE linkedin_ingest.scoring_attempts a
	SET outcome = 'unknown', error_code = 'worker_lost', recorded_at = clock_timestamp(),
		error_message = 'the call was made where this database was copied from'
	FROM foreign_jobs f
	WHERE a.job_id = f.id AND a.outcome IS NULL;
	PERFORM linkedin_ingest.set_home();
END
$$;
COMMENT ON FUNCTION linkedin_ingest.resume_worker() IS
	'ends a pause; starts a worker that was stopped because it crashed too often; in a copy (restored dump, cloned directory or database, promoted standby) makes it the home of its jobs, which then run here';

CREATE FUNCTION linkedin_ingest.unblock_provider(name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	blocked record;
BEGIN
	IF NOT EXISTS (SELECT FROM linkedin_ingest.llm_providers p WHERE p.name = unblock_provider.name) THEN
		RAISE EXCEPTION 'provider "%" not found', coalesce(name, 'null')
			USING ERRCODE = 'P0002', COLUMN = 'name';
	END IF;
	FOR blocked IN SELECT s.model, s.account FROM linkedin_ingest.account_states() s
				   WHERE s.provider = unblock_provider.name LOOP
		DELETE FROM linkedin_ingest.provider_blocks b
		WHERE b.model = blocked.model AND (b.account = blocked.account OR b.provider = unblock_provider.name);
		PERFORM linkedin_ingest.clear_block(name, blocked.model);
	END LOOP;
	DELETE FROM linkedin_ingest.provider_blocks b WHERE b.provider = unblock_provider.name;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.unblock_provider(text) IS
	'lifts the blocks of a provider''s account and models, so that its jobs are tried again at once';

/*
 * The lanes that have pending jobs, each with its oldest due time, by a skip
 * scan of the claim's index: as quick with a million jobs as with ten.
 */
CREATE FUNCTION linkedin_ingest.pending_lanes()
	RETURNS TABLE (provider text, model text, role text, created_by text, priority smallint, run_at timestamptz)
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH RECURSIVE lanes AS (
		(SELECT j.lane, j.priority, j.run_at FROM linkedin_ingest.scoring_jobs j
		 WHERE j.status = 'pending' ORDER BY j.lane, j.priority, j.run_at LIMIT 1)
		UNION ALL
		SELECT n.lane, n.priority, n.run_at
		FROM lanes l
		CROSS JOIN LATERAL (
			SELECT j.lane, j.priority, j.run_at FROM linkedin_ingest.scoring_jobs j
			WHERE j.status = 'pending' AND (j.lane, j.priority) > (l.lane, l.priority)
			ORDER BY j.lane, j.priority, j.run_at LIMIT 1
		) n
	)
	SELECT split_part(l.lane, E'\x1f', 1), split_part(l.lane, E'\x1f', 2), nullif(split_part(l.lane, E'\x1f', 3), ''),
		split_part(l.lane, E'\x1f', 4), l.priority, l.run_at
	FROM lanes l;
END;
COMMENT ON FUNCTION linkedin_ingest.pending_lanes() IS
	'internal: provider, model, role, creator and priority of the pending jobs, with the earliest run_at of each';

CREATE FUNCTION linkedin_ingest.health() RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	worker record;
	queue record;
	providers jsonb;
	blocked boolean;
	models jsonb;
	ended boolean;
	status text;
BEGIN
	SELECT w.state, w.reason, w.in_flight, w.started_at INTO worker
	FROM linkedin_ingest.worker_status w
	ORDER BY array_position(ARRAY['running', 'starting', 'paused'], w.state) LIMIT 1;

	SELECT count(*) AS lanes, count(*) FILTER (WHERE l.run_at <= clock_timestamp()) AS due_lanes,
		min(l.run_at) FILTER (WHERE l.run_at <= clock_timestamp()) AS oldest_due INTO queue
	FROM linkedin_ingest.pending_lanes() l;

	/* Only what is used counts: the default provider, and those of waiting jobs. */
	SELECT coalesce(jsonb_agg(jsonb_build_object('provider', u.name, 'model', u.model, 'error', u.problem)
							  ORDER BY u.name, u.model), '[]'),
		coalesce(bool_or(u.problem ->> 'code' <> 'rate_limited'), false)
	INTO providers, blocked
	FROM (WITH troubled AS MATERIALIZED (
			/* most accounts have nothing to tell: only those are asked why */
			SELECT s.provider, s.model FROM linkedin_ingest.account_states() s
			WHERE s.blocked_code IS NOT NULL OR s.throttled_until IS NOT NULL OR s.breaker_open OR s.full_until IS NOT NULL
			UNION ALL
			SELECT p.name, '' FROM linkedin_ingest.llm_providers p WHERE p.daily_budget_usd IS NOT NULL
		  ), used AS MATERIALIZED (
			SELECT p.name, current_setting('linkedin_ingest.default_model') AS model, NULL AS role
			FROM linkedin_ingest.llm_providers p WHERE p.is_default
			UNION
			(SELECT DISTINCT l.provider, l.model, r.role FROM linkedin_ingest.pending_lanes() l
			 LEFT JOIN linkedin_ingest.roles r ON r.role = l.role AND r.daily_budget_usd IS NOT NULL
			 LIMIT 1000)
		  )
		  SELECT DISTINCT n.name, n.model, linkedin_ingest.lane_problem(n.name, n.model, n.role) AS problem
		  FROM used n
		  WHERE n.role IS NOT NULL
			  OR EXISTS (SELECT FROM troubled t WHERE t.provider = n.name AND t.model IN ('', n.model))) u
	WHERE u.problem IS NOT NULL;

	SELECT coalesce(jsonb_agg(jsonb_build_object('model', m.model, 'sunset_on', m.sunset_on, 'replacement', m.replacement)
							  ORDER BY m.sunset_on, m.model), '[]'),
		coalesce(bool_or(m.ended), false)
	INTO models, ended
	FROM linkedin_ingest.models_ending() m;

	status := CASE WHEN worker.state = 'stopped' THEN 'down'
		WHEN worker.state = 'paused' OR blocked OR ended THEN 'degraded'
		ELSE 'ok' END;
	IF NOT has_table_privilege(linkedin_ingest.outer_user(), 'linkedin_ingest.worker_status', 'SELECT') THEN
		RETURN jsonb_build_object('status', status);
	END IF;
	RETURN jsonb_build_object(
		'status', status,
		'database', jsonb_build_object('name', current_database(), 'in_recovery', pg_is_in_recovery()),
		'worker', jsonb_build_object('state', worker.state, 'reason', worker.reason,
			'started_at', worker.started_at, 'in_flight', worker.in_flight),
		'providers', providers,
		'queue', jsonb_build_object('oldest_due_at', queue.oldest_due,
			'age_seconds', round(extract(epoch FROM clock_timestamp() - queue.oldest_due), 3)),
		'models_ending', models);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.health() IS
	'ok, degraded or down; with database, worker, blocked providers, age of the queue and models that end within 60 days for a caller who may read worker_status';

CREATE FUNCTION linkedin_ingest.version() RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT jsonb_build_object(
		'extension', (SELECT e.extversion FROM pg_catalog.pg_extension e WHERE e.extname = 'linkedin_ingest'),
		'library', b.library_version,
		'build_commit', b.build_commit,
		'server', current_setting('server_version'),
		'libcurl', b.libcurl)
	FROM linkedin_ingest.build_info() b;
END;
COMMENT ON FUNCTION linkedin_ingest.version() IS
	'versions of the extension''s SQL, its library and commit, the server and libcurl';
