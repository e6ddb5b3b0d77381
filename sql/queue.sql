/* queue.sql: many jobs at once: locking, cancelling, purging; and the history of one */

/*
 * Whoever locks several jobs and waits for them does so in the order of their
 * ids, so that none of them waits for each other.  Ids are time-ordered, hence
 * a job comes before those that wait for it, however long the chain; but the
 * chains of two jobs interleave, so all are looked for before the first is
 * locked.  A dependent that is made meanwhile is not missed: its maker writes
 * the row of its predecessor (create_jobs()), and settling looks again.
 */
CREATE FUNCTION linkedin_ingest.lock_jobs(job_ids uuid[]) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	PERFORM FROM linkedin_ingest.scoring_jobs j
	JOIN (
		WITH RECURSIVE chain AS (
			SELECT u.id FROM unnest(job_ids) u (id)
			UNION
			SELECT d.id FROM chain c
			JOIN linkedin_ingest.scoring_jobs d ON d.after_job = c.id
			WHERE d.status = 'pending' AND d.run_at = 'infinity'
		)
		SELECT c.id FROM chain c
	) w ON w.id = j.id
	ORDER BY j.id
	FOR NO KEY UPDATE OF j;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.lock_jobs(uuid[]) IS
	'internal: locks jobs and all that wait for them, in the order of their ids';

/*
 * For the worker, which must wait for nobody: a session that holds some jobs
 * and comes for others would wait for the worker in turn.  A job counts as
 * locked only with all that wait for it, because its end writes their rows
 * too; what could not be had is left for later.  After a level of the chains is
 * locked nobody can add to it, so the next one is complete.
 */
CREATE FUNCTION linkedin_ingest.try_lock_jobs(job_ids uuid[]) RETURNS SETOF uuid
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	held uuid[];
	roots uuid[];
	jobs uuid[];
	locked uuid[];
BEGIN
	held := ARRAY(
		SELECT j.id FROM linkedin_ingest.scoring_jobs j WHERE j.id = ANY (job_ids)
		ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED);
	roots := held;
	jobs := held;
	LOOP
		SELECT array_agg(l.root), array_agg(d.id) INTO roots, jobs
		FROM unnest(roots, jobs) l (root, id)
		JOIN linkedin_ingest.scoring_jobs d ON d.after_job = l.id
		WHERE d.status = 'pending' AND d.run_at = 'infinity';
		EXIT WHEN jobs IS NULL;
		locked := ARRAY(
			SELECT j.id FROM linkedin_ingest.scoring_jobs j WHERE j.id = ANY (jobs)
			ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED);
		held := ARRAY(
			SELECT h.id FROM unnest(held) h (id)
			WHERE NOT EXISTS (SELECT FROM unnest(roots, jobs) l (root, id)
							  WHERE l.root = h.id AND l.id <> ALL (locked)));
	END LOOP;
	RETURN QUERY SELECT unnest(held);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.try_lock_jobs(uuid[]) IS
	'internal: locks jobs and all that wait for them without waiting; returns those that were had with all of theirs';

/*
 * A listener learns of each job by a notice of its own, unless there are so
 * many that it had better look at the table: the queue of notices is shared by
 * all databases of the server, and whoever commits hands them on.
 */
CREATE FUNCTION linkedin_ingest.notify_cancelled(job_ids uuid[]) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	/* The library is loaded by now: is_preloaded() is part of it. */
	PERFORM linkedin_ingest.is_preloaded();
	IF NOT current_setting('linkedin_ingest.notify')::boolean THEN
		RETURN;
	END IF;
	IF cardinality(job_ids) > 1000 THEN
		PERFORM pg_notify('linkedin_ingest', json_build_object('job_id', NULL, 'status', 'cancelled',
			'jobs', cardinality(job_ids))::text);
	ELSE
		PERFORM pg_notify('linkedin_ingest', json_build_object('job_id', u.id, 'status', 'cancelled')::text)
		FROM unnest(job_ids) u (id);
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.notify_cancelled(uuid[]) IS
	'internal: one notice per cancelled job, or a single one with their number for more than 1,000';

CREATE FUNCTION linkedin_ingest.cancel_jobs(role text DEFAULT NULL, status text DEFAULT NULL) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	wanted_role text := upper(cancel_jobs.role);
	wanted_status text := cancel_jobs.status;
	faults text[] := '{}';
	found uuid[];
	running uuid[];
	ended uuid[];
