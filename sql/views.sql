/* views.sql: results for readers, and the state of the machinery for operators */

CREATE FUNCTION linkedin_ingest.score_band(score numeric) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE WHEN score IS NULL THEN 'unscored'
		WHEN score >= 75 THEN 'high'
		WHEN score >= 50 THEN 'medium'
		ELSE 'low' END;
COMMENT ON FUNCTION linkedin_ingest.score_band(numeric) IS
	'high from 75, medium from 50, else low; unscored for null';

CREATE VIEW linkedin_ingest.profile_scores WITH (security_invoker = true) AS
	SELECT l.profile_id, l.role, l.stage, l.job_id, j.template_id, j.template_version, j.model,
		j.overall_score, w.reviewed_score::numeric(5,2) AS reviewed_score,
		e.effective_score::numeric(5,2) AS effective_score,
		linkedin_ingest.score_band(e.effective_score) AS band,
		j.recommended_role, j.needs_review AND r.verdict IS NULL AS needs_review, j.review_reasons,
		r.verdict, l.completed_at
	FROM linkedin_ingest.latest_scores l
	JOIN linkedin_ingest.scoring_jobs j ON j.id = l.job_id
	LEFT JOIN LATERAL (
		SELECT x.verdict, x.corrected FROM linkedin_ingest.score_reviews x
		WHERE x.job_id = l.job_id ORDER BY x.reviewed_at DESC, x.id DESC LIMIT 1) r ON true
	CROSS JOIN LATERAL (
		SELECT CASE r.verdict
			WHEN 'agree' THEN j.overall_score
			WHEN 'adjust' THEN linkedin_ingest.adjusted_total(j.template_id, j.template_version,
															  j.parsed_score, r.corrected) END
	) w (reviewed_score)
	CROSS JOIN LATERAL (
		SELECT CASE WHEN r.verdict IS NULL THEN j.overall_score ELSE w.reviewed_score END
	) e (effective_score);
COMMENT ON VIEW linkedin_ingest.profile_scores IS 'latest completed score per person, role and stage; free prompts are not in it';
COMMENT ON COLUMN linkedin_ingest.profile_scores.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.profile_scores.role IS 'role; null for compatibility';
COMMENT ON COLUMN linkedin_ingest.profile_scores.stage IS 'screening, compatibility or scoring';
COMMENT ON COLUMN linkedin_ingest.profile_scores.job_id IS 'job that gave the score';
COMMENT ON COLUMN linkedin_ingest.profile_scores.template_id IS 'template asked with';
COMMENT ON COLUMN linkedin_ingest.profile_scores.template_version IS 'its version';
COMMENT ON COLUMN linkedin_ingest.profile_scores.model IS 'model asked';
COMMENT ON COLUMN linkedin_ingest.profile_scores.overall_score IS 'total computed from the criteria, 0..100';
COMMENT ON COLUMN linkedin_ingest.profile_scores.reviewed_score IS 'the total that the latest review stands for; null: not reviewed, or rejected';
COMMENT ON COLUMN linkedin_ingest.profile_scores.effective_score IS 'the reviewed score where there is a review, else the computed one; null for a rejected score';
COMMENT ON COLUMN linkedin_ingest.profile_scores.band IS 'score_band() of the effective score';
COMMENT ON COLUMN linkedin_ingest.profile_scores.recommended_role IS 'compatibility: the role recommended';
COMMENT ON COLUMN linkedin_ingest.profile_scores.needs_review IS 'a person should look at it, and none has yet';
COMMENT ON COLUMN linkedin_ingest.profile_scores.review_reasons IS 'why';
COMMENT ON COLUMN linkedin_ingest.profile_scores.verdict IS 'of the latest review: agree, adjust, reject; null: not reviewed';
COMMENT ON COLUMN linkedin_ingest.profile_scores.completed_at IS 'when it was completed';