BEGIN
	IF wanted_role IS NOT NULL AND NOT EXISTS (SELECT FROM linkedin_ingest.roles r WHERE r.role = wanted_role) THEN
		faults := faults || format('role: unknown: unknown role "%s"', left(cancel_jobs.role, 100));
	END IF;
	IF wanted_status NOT IN ('pending', 'processing') THEN
		faults := faults || format('status: invalid: status must be pending or processing, not "%s"',
								   left(wanted_status, 100));
	END IF;
	PERFORM linkedin_ingest.raise_faults(faults);

	found := ARRAY(
		SELECT j.id FROM linkedin_ingest.scoring_jobs j
		WHERE j.status = 'pending' AND coalesce(wanted_status, 'pending') = 'pending'
			AND (wanted_role IS NULL OR j.role = wanted_role)
		UNION ALL
		SELECT j.id FROM linkedin_ingest.scoring_jobs j
		WHERE j.status = 'processing' AND coalesce(wanted_status, 'processing') = 'processing'
			AND (wanted_role IS NULL OR j.role = wanted_role));
	IF found = '{}' THEN
		RETURN 0;
	END IF;
	PERFORM linkedin_ingest.lock_jobs(found);
	running := ARRAY(
		SELECT j.id FROM linkedin_ingest.scoring_jobs j
		WHERE j.id = ANY (found) AND j.status = 'processing' AND coalesce(wanted_status, 'processing') = 'processing');

	/*
	 * By now some may have ended, or been claimed.  What waits for a job that is
	 * cancelled here is left to the next statement: it waits again when that one
	 * is retried.
	 */
	WITH cancelled AS (
		UPDATE linkedin_ingest.scoring_jobs j
		SET status = 'cancelled', completed_at = clock_timestamp(),
			error = jsonb_build_object('code', 'cancelled', 'message', 'cancelled on request', 'retryable', true,
				'http_status', NULL, 'attempts', j.attempts, 'at', clock_timestamp())
		FROM unnest(found) f (id)
		WHERE j.id = f.id AND j.status IN ('pending', 'processing')
			AND (wanted_status IS NULL OR j.status = wanted_status)
			AND NOT (j.status = 'pending' AND j.run_at = 'infinity'
					 AND EXISTS (SELECT FROM linkedin_ingest.scoring_jobs p
								 WHERE p.id = j.after_job AND p.status IN ('pending', 'processing')
									 AND (wanted_status IS NULL OR p.status = wanted_status)
									 AND (wanted_role IS NULL OR p.role = wanted_role)))
		RETURNING j.id)
	SELECT array_agg(c.id) INTO ended FROM cancelled c;
	IF ended IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM linkedin_ingest.record_cancelled_calls(running);
	ended := ended || ARRAY(
		SELECT d FROM linkedin_ingest.cancel_dependents(ended, 'dependency_failed', 'job %s did not complete') d);
	PERFORM linkedin_ingest.notify_cancelled(ended);
	RETURN cardinality(ended);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.cancel_jobs(text, text) IS
	'cancels every pending and processing job, or those of one role or one of the two states, and the jobs that wait for them; returns how many were cancelled';

/*
 * What a job leaves: the latest result of each person, role and stage, and
 * whatever a person has reviewed, stay; all else may go.
 *
 * One call is one transaction, in which the worker's dead rows pile up, so it
 * takes a bounded number.  Ids are time-ordered and a job is made before it
 * ends, so the primary key leads to the oldest ones, and those to be kept are
 * left out by index alone.  The second statement looks again under the locks: a
 * review locks its job.
 */
CREATE FUNCTION linkedin_ingest.purge_jobs(older_than interval) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	before timestamptz;
	newest uuid;
	victims uuid[];
	purged bigint;
BEGIN
	IF older_than IS NULL THEN
		PERFORM linkedin_ingest.raise_faults(ARRAY['older_than: missing: older_than must be given']);
	ELSIF older_than < '0' THEN
		PERFORM linkedin_ingest.raise_faults(ARRAY['older_than: out_of_range: older_than must not be negative']);
	END IF;
	before := now() - least(older_than, interval '1000 years');
	newest := (lpad(to_hex(greatest(floor(extract(epoch FROM before) * 1000), 0)::bigint), 12, '0') || repeat('f', 20))::uuid;

	victims := ARRAY(
		SELECT j.id
		FROM (
			SELECT i.id FROM linkedin_ingest.scoring_jobs i
			WHERE i.id <= newest
				AND NOT EXISTS (SELECT FROM linkedin_ingest.latest_scores l WHERE l.job_id = i.id)
			ORDER BY i.id OFFSET 0
		) c
		JOIN linkedin_ingest.scoring_jobs j ON j.id = c.id
		WHERE j.completed_at < before
			AND NOT EXISTS (SELECT FROM linkedin_ingest.score_reviews r WHERE r.job_id = j.id)
		ORDER BY j.id
		LIMIT 10000
		FOR UPDATE OF j SKIP LOCKED);
	IF victims = '{}' THEN
		RETURN 0;
	END IF;
	PERFORM linkedin_ingest.notify_cancelled(array_agg(s.id))
	FROM (SELECT DISTINCT w.after_job FROM unnest(victims) v (id)
		  JOIN linkedin_ingest.scoring_jobs w ON w.after_job = v.id
		  WHERE w.status = 'pending' AND w.run_at = 'infinity') d
	CROSS JOIN LATERAL linkedin_ingest.settle_dependents(d.after_job) s (id)
	HAVING count(*) > 0;
	DELETE FROM linkedin_ingest.scoring_jobs j
	USING unnest(victims) v (id)
	WHERE j.id = v.id AND j.completed_at < before
		AND NOT EXISTS (SELECT FROM linkedin_ingest.latest_scores l WHERE l.job_id = j.id)
		AND NOT EXISTS (SELECT FROM linkedin_ingest.score_reviews r WHERE r.job_id = j.id);
	GET DIAGNOSTICS purged = ROW_COUNT;
	RETURN purged;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.purge_jobs(interval) IS
	'deletes up to 10,000 jobs that ended longer ago, the oldest first, with their attempts; never the latest completed one per person, role and stage, nor a reviewed one; returns how many';