CREATE VIEW linkedin_ingest.score_criteria WITH (security_invoker = true) AS
	SELECT j.id AS job_id, j.profile_id, j.role, c.key, r.item ->> 'title' AS title,
		(r.item ->> 'weight')::numeric AS weight,
		(c.value ->> 'score')::numeric AS score,
		c.value ->> 'justification' AS justification,
		ARRAY(SELECT jsonb_array_elements_text(
				CASE jsonb_typeof(c.value -> 'evidence') WHEN 'array' THEN c.value -> 'evidence' ELSE '[]' END)) AS quotes,
		CASE jsonb_typeof(c.value -> 'grounded') WHEN 'boolean' THEN (c.value -> 'grounded')::boolean
			ELSE jsonb_path_exists(c.value, '$.grounding[*] ? (@.match == "exact" || @.match == "normalized")') END AS grounded
	FROM linkedin_ingest.scoring_jobs j
	CROSS JOIN LATERAL jsonb_each(
		CASE jsonb_typeof(j.parsed_score -> 'criteria') WHEN 'object' THEN j.parsed_score -> 'criteria' ELSE '{}' END) c
	LEFT JOIN linkedin_ingest.prompt_template_versions v
		ON v.template_id = j.template_id
			AND v.version = linkedin_ingest.weights_version(j.parsed_score, j.template_version)
	LEFT JOIN LATERAL jsonb_array_elements(
		CASE jsonb_typeof(v.rubric) WHEN 'array' THEN v.rubric ELSE '[]' END) r (item) ON r.item ->> 'key' = c.key
	WHERE j.status = 'completed' AND jsonb_typeof(c.value) = 'object';
COMMENT ON VIEW linkedin_ingest.score_criteria IS 'one row per completed job and criterion, with the weight that the job''s total is made with';
COMMENT ON COLUMN linkedin_ingest.score_criteria.job_id IS 'the job';
COMMENT ON COLUMN linkedin_ingest.score_criteria.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.score_criteria.role IS 'role scored for';
COMMENT ON COLUMN linkedin_ingest.score_criteria.key IS 'criterion';
COMMENT ON COLUMN linkedin_ingest.score_criteria.title IS 'its title in the rubric';
COMMENT ON COLUMN linkedin_ingest.score_criteria.weight IS 'its weight in the job''s total';
COMMENT ON COLUMN linkedin_ingest.score_criteria.score IS '0..100; null: the profile does not tell';
COMMENT ON COLUMN linkedin_ingest.score_criteria.justification IS 'the model''s words';
COMMENT ON COLUMN linkedin_ingest.score_criteria.quotes IS 'evidence as quoted by the model';
COMMENT ON COLUMN linkedin_ingest.score_criteria.grounded IS 'whether at least one quote that counts occurs in the text that was sent';

/*
 * How far people agree with the model.  Each reviewed, not rejected job gives
 * a pair per criterion that the model has scored: its score, and the corrected
 * one, or the same where the reviewer left it.  Both are put into the bands 0
 * (low), 1 (medium), 2 (high) of score_band().  Quadratic weighted kappa is
 *
 *		1 - (sum of (m - h)^2) / (the same, expected by chance)
 *
 * where chance pairs every m with every h, so that the expected sum over n
 * pairs is sum(m^2) + sum(h^2) - 2 sum(m) sum(h) / n.
 */
CREATE VIEW linkedin_ingest.agreement WITH (security_invoker = true) AS
	WITH latest AS (
		SELECT DISTINCT ON (x.job_id) x.job_id, x.verdict, x.corrected
		FROM linkedin_ingest.score_reviews x
		ORDER BY x.job_id, x.reviewed_at DESC, x.id DESC
	), pairs AS (
		SELECT j.template_id, j.role, j.stage, c.key, p.model, p.human,
			array_position('{low,medium,high}', linkedin_ingest.score_band(p.model)) AS m,
			array_position('{low,medium,high}', linkedin_ingest.score_band(p.human)) AS h
		FROM latest r
		JOIN linkedin_ingest.scoring_jobs j ON j.id = r.job_id
		CROSS JOIN LATERAL jsonb_each(
			CASE jsonb_typeof(j.parsed_score -> 'criteria') WHEN 'object' THEN j.parsed_score -> 'criteria' ELSE '{}' END) c
		CROSS JOIN LATERAL (
			SELECT (c.value ->> 'score')::numeric,
				coalesce(r.corrected ->> c.key, c.value ->> 'score')::numeric
		) p (model, human)
		WHERE r.verdict <> 'reject' AND p.model IS NOT NULL
	)
	SELECT p.template_id, p.role, p.stage, p.key, count(*) AS pairs,
		count(*) FILTER (WHERE p.m = p.h) AS same_band,
		round(avg(p.human - p.model), 2) AS mean_correction,
		round(1 - sum((p.m - p.h) * (p.m - p.h))
			/ nullif(sum(p.m * p.m + p.h * p.h) - 2 * sum(p.m)::numeric * sum(p.h) / count(*), 0), 4) AS kappa
	FROM pairs p
	GROUP BY p.template_id, p.role, p.stage, p.key;
COMMENT ON VIEW linkedin_ingest.agreement IS 'how far reviewers agree with the model, per template and criterion, in the bands low, medium, high; the latest review of each job, rejected ones left out';
COMMENT ON COLUMN linkedin_ingest.agreement.template_id IS 'the template, all its versions';
COMMENT ON COLUMN linkedin_ingest.agreement.role IS 'role scored for';
COMMENT ON COLUMN linkedin_ingest.agreement.stage IS 'stage of the template';
COMMENT ON COLUMN linkedin_ingest.agreement.key IS 'criterion';
COMMENT ON COLUMN linkedin_ingest.agreement.pairs IS 'reviewed jobs in which the model scored the criterion';
COMMENT ON COLUMN linkedin_ingest.agreement.same_band IS 'those where model and reviewer are in one band';
COMMENT ON COLUMN linkedin_ingest.agreement.mean_correction IS 'mean of the reviewer''s score less the model''s; what was left counts 0';
COMMENT ON COLUMN linkedin_ingest.agreement.kappa IS 'quadratic weighted kappa: 1 is agreement, 0 is chance, below 0 is worse; null when all are in one band';

/*
 * The views below are for operators.  They are built on functions over shared
 * memory, which whoever reads a view needs EXECUTE on: see access.sql.
 */
CREATE VIEW linkedin_ingest.worker_status AS
	WITH slots AS (
		SELECT s.* FROM linkedin_ingest.worker_slots() s
		WHERE s.database_oid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
	), here AS (
		SELECT linkedin_ingest.worker_problem() AS problem,
			(SELECT h.host_id FROM linkedin_ingest.this_home() h) AS host_id
	), shown AS (
		SELECT s.* FROM slots s
		UNION ALL
		/* a row of nulls for the worker that does not run */
		SELECT s.* FROM here LEFT JOIN slots s ON false
		WHERE NOT EXISTS (SELECT FROM slots x WHERE x.kind = 'worker')
	)
	SELECT current_database()::text AS database, s.pid, coalesce(s.kind, 'worker') AS kind,
		coalesce(s.state, CASE WHEN here.problem IS NULL THEN 'starting' ELSE 'stopped' END) AS state,
		CASE WHEN s.pid IS NULL THEN here.problem ELSE s.reason END AS reason,
		s.started_at, coalesce(s.in_flight, 0) AS in_flight,
		coalesce(s.completed, 0) AS completed, coalesce(s.failed, 0) AS failed,
		coalesce(s.retried, 0) AS retried, coalesce(s.deferred, 0) AS deferred, coalesce(s.stale, 0) AS stale,
		s.last_error, s.heartbeat_age, here.host_id,
		round(s.completed / r.seconds, 3) AS completed_per_second,
		round(s.failed / r.seconds, 3) AS failed_per_second
	FROM shown s
	CROSS JOIN here
	CROSS JOIN LATERAL (
		SELECT greatest(extract(epoch FROM clock_timestamp() - s.started_at), 1)
	) r (seconds)
	ORDER BY s.kind = 'session', s.started_at;