/*
 * A worker writes the job's end and the row of its last call in one
 * transaction, the job first: that call counts as recorded at the end.
 */
CREATE FUNCTION linkedin_ingest.job_timeline(job_id uuid)
	RETURNS TABLE (step int, at timestamptz, elapsed_ms numeric, event text, claim_no int, attempt int, detail text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	job linkedin_ingest.scoring_jobs;
BEGIN
	SELECT j.* INTO job FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_timeline.job_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job % not found', coalesce(job_timeline.job_id::text, 'null')
			USING ERRCODE = 'P0002', COLUMN = 'job_id';
	END IF;

	RETURN QUERY
	WITH calls AS (
		SELECT a.*, CASE WHEN job.status IN ('completed', 'failed') AND a.claim_no = job.claim_no
							AND job.completed_at >= coalesce(a.finished_at, a.sent_at, a.claimed_at)
						THEN least(a.recorded_at, job.completed_at) ELSE a.recorded_at END AS noted_at
		FROM linkedin_ingest.scoring_attempts a WHERE a.job_id = job.id
	), steps (at, place, event, claim_no, attempt, detail) AS (
		SELECT job.created_at, 1, 'queued', NULL::int, NULL::int,
			concat_ws(', ', coalesce(job.role, job.stage, 'free prompt'), format('model %s of %s', job.model, job.provider),
				CASE WHEN job.samples > 1 THEN format('%s samples', job.samples) END,
				CASE WHEN job.priority <> 0 THEN format('priority %s', job.priority) END,
				'after job ' || job.after_job,
				CASE WHEN job.retry_count > 0 THEN format('retried by hand: %s', job.retry_count) END)
		UNION ALL
		SELECT min(c.claimed_at), 2, 'claimed', c.claim_no, NULL, 'worker ' || min(c.worker_pid)
		FROM calls c GROUP BY c.claim_no
		UNION ALL
		SELECT job.started_at, 2, 'claimed', job.claim_no, NULL, NULL
		WHERE job.claim_no > 0 AND NOT EXISTS (SELECT FROM calls c WHERE c.claim_no = job.claim_no)
		UNION ALL
		SELECT c.noted_at, 3, 'opened', c.claim_no, c.attempt,
			concat_ws(', ', c.kind, CASE WHEN job.samples > 1 THEN format('sample %s', c.sample) END, 'no outcome yet')
		FROM calls c WHERE c.outcome IS NULL
		UNION ALL
		SELECT c.sent_at, 4, 'sent', c.claim_no, c.attempt,
			concat_ws(', ', c.kind, CASE WHEN job.samples > 1 THEN format('sample %s', c.sample) END,
				format('model %s of %s', c.model, c.provider))
		FROM calls c
		UNION ALL
		SELECT c.first_byte_at, 5, 'first byte', c.claim_no, c.attempt, NULL FROM calls c
		UNION ALL
		SELECT c.finished_at, 6, 'finished', c.claim_no, c.attempt, 'HTTP status ' || c.http_status FROM calls c
		UNION ALL
		SELECT c.noted_at, 7, 'recorded', c.claim_no, c.attempt,
			concat_ws(', ', c.outcome, c.error_code, CASE WHEN NOT c.charged THEN 'not charged' END,
				c.prompt_tokens || ' + ' || c.completion_tokens || ' tokens', 'USD ' || trim_scale(c.cost_usd))
		FROM calls c WHERE c.outcome IS NOT NULL
		UNION ALL
		SELECT job.completed_at, 8, job.status, NULL, NULL,
			concat_ws(', ', job.error ->> 'code', 'score ' || job.overall_score, CASE WHEN job.cached THEN 'from the cache' END,
				CASE WHEN job.needs_review THEN 'to be reviewed: ' || array_to_string(job.review_reasons, ' ') END)
		UNION ALL
		SELECT job.run_at, 9, CASE WHEN job.claim_no > 0 THEN 'retry planned' ELSE 'planned' END, NULL, NULL, job.error ->> 'code'
		WHERE job.status = 'pending' AND job.run_at > clock_timestamp() AND isfinite(job.run_at)
	)
	SELECT (row_number() OVER w)::int, s.at,
		round(extract(epoch FROM s.at - lag(s.at) OVER w) * 1000, 3), s.event, s.claim_no, s.attempt, nullif(s.detail, '')
	FROM steps s
	WHERE s.at IS NOT NULL
	WINDOW w AS (ORDER BY s.at, s.place, s.attempt)
	ORDER BY 1;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.job_timeline(uuid) IS
	'what happened to a job, step by step in time: queued, claimed, each call sent, first byte, finished and recorded, and its end; elapsed_ms is since the step before';