COMMENT ON VIEW linkedin_ingest.worker_status IS 'workers of this database; one row also when none runs, which says why';
COMMENT ON COLUMN linkedin_ingest.worker_status.database IS 'this database';
COMMENT ON COLUMN linkedin_ingest.worker_status.pid IS 'process; null when none runs';
COMMENT ON COLUMN linkedin_ingest.worker_status.kind IS 'background worker, or a session in run_once()';
COMMENT ON COLUMN linkedin_ingest.worker_status.state IS 'running, paused, starting or stopped';
COMMENT ON COLUMN linkedin_ingest.worker_status.reason IS 'why it does not run, or null';
COMMENT ON COLUMN linkedin_ingest.worker_status.started_at IS 'start of the process';
COMMENT ON COLUMN linkedin_ingest.worker_status.in_flight IS 'calls in flight';
COMMENT ON COLUMN linkedin_ingest.worker_status.completed IS 'jobs completed since its start';
COMMENT ON COLUMN linkedin_ingest.worker_status.failed IS 'jobs failed since its start';
COMMENT ON COLUMN linkedin_ingest.worker_status.retried IS 'calls to be tried again, charged';
COMMENT ON COLUMN linkedin_ingest.worker_status.deferred IS 'calls put off by the provider, uncharged';
COMMENT ON COLUMN linkedin_ingest.worker_status.stale IS 'late answers refused because the job had another owner by then';
COMMENT ON COLUMN linkedin_ingest.worker_status.last_error IS 'latest error, redacted';
COMMENT ON COLUMN linkedin_ingest.worker_status.heartbeat_age IS 'since its latest sign of life';
COMMENT ON COLUMN linkedin_ingest.worker_status.host_id IS '/etc/machine-id of this host; null where there is none';
COMMENT ON COLUMN linkedin_ingest.worker_status.completed_per_second IS 'mean since its start';
COMMENT ON COLUMN linkedin_ingest.worker_status.failed_per_second IS 'mean since its start';

/*
 * Read from two indexes alone, however wide the finished jobs are: one has the
 * state of every job, the claim's has the lanes of the pending ones.
 */
CREATE VIEW linkedin_ingest.queue_status AS
	WITH states AS (
		SELECT j.role, j.status, count(*) AS jobs, min(j.created_at) AS oldest
		FROM linkedin_ingest.scoring_jobs j
		GROUP BY j.role, j.status
	), lanes AS (
		SELECT j.lane, count(*) AS jobs, count(*) FILTER (WHERE j.run_at <= clock_timestamp()) AS due,
			min(j.run_at) FILTER (WHERE j.run_at < 'infinity') AS next_run,
			count(*) FILTER (WHERE j.run_at = 'infinity') AS dependent
		FROM linkedin_ingest.scoring_jobs j
		WHERE j.status = 'pending'
		GROUP BY j.lane
	), askers AS (
		SELECT split_part(n.lane, E'\x1f', 1) AS provider, split_part(n.lane, E'\x1f', 2) AS model,
			nullif(split_part(n.lane, E'\x1f', 3), '') COLLATE "default" AS role, sum(n.jobs) AS jobs, sum(n.due) AS due,
			min(n.next_run) AS next_run, sum(n.dependent) AS dependent
		FROM lanes n
		GROUP BY 1, 2, 3
	), pending AS (
		SELECT l.role, sum(l.due) AS due, min(l.next_run) AS next_run, sum(l.dependent) AS dependent,
			sum(l.jobs) FILTER (WHERE w.problem IS NOT NULL) AS blocked,
			string_agg(DISTINCT l.provider || ': ' || (w.problem ->> 'code'), ', ') AS reason
		FROM askers l
		CROSS JOIN LATERAL (
			SELECT linkedin_ingest.lane_problem(l.provider, l.model, l.role)
		) w (problem)
		GROUP BY l.role
	)
	SELECT s.role, s.status, s.jobs, s.oldest, coalesce(p.due, 0)::bigint AS due, p.next_run,
		coalesce(p.dependent, 0)::bigint AS dependent, coalesce(p.blocked, 0)::bigint AS blocked, p.reason
	FROM states s
	LEFT JOIN pending p ON s.status = 'pending' AND p.role IS NOT DISTINCT FROM s.role;
COMMENT ON VIEW linkedin_ingest.queue_status IS 'jobs per role and state';
COMMENT ON COLUMN linkedin_ingest.queue_status.role IS 'role; null for compatibility and free prompts';
COMMENT ON COLUMN linkedin_ingest.queue_status.status IS 'state';
COMMENT ON COLUMN linkedin_ingest.queue_status.jobs IS 'number of jobs';
COMMENT ON COLUMN linkedin_ingest.queue_status.oldest IS 'creation of the oldest';
COMMENT ON COLUMN linkedin_ingest.queue_status.due IS 'pending jobs whose time has come';
COMMENT ON COLUMN linkedin_ingest.queue_status.next_run IS 'earliest run_at of the pending ones';
COMMENT ON COLUMN linkedin_ingest.queue_status.dependent IS 'pending jobs that wait for another job';
COMMENT ON COLUMN linkedin_ingest.queue_status.blocked IS 'pending jobs whose account or model is blocked or throttled';
COMMENT ON COLUMN linkedin_ingest.queue_status.reason IS 'providers that block them, and the error codes';

CREATE VIEW linkedin_ingest.provider_status AS
	WITH recent AS MATERIALIZED (
		SELECT a.provider, a.model, count(*) AS calls,
			coalesce(sum(a.prompt_tokens), 0) + coalesce(sum(a.completion_tokens), 0) AS tokens
		FROM linkedin_ingest.scoring_attempts a
		WHERE a.recorded_at > statement_timestamp() - interval '1 minute'
		GROUP BY a.provider, a.model
	)
	SELECT p.name AS provider, nullif(s.model, '') AS model, p.kind, p.is_default,
		CASE WHEN p.api_key_ref IS NULL THEN NULL ELSE s.key_found END AS key_found,
		s.in_flight, p.max_in_flight,
		r.calls AS requests_last_minute,
		least(p.requests_per_minute, s.requests_per_minute) AS requests_per_minute_limit,
		r.tokens AS tokens_last_minute, least(p.tokens_per_minute, s.tokens_per_minute) AS tokens_per_minute_limit,
		s.breaker_open, s.calls_per_second AS calls_per_second_limit,
		s.blocked_code IS NOT NULL AS blocked, s.blocked_code, s.blocked_message, s.blocked_at, s.next_probe_at,
		s.throttled_until,
		d.cost_usd AS spend_today_usd, p.daily_budget_usd,
		linkedin_ingest.budget_used_up(p.name, NULL, s.model) AS budget_used_up
	FROM linkedin_ingest.llm_providers p
	LEFT JOIN linkedin_ingest.account_states() s ON s.provider = p.name
	LEFT JOIN LATERAL (
		SELECT coalesce(sum(a.calls), 0)::bigint AS calls, coalesce(sum(a.tokens), 0)::bigint AS tokens
		FROM recent a
		WHERE a.provider = p.name AND (coalesce(s.model, '') = '' OR a.model = s.model)
	) r ON true
	LEFT JOIN LATERAL (
		SELECT sum(x.cost_usd) AS cost_usd FROM linkedin_ingest.spend_daily x
		WHERE x.day = (now() AT TIME ZONE 'UTC')::date AND x.provider = p.name
			AND (coalesce(s.model, '') = '' OR x.model = s.model)
	) d ON true;
COMMENT ON VIEW linkedin_ingest.provider_status IS 'one row per provider, and one more per model that is blocked or has told limits of its own';
COMMENT ON COLUMN linkedin_ingest.provider_status.provider IS 'llm_providers.name';
COMMENT ON COLUMN linkedin_ingest.provider_status.model IS 'the blocked model; null: the whole account';
COMMENT ON COLUMN linkedin_ingest.provider_status.kind IS 'dialect';
COMMENT ON COLUMN linkedin_ingest.provider_status.is_default IS 'used for models without a row';
COMMENT ON COLUMN linkedin_ingest.provider_status.key_found IS 'whether the key was found where api_key_ref points; null: none needed';
COMMENT ON COLUMN linkedin_ingest.provider_status.in_flight IS 'calls in flight, of all databases with the same account';
COMMENT ON COLUMN linkedin_ingest.provider_status.max_in_flight IS 'limit of calls at once';
COMMENT ON COLUMN linkedin_ingest.provider_status.requests_last_minute IS 'calls of this database recorded in the last minute';
COMMENT ON COLUMN linkedin_ingest.provider_status.requests_per_minute_limit IS 'calls per minute that the account may make: the narrowest that a database of this server has configured, for a model what its answers told';
COMMENT ON COLUMN linkedin_ingest.provider_status.tokens_last_minute IS 'their tokens';
COMMENT ON COLUMN linkedin_ingest.provider_status.tokens_per_minute_limit IS 'tokens per minute, likewise';
COMMENT ON COLUMN linkedin_ingest.provider_status.breaker_open IS 'it does not answer and is tried once a second';
COMMENT ON COLUMN linkedin_ingest.provider_status.calls_per_second_limit IS 'calls a second while it is tried, and while the calls grow again after that or after slow_down; null: no such limit';
COMMENT ON COLUMN linkedin_ingest.provider_status.blocked IS 'whether nothing but probes is sent';
COMMENT ON COLUMN linkedin_ingest.provider_status.blocked_code IS 'error code that blocked it';
COMMENT ON COLUMN linkedin_ingest.provider_status.blocked_message IS 'one line, redacted';
COMMENT ON COLUMN linkedin_ingest.provider_status.blocked_at IS 'since when';
COMMENT ON COLUMN linkedin_ingest.provider_status.next_probe_at IS 'when one job may try again';
COMMENT ON COLUMN linkedin_ingest.provider_status.throttled_until IS 'the provider asked to wait until then';
COMMENT ON COLUMN linkedin_ingest.provider_status.spend_today_usd IS 'cost of the UTC day in this database; null: unknown or nothing';
COMMENT ON COLUMN linkedin_ingest.provider_status.daily_budget_usd IS 'limit of it';
COMMENT ON COLUMN linkedin_ingest.provider_status.budget_used_up IS 'whether what is left is too little for a call that a job wants to make';

/*
 * Always empty: a row here is a bug, or somebody's own UPDATE.  What time
 * heals is given the time that the rules allow: a lost worker's jobs are
 * rescued after lease_interval at the latest, and only where a worker runs
 * and the jobs are at home.
 */
CREATE VIEW linkedin_ingest.queue_anomalies AS
	SELECT 'abandoned'::text AS anomaly, j.id AS job_id,
		'processing, but its worker is gone for longer than a rescue takes'::text AS detail
	FROM linkedin_ingest.scoring_jobs j
	LEFT JOIN linkedin_ingest.workers w ON w.id = j.worker_id
	WHERE j.status = 'processing'
		AND greatest(j.started_at, w.heartbeat_at)
			< clock_timestamp() - 2 * coalesce(current_setting('linkedin_ingest.lease_interval', true), '1min')::interval - interval '10 seconds'
		AND j.worker_id NOT IN (SELECT l FROM linkedin_ingest.live_workers() l)
		AND linkedin_ingest.worker_problem() IS NULL
	UNION ALL
	SELECT 'open attempt', a.job_id,
		format('attempt %s of claim %s has no outcome, the job is %s with claim %s', a.attempt, a.claim_no, j.status, j.claim_no)
	FROM linkedin_ingest.scoring_attempts a
	JOIN linkedin_ingest.scoring_jobs j ON j.id = a.job_id
	WHERE a.outcome IS NULL AND (j.status <> 'processing' OR j.claim_no <> a.claim_no)
		AND j.updated_at < clock_timestamp() - 2 * coalesce(current_setting('linkedin_ingest.lease_interval', true), '1min')::interval - interval '10 seconds'
		AND linkedin_ingest.worker_problem() IS NULL
	UNION ALL
	SELECT 'unsettled', j.id,
		CASE WHEN j.after_job IS NULL THEN 'waits for ever: run_at is infinity without after_job'
			ELSE format('waits for job %s, which is %s', j.after_job, coalesce(p.status, 'gone')) END
	FROM linkedin_ingest.scoring_jobs j
	LEFT JOIN linkedin_ingest.scoring_jobs p ON p.id = j.after_job
	WHERE j.status = 'pending' AND j.run_at = 'infinity'
		AND (p.id IS NULL OR p.status NOT IN ('pending', 'processing'))
	UNION ALL
	SELECT 'released early', j.id, format('may run, but job %s has not completed', j.after_job)
	FROM linkedin_ingest.scoring_jobs j
	JOIN linkedin_ingest.scoring_jobs p ON p.id = j.after_job
	WHERE j.status = 'pending' AND j.run_at < 'infinity' AND p.status <> 'completed'
	UNION ALL
	SELECT CASE WHEN j.claim_token IS NULL THEN 'exhausted' ELSE 'stray claim' END, j.id,
		CASE WHEN j.claim_token IS NULL THEN format('pending after %s of %s attempts', j.attempts, j.max_attempts)
			ELSE 'pending, but with the token of a claim' END
	FROM linkedin_ingest.scoring_jobs j
	WHERE j.status = 'pending' AND (j.attempts >= j.max_attempts OR j.claim_token IS NOT NULL)
	UNION ALL
	SELECT 'exhausted', j.id, format('attempt %s of %s', j.attempts, j.max_attempts)
	FROM linkedin_ingest.scoring_jobs j
	WHERE j.status = 'processing' AND j.attempts > j.max_attempts
	UNION ALL
	SELECT 'wrong latest score', j.id,
		CASE WHEN l.job_id IS NULL THEN 'completed, but profile_scores has no row for it or a later one'
			ELSE format('completed later than job %s, which profile_scores shows', l.job_id) END
	FROM linkedin_ingest.scoring_jobs j
	LEFT JOIN linkedin_ingest.latest_scores l
		ON l.profile_id = j.profile_id AND l.role IS NOT DISTINCT FROM j.role AND l.stage = j.stage
	WHERE j.status = 'completed' AND j.stage IS NOT NULL
		AND (l.job_id IS NULL OR (j.completed_at, j.id) > (l.completed_at, l.job_id))
	UNION ALL
	SELECT 'wrong latest score', l.job_id, format('profile_scores shows it, it is %s', coalesce(j.status, 'gone'))
	FROM linkedin_ingest.latest_scores l
	LEFT JOIN linkedin_ingest.scoring_jobs j ON j.id = l.job_id
	WHERE j.id IS NULL OR j.status <> 'completed' OR j.profile_id <> l.profile_id
		OR j.role IS DISTINCT FROM l.role OR j.stage IS DISTINCT FROM l.stage;
COMMENT ON VIEW linkedin_ingest.queue_anomalies IS 'rows that break a rule of the job states; always empty';
COMMENT ON COLUMN linkedin_ingest.queue_anomalies.anomaly IS 'abandoned, open attempt, unsettled, released early, exhausted, stray claim or wrong latest score';
COMMENT ON COLUMN linkedin_ingest.queue_anomalies.job_id IS 'the job';
COMMENT ON COLUMN linkedin_ingest.queue_anomalies.detail IS 'what is wrong with it';
