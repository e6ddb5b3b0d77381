/* scoring.sql: asking for scores, and looking after the jobs that come of it */

/*
 * Checks collect every fault before one error is raised.  A fault is one line
 * "argument: kind: message"; the argument is empty for a wrong combination.
 */
CREATE FUNCTION linkedin_ingest.raise_faults(faults text[], hint text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	argument text;
	message text;
	detail text;
BEGIN
	IF cardinality(faults) = 0 THEN
		RETURN;
	END IF;
	argument := split_part(faults[1], ': ', 1);
	IF cardinality(faults) = 1 THEN
		message := substr(faults[1], length(argument || split_part(faults[1], ': ', 2)) + 5);
	ELSE
		message := cardinality(faults) || ' invalid arguments';
		detail := array_to_string(faults, E'\n');
	END IF;

	/* An option of RAISE may not be null. */
	IF detail IS NULL AND hint IS NULL THEN
		RAISE EXCEPTION '%', message USING ERRCODE = '22023', COLUMN = argument;
	ELSIF detail IS NULL THEN
		RAISE EXCEPTION '%', message USING ERRCODE = '22023', COLUMN = argument, HINT = hint;
	ELSIF hint IS NULL THEN
		RAISE EXCEPTION '%', message USING ERRCODE = '22023', COLUMN = argument, DETAIL = detail;
	ELSE
		RAISE EXCEPTION '%', message USING ERRCODE = '22023', COLUMN = argument, DETAIL = detail, HINT = hint;
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.raise_faults(text[], text) IS
	'internal: raises 22023 for a list of faults "argument: kind: message"; returns when it is empty';

CREATE TYPE linkedin_ingest.ask AS (
	role text,
	stage text,
	template_id uuid,
	template_version int,
	prompt text,
	provider text,
	model text,
	max_tokens int,
	temperature numeric,
	samples int
);
COMMENT ON TYPE linkedin_ingest.ask IS 'internal: what jobs made by one call have in common, checked and resolved';

/*
 * Who is asked, and with which cap and temperature.  What a caller gave is
 * refused when the model cannot do it; what is a default is fitted to the model.
 */
CREATE FUNCTION linkedin_ingest.resolve_model(INOUT ask linkedin_ingest.ask, max_tokens int, temperature numeric,
											  default_max_tokens int, default_temperature numeric)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	known linkedin_ingest.llm_models;
	faults text[] := '{}';
	hint text;
BEGIN
	SELECT m.* INTO known FROM linkedin_ingest.llm_models m WHERE m.model = ask.model;
	ask.provider := known.provider;
	IF ask.provider IS NULL THEN
		SELECT p.name INTO ask.provider FROM linkedin_ingest.llm_providers p WHERE p.is_default;
		IF ask.provider IS NULL THEN
			RAISE EXCEPTION 'no provider for model "%"', ask.model
				USING ERRCODE = '55000', COLUMN = 'model',
					  HINT = 'Give the model a row in llm_models, or set is_default for a row of llm_providers.';
		END IF;
	END IF;

	IF known.sunset_on < (now() AT TIME ZONE 'UTC')::date THEN
		faults := faults || format('model: ended: model "%s" ended on %s', ask.model, known.sunset_on);
		hint := CASE WHEN known.replacement IS NULL
			THEN format('Model "%s" ended on %s; give another model.', ask.model, known.sunset_on)
			ELSE format('Use model "%s"; "%s" ended on %s.', known.replacement, ask.model, known.sunset_on) END;
	END IF;
	IF max_tokens > known.max_output_tokens THEN
		faults := faults || format('max_tokens: out_of_range: model "%s" answers with at most %s tokens',
								   ask.model, known.max_output_tokens);
	END IF;
	IF temperature IS NOT NULL AND NOT known.supports_temperature THEN
		faults := faults || format('temperature: not_supported: model "%s" takes no temperature', ask.model);
		hint := concat_ws(' ', hint, 'Leave temperature out; llm_models.supports_temperature tells which models take one.');
	END IF;
	PERFORM linkedin_ingest.raise_faults(faults, hint);

	ask.max_tokens := coalesce(max_tokens, least(default_max_tokens, known.max_output_tokens));
	ask.temperature := CASE WHEN known.supports_temperature IS NOT FALSE
							THEN coalesce(temperature, default_temperature) END;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.resolve_model(linkedin_ingest.ask, int, numeric, int, numeric) IS
	'internal: sets provider, max_tokens and temperature for ask.model; 22023 for what the model cannot do';

CREATE FUNCTION linkedin_ingest.resolve_ask(role text, template_id uuid, prompt text, model text,
											max_tokens int, temperature numeric, samples int, faults text[])
	RETURNS linkedin_ingest.ask
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	ask linkedin_ingest.ask;
	template linkedin_ingest.prompt_templates;
	first_faults text[] := '{}';
BEGIN
	ask.samples := coalesce(samples, 1);
	IF num_nonnulls(role, template_id, prompt) <> 1 THEN
		first_faults := first_faults || ': combination: exactly one of role, template_id and prompt must be given'::text;
	END IF;
	IF role IS NOT NULL THEN
		SELECT r.role INTO ask.role FROM linkedin_ingest.roles r WHERE r.role = upper(resolve_ask.role);
		IF NOT FOUND THEN
			first_faults := first_faults || format('role: unknown: unknown role "%s"', left(role, 100));
		END IF;
	END IF;
	IF octet_length(prompt) > 200000 THEN
		first_faults := first_faults || 'prompt: too_long: prompt must have at most 200000 bytes'::text;
	ELSIF prompt !~ '\S' THEN
		first_faults := first_faults || 'prompt: blank: prompt must not be blank'::text;
	END IF;
	IF model !~ '^[!-~]{1,200}$' THEN
		first_faults := first_faults || 'model: invalid: model must be 1 to 200 printable ASCII characters without spaces'::text;
	END IF;
	IF max_tokens NOT BETWEEN 100 AND 32000 THEN
		first_faults := first_faults || 'max_tokens: out_of_range: max_tokens must be between 100 and 32000'::text;
	END IF;
	IF temperature NOT BETWEEN 0 AND 2 THEN
		first_faults := first_faults || 'temperature: out_of_range: temperature must be between 0 and 2'::text;
	END IF;
	IF ask.samples NOT BETWEEN 1 AND 15 THEN
		first_faults := first_faults || 'samples: out_of_range: samples must be between 1 and 15'::text;
	END IF;
	PERFORM linkedin_ingest.raise_faults(first_faults || faults);

	IF template_id IS NOT NULL THEN
		SELECT t.* INTO template FROM linkedin_ingest.prompt_templates t WHERE t.id = template_id;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'template % not found', template_id
				USING ERRCODE = 'P0002', COLUMN = 'template_id';
		END IF;
		IF NOT template.is_active THEN
			RAISE EXCEPTION 'template % is not active', template_id
				USING ERRCODE = '55000', COLUMN = 'template_id', HINT = 'Use activate_template().';
		END IF;
		ask.role := template.role;
	ELSIF role IS NOT NULL THEN
		SELECT t.* INTO template FROM linkedin_ingest.prompt_templates t
		WHERE t.role = ask.role AND t.stage = 'scoring' AND t.is_active;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'role "%" has no active scoring template', ask.role
				USING ERRCODE = 'P0002', COLUMN = 'role', HINT = 'Use activate_template().';
		END IF;
	END IF;
	ask.stage := template.stage;
	ask.template_id := template.id;
	ask.template_version := template.version;
	ask.prompt := prompt;

	/* The library is loaded by now: is_preloaded() is part of it. */
	PERFORM linkedin_ingest.is_preloaded();
	ask.model := coalesce(model, template.model,
						  current_setting(CASE WHEN ask.stage = 'screening' THEN 'linkedin_ingest.screening_model'
										  ELSE 'linkedin_ingest.default_model' END));
	RETURN linkedin_ingest.resolve_model(ask, max_tokens, temperature,
		coalesce(template.max_tokens, current_setting('linkedin_ingest.default_max_tokens')::int),
		coalesce(template.temperature, current_setting('linkedin_ingest.default_temperature')::numeric));
END
$$;
COMMENT ON FUNCTION linkedin_ingest.resolve_ask(text, uuid, text, text, int, numeric, int, text[]) IS
	'internal: checks the arguments that every scoring function has and resolves template, model and provider; faults: those the caller has found';

/*
 * The gate of a compatibility check: a job that waits for one runs only if the
 * role of the job passes, whether the check completes before or after the job
 * is made.  src/score/compatibility.h has the same figure.
 */
CREATE FUNCTION linkedin_ingest.passes_gate(parsed_score jsonb, role text) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN coalesce(CASE jsonb_typeof(parsed_score #> ARRAY['roles', role, 'confidence'])
		WHEN 'number' THEN (parsed_score #>> ARRAY['roles', role, 'confidence'])::numeric >= 0.40 END, false);
COMMENT ON FUNCTION linkedin_ingest.passes_gate(jsonb, text) IS
	'whether a compatibility answer rates a role with a confidence of at least 0.40; false for a role that it does not rate';

/*
 * Every job is made here, whoever asks for it, a batch in one statement.
 *
 * The rows of the profiles are locked first, in the order of their ids.  All
 * creators of jobs of one person thus go one after the other, which makes the
 * hourly limit and unique_key exact.  The lock does not conflict with that of
 * a foreign key, so nobody else waits.  The order is always profile, job,
 * dependent job.
 *
 * A faulty row gets error_code, error and perhaps detail instead of a job_id.
 * A row with neither lost a race for its unique_key: try again.
 */
CREATE FUNCTION linkedin_ingest.create_jobs(profile_ids uuid[], ask linkedin_ingest.ask, priority int,
											run_at timestamptz, unique_key text, after_job uuid)
	RETURNS TABLE (profile_id uuid, job_id uuid, error_code text, error text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan
	AS $$
#variable_conflict use_column
DECLARE
	creator text := linkedin_ingest.outer_user();
	per_hour int := current_setting('linkedin_ingest.max_jobs_per_profile_per_hour')::int;
	due timestamptz := create_jobs.run_at;
	made_at timestamptz;
	predecessor record;
BEGIN
	PERFORM linkedin_ingest.arm_home();
	PERFORM FROM linkedin_ingest.profiles p
		WHERE p.id = ANY (profile_ids) ORDER BY p.id FOR NO KEY UPDATE;

	/*
	 * An older snapshot does not show what others have queued since: the limit
	 * cannot be kept with it.  Whoever holds the profile's lock holds it alone.
	 */
	IF FOUND AND per_hour > 0 AND current_setting('transaction_isolation') IN ('repeatable read', 'serializable')
		AND linkedin_ingest.count_jobs_now(profile_ids, now() - interval '60 minutes') <>
			(SELECT count(*) FROM linkedin_ingest.scoring_jobs j
			 WHERE j.profile_id = ANY (profile_ids) AND j.created_at > now() - interval '60 minutes') THEN
		RAISE EXCEPTION 'could not serialize access: jobs of the profile were queued since this transaction began'
			USING ERRCODE = '40001', HINT = 'The transaction might succeed if retried.';
	END IF;

	IF after_job IS NOT NULL AND EXISTS (SELECT FROM linkedin_ingest.profiles p WHERE p.id = ANY (profile_ids)) THEN
		SELECT j.profile_id, j.status,
			j.stage = 'compatibility' AND j.status = 'completed' AND ask.role IS NOT NULL
				AND NOT linkedin_ingest.passes_gate(j.parsed_score, ask.role) AS refused
		INTO predecessor
		FROM linkedin_ingest.scoring_jobs j WHERE j.id = create_jobs.after_job FOR NO KEY UPDATE;
		IF NOT FOUND THEN
			RAISE EXCEPTION 'job % not found', after_job
				USING ERRCODE = 'P0002', COLUMN = 'after_job';
		END IF;
		IF predecessor.profile_id <> ALL (profile_ids) THEN
			RAISE EXCEPTION 'job % is of another profile', after_job
				USING ERRCODE = '22023', COLUMN = 'after_job';
		END IF;
		IF predecessor.status IN ('failed', 'cancelled') THEN
			RAISE EXCEPTION 'job % is %', after_job, predecessor.status
				USING ERRCODE = '55000', COLUMN = 'after_job',
					  HINT = 'Use retry_job() on it first.';
		END IF;
		IF predecessor.refused THEN
			RAISE EXCEPTION 'role "%" has not passed the gate of job %', ask.role, after_job
				USING ERRCODE = '55000', COLUMN = 'after_job',
					  DETAIL = 'The confidence is below 0.40.',
					  HINT = 'Leave after_job out to score the person all the same.';
		END IF;
		/*
		 * Whoever ends the predecessor settles this job with it.  One whose
		 * snapshot is older (REPEATABLE READ) would not see it and leave it
		 * waiting for ever: the change makes that an error (40001).
		 */
		IF predecessor.status <> 'completed' THEN
			due := 'infinity';
			UPDATE linkedin_ingest.scoring_jobs j SET updated_at = clock_timestamp()
			WHERE j.id = create_jobs.after_job;
		END IF;
	END IF;

	made_at := clock_timestamp();
	RETURN QUERY
	WITH input AS MATERIALIZED (
		SELECT u.id, u.n, row_number() OVER (PARTITION BY u.id ORDER BY u.n) AS nth
		FROM unnest(profile_ids) WITH ORDINALITY AS u (id, n)
	), seen AS (
		/* The nth new job of a person is one too many when there is a job at
		 * place per_hour - nth, newest first, that is not an hour old yet. */
		SELECT i.id, i.n, p.id IS NOT NULL AS known, o.id AS open_job,
			CASE WHEN per_hour > 0 AND i.nth > per_hour THEN coalesce(r.created_at, made_at)
				ELSE r.created_at END + interval '60 minutes' AS free_at
		FROM input i
		LEFT JOIN linkedin_ingest.profiles p ON p.id = i.id
		LEFT JOIN linkedin_ingest.scoring_jobs o ON o.profile_id = i.id AND o.unique_key = create_jobs.unique_key
			AND o.status IN ('pending', 'processing')
		LEFT JOIN LATERAL (
			SELECT j.created_at FROM linkedin_ingest.scoring_jobs j
			WHERE per_hour > 0 AND j.profile_id = i.id AND j.created_at > made_at - interval '60 minutes'
			ORDER BY j.created_at DESC OFFSET greatest(per_hour - i.nth, 0) LIMIT 1
		) r ON true
	), judged AS MATERIALIZED (
		SELECT s.id, s.n, s.known, s.open_job, s.free_at,
			CASE WHEN s.known AND s.open_job IS NULL AND s.free_at IS NULL
				THEN linkedin_ingest.uuid_v7() END AS new_job
		FROM seen s
	), made AS (
		INSERT INTO linkedin_ingest.scoring_jobs
			(id, profile_id, role, stage, template_id, template_version, prompt, provider, model,
			 max_tokens, temperature, samples, priority, run_at, unique_key, after_job, created_by, created_at)
		SELECT g.new_job, g.id, ask.role, ask.stage, ask.template_id, ask.template_version, ask.prompt,
			ask.provider, ask.model, ask.max_tokens, ask.temperature, ask.samples,
			create_jobs.priority, due, create_jobs.unique_key, create_jobs.after_job, creator, made_at
		FROM judged g
		WHERE g.new_job IS NOT NULL
		ORDER BY g.n
		ON CONFLICT (profile_id, unique_key)
			WHERE unique_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING
		RETURNING id
	)
	SELECT g.id, coalesce(g.open_job, m.id),
		CASE WHEN NOT g.known THEN 'P0002' WHEN g.open_job IS NULL AND g.free_at IS NOT NULL THEN '53400' END,
		CASE WHEN NOT g.known THEN format('profile %s not found', coalesce(g.id::text, 'null'))
			WHEN g.open_job IS NULL AND g.free_at IS NOT NULL
			THEN format('profile has had %s jobs within 60 minutes', per_hour) END,
		CASE WHEN g.known AND g.open_job IS NULL AND g.free_at IS NOT NULL
			THEN format('The next one can be created at %s.',
						to_char(g.free_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) END
	FROM judged g LEFT JOIN made m ON m.id = g.new_job
	ORDER BY g.n;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.create_jobs(uuid[], linkedin_ingest.ask, int, timestamptz, text, uuid) IS
	'internal: makes one job per profile, in input order; a faulty row gets error_code and error instead of job_id';

CREATE FUNCTION linkedin_ingest.create_job(profile_id uuid, ask linkedin_ingest.ask, priority int,
										   run_at timestamptz, unique_key text, after_job uuid) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	made record;
BEGIN
	LOOP
		SELECT c.* INTO made
		FROM linkedin_ingest.create_jobs(ARRAY[profile_id], ask, priority, run_at, unique_key, after_job) c;
		EXIT WHEN made.job_id IS NOT NULL;
		IF made.error_code IS NOT NULL THEN
			IF made.detail IS NULL THEN
				RAISE EXCEPTION '%', made.error
					USING ERRCODE = made.error_code, COLUMN = 'profile_id';
			END IF;
			RAISE EXCEPTION '%', made.error
				USING ERRCODE = made.error_code, COLUMN = 'profile_id', DETAIL = made.detail,
					  HINT = 'The setting linkedin_ingest.max_jobs_per_profile_per_hour is the limit.';
		END IF;
	END LOOP;
	RETURN made.job_id;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.create_job(uuid, linkedin_ingest.ask, int, timestamptz, text, uuid) IS
	'internal: makes one job, or raises what create_jobs() says of it';

CREATE FUNCTION linkedin_ingest.job_faults(priority int, run_at timestamptz, unique_key text, after_job uuid)
	RETURNS text[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	faults text[] := '{}';
BEGIN
	IF priority NOT BETWEEN -32768 AND 32767 THEN
		faults := faults || 'priority: out_of_range: priority must be between -32768 and 32767'::text;
	END IF;
	IF NOT isfinite(run_at) THEN
		faults := faults || 'run_at: out_of_range: run_at must be finite'::text;
	END IF;
	IF unique_key !~ '\S' OR length(unique_key) > 200 THEN
		faults := faults || 'unique_key: invalid: unique_key must have 1 to 200 characters and not be blank'::text;
	END IF;
	IF after_job IS NOT NULL AND run_at IS DISTINCT FROM now() THEN
		faults := faults || ': combination: run_at and after_job cannot be given together'::text;
	END IF;
	RETURN faults;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.job_faults(int, timestamptz, text, uuid) IS
	'internal: faults of the arguments that say when and in which order a job runs';

/*
 * Whether the calls made today (UTC) leave nothing of a daily budget: by what
 * is recorded, or because a call that the worker wanted to make might have
 * crossed it.
 */
CREATE FUNCTION linkedin_ingest.budget_used_up(provider text, role text, model text) RETURNS boolean
	LANGUAGE sql VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
BEGIN ATOMIC
	SELECT coalesce(bool_or(b.refused OR b.spent >= b.daily_budget_usd), false)
	FROM (
		SELECT p.daily_budget_usd, linkedin_ingest.budget_refuses(false, p.name, p.daily_budget_usd::float8, coalesce(model, '')) AS refused,
			(SELECT sum(x.cost_usd) FROM linkedin_ingest.spend_daily x
			 WHERE x.day = (clock_timestamp() AT TIME ZONE 'UTC')::date AND x.provider = p.name) AS spent
		FROM linkedin_ingest.llm_providers p
		WHERE p.name = budget_used_up.provider AND p.daily_budget_usd IS NOT NULL
		UNION ALL
		SELECT r.daily_budget_usd, linkedin_ingest.budget_refuses(true, r.role, r.daily_budget_usd::float8, coalesce(model, '')),
			(SELECT sum(x.cost_usd) FROM linkedin_ingest.spend_daily x
			 WHERE x.day = (clock_timestamp() AT TIME ZONE 'UTC')::date AND x.role = r.role)
		FROM linkedin_ingest.roles r
		WHERE r.role = budget_used_up.role AND r.daily_budget_usd IS NOT NULL
	) b;
END;
COMMENT ON FUNCTION linkedin_ingest.budget_used_up(text, text, text) IS
	'internal: whether the daily budget of the provider or of the role (null: only one of them is asked about) is used up, or leaves too little for a call of the model (null: whatever it costs)';

/*
 * Why jobs of a lane wait although they are due: the account or the model is
 * blocked, the key is missing, a budget is used up, or the account was told to
 * wait.  Derived, so that no row of ten thousand waiting jobs has to be written.
 */
CREATE FUNCTION linkedin_ingest.lane_problem(provider text, model text, role text) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	state record;
	code text;
	message text;
BEGIN
	SELECT s.*, p.api_key_ref IS NOT NULL AND NOT s.key_found AS key_missing INTO state
	FROM linkedin_ingest.account_states() s
	LEFT JOIN linkedin_ingest.llm_providers p ON p.name = s.provider
	WHERE s.provider = lane_problem.provider AND s.model IN ('', lane_problem.model)
		AND (s.blocked_code IS NOT NULL OR (p.api_key_ref IS NOT NULL AND NOT s.key_found)
			 OR s.throttled_until > clock_timestamp() OR s.breaker_open OR s.full_until IS NOT NULL)
	ORDER BY s.blocked_code IS NULL, s.breaker_open DESC, s.throttled_until IS NULL, s.model
	LIMIT 1;
	IF state.blocked_code IS NOT NULL THEN
		code := state.blocked_code;
		message := state.blocked_message;
	ELSIF state.key_missing THEN
		code := 'config_error';
		message := format('no key found for provider "%s"', provider);
	ELSIF linkedin_ingest.budget_used_up(provider, role, model) THEN
		code := 'budget_exhausted';
		message := CASE WHEN linkedin_ingest.budget_used_up(provider, NULL, model)
			THEN format('the daily budget of provider "%s" leaves too little for a call', provider)
			ELSE format('the daily budget of role "%s" leaves too little for a call', role) END
			|| '; it begins anew at midnight UTC';
	ELSIF state.throttled_until > clock_timestamp() THEN
		code := 'rate_limited';
		message := format('the provider asked to wait until %s',
						  to_char(state.throttled_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
	ELSIF state.breaker_open THEN
		code := 'connection_failed';
		message := 'the provider does not answer and is tried once a second';
	ELSIF state.full_until IS NOT NULL THEN
		code := 'rate_limited';
		message := format('the limits per minute leave no room until %s',
						  to_char(state.full_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
	ELSE
		RETURN NULL;
	END IF;
	RETURN jsonb_build_object('code', code, 'message', message, 'retryable', true,
							  'http_status', NULL, 'at', state.blocked_at);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.lane_problem(text, text, text) IS
	'internal: why due jobs of a provider, model and role are not claimed, as in scoring_jobs.error; null: no reason';

CREATE FUNCTION linkedin_ingest.worker_problem() RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	problem text := linkedin_ingest.worker_reason();
BEGIN
	IF problem IS NOT NULL THEN
		RETURN problem;
	END IF;
	SELECT format('paused by %s at %s', p.paused_by,
				  to_char(p.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) || coalesce(': ' || p.reason, '')
	INTO problem FROM linkedin_ingest.pause p;
	IF FOUND THEN
		RETURN problem;
	END IF;
	/* A database without jobs is armed by its first one. */
	IF EXISTS (SELECT FROM linkedin_ingest.scoring_jobs) THEN
		RETURN linkedin_ingest.home_problem();
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.worker_problem() IS
	'internal: why no worker takes jobs in this database; null when one does or is about to';

CREATE FUNCTION linkedin_ingest.warn_of_waiting(provider text, model text, role text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	reason text := linkedin_ingest.worker_problem();
	problem jsonb;
BEGIN
	IF reason IS NOT NULL THEN
		RAISE WARNING 'the job waits because no worker runs'
			USING ERRCODE = '01000', DETAIL = reason;
	END IF;
	problem := linkedin_ingest.lane_problem(provider, model, role);
	IF problem ->> 'code' NOT IN ('rate_limited', 'connection_failed') THEN
		RAISE WARNING 'the job waits because calls to provider "%" are blocked', provider
			USING ERRCODE = '01000', DETAIL = format('%s: %s', problem ->> 'code', problem ->> 'message'),
				  HINT = 'Jobs go on by themselves when the cause is gone; unblock_provider() tries at once.';
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.warn_of_waiting(text, text, text) IS
	'internal: WARNING 01000 when no worker runs or the account is blocked';

CREATE FUNCTION linkedin_ingest.score_profile(profile_id uuid, role text DEFAULT NULL, template_id uuid DEFAULT NULL,
											  prompt text DEFAULT NULL, model text DEFAULT NULL,
											  max_tokens int DEFAULT NULL, temperature numeric DEFAULT NULL,
											  priority int DEFAULT 0, run_at timestamptz DEFAULT now(),
											  samples int DEFAULT 1, unique_key text DEFAULT NULL,
											  after_job uuid DEFAULT NULL) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	faults text[];
	ask linkedin_ingest.ask;
	job_id uuid;
BEGIN
	priority := coalesce(priority, 0);
	run_at := coalesce(run_at, now());
	faults := linkedin_ingest.job_faults(priority, run_at, unique_key, after_job);
	IF profile_id IS NULL THEN
		faults := faults || 'profile_id: missing: profile_id must be given'::text;
	END IF;
	ask := linkedin_ingest.resolve_ask(role, template_id, prompt, model, max_tokens, temperature, samples, faults);
	job_id := linkedin_ingest.create_job(profile_id, ask, priority, run_at, unique_key, after_job);
	PERFORM linkedin_ingest.warn_of_waiting(ask.provider, ask.model, ask.role);
	RETURN job_id;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.score_profile(uuid, text, uuid, text, text, int, numeric, int, timestamptz, int, text, uuid) IS
	'queues a question about a person, by role (its active scoring template), template or free prompt; returns the job id';

CREATE FUNCTION linkedin_ingest.score_profiles(profile_ids uuid[], role text DEFAULT NULL, template_id uuid DEFAULT NULL,
											   prompt text DEFAULT NULL, model text DEFAULT NULL,
											   max_tokens int DEFAULT NULL, temperature numeric DEFAULT NULL,
											   priority int DEFAULT 0, run_at timestamptz DEFAULT now(),
											   samples int DEFAULT 1)
	RETURNS TABLE (profile_id uuid, job_id uuid, error_code text, error text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	faults text[];
	ask linkedin_ingest.ask;
BEGIN
	priority := coalesce(priority, 0);
	run_at := coalesce(run_at, now());
	faults := linkedin_ingest.job_faults(priority, run_at, NULL, NULL);
	IF profile_ids IS NULL THEN
		faults := faults || 'profile_ids: missing: profile_ids must be given'::text;
	END IF;
	ask := linkedin_ingest.resolve_ask(role, template_id, prompt, model, max_tokens, temperature, samples, faults);
	RETURN QUERY
		SELECT c.profile_id, c.job_id, c.error_code, nullif(concat_ws('. ', c.error, c.detail), '')
		FROM linkedin_ingest.create_jobs(profile_ids, ask, priority, run_at, NULL, NULL) c;
	IF FOUND THEN
		PERFORM linkedin_ingest.warn_of_waiting(ask.provider, ask.model, ask.role);
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.score_profiles(uuid[], text, uuid, text, text, int, numeric, int, timestamptz, int) IS
	'score_profile for many people at once, in input order; a bad id costs one row, which says why';

/* Cancels whoever waits for jobs that will not complete, and whoever waits for those. */
CREATE FUNCTION linkedin_ingest.cancel_dependents(ended uuid[], code text, message text) RETURNS SETOF uuid
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	LOOP
		WITH cancelled AS (
			UPDATE linkedin_ingest.scoring_jobs j
			SET status = 'cancelled', completed_at = clock_timestamp(),
				error = jsonb_build_object('code', code,
					'message', format(message, j.after_job), 'retryable', false,
					'http_status', NULL, 'attempts', j.attempts, 'at', clock_timestamp())
			FROM unnest(ended) e (id)
			WHERE j.after_job = e.id AND j.status = 'pending' AND j.run_at = 'infinity'
			RETURNING j.id)
		SELECT array_agg(c.id) INTO ended FROM cancelled c;
		EXIT WHEN ended IS NULL;
		RETURN QUERY SELECT unnest(ended);
		code := 'dependency_failed';
		message := 'job %s did not complete';
	END LOOP;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.cancel_dependents(uuid[], text, text) IS
	'internal: cancels the jobs that wait for these, and whoever waits for them; returns their ids';

/*
 * Whatever ends a job calls this in the same transaction, with the locks of
 * lock_jobs() or try_lock_jobs().  Jobs that wait for one that has completed
 * are due, save those for a role that its compatibility check does not pass;
 * these, and those that wait for one that will not complete, end with it, and
 * so do those that wait for them.
 */
CREATE FUNCTION linkedin_ingest.settle_dependents(job_id uuid) RETURNS SETOF uuid
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	job record;
BEGIN
	SELECT j.status, coalesce(j.stage = 'compatibility', false) AS gated, j.parsed_score INTO job
	FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_id;
	IF job.status = 'completed' THEN
		UPDATE linkedin_ingest.scoring_jobs j
		SET run_at = now()
		WHERE j.after_job = job_id AND j.status = 'pending' AND j.run_at = 'infinity'
			AND (NOT job.gated OR j.role IS NULL OR linkedin_ingest.passes_gate(job.parsed_score, j.role));
		IF job.gated THEN
			RETURN QUERY SELECT linkedin_ingest.cancel_dependents(ARRAY[job_id], 'gate_not_passed',
																  'job %s rates the role below 0.40');
		END IF;
	ELSIF job.status IN ('failed', 'cancelled') THEN
		RETURN QUERY SELECT linkedin_ingest.cancel_dependents(ARRAY[job_id], 'dependency_failed',
															  'job %s did not complete');
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.settle_dependents(uuid) IS
	'internal: releases the jobs that wait for an ended one, or cancels them (also where the gate is not passed) and whoever waits for them; returns the ids of the cancelled';

CREATE FUNCTION linkedin_ingest.record_cancelled_calls(job_ids uuid[]) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
	UPDATE linkedin_ingest.scoring_attempts a
	SET outcome = 'cancelled', error_code = 'cancelled', recorded_at = clock_timestamp(),
		error_message = 'cancelled on request; the call may have been paid'
	WHERE a.job_id = ANY (job_ids) AND a.outcome IS NULL;
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged,
		provider, model, outcome, error_code, error_message, claimed_at)
	SELECT j.id, coalesce((SELECT max(a.attempt) FROM linkedin_ingest.scoring_attempts a WHERE a.job_id = j.id), 0) + 1,
		j.claim_no, CASE WHEN j.claim_no = 1 THEN 'first' ELSE 'retry' END, true,
		j.provider, j.model, 'cancelled', 'cancelled', 'cancelled on request; the call may have been paid', j.started_at
	FROM linkedin_ingest.scoring_jobs j
	/* a call for a sample has an open row before it is made */
	WHERE j.id = ANY (job_ids) AND j.samples = 1
		AND NOT EXISTS (SELECT FROM linkedin_ingest.scoring_attempts a
						WHERE a.job_id = j.id AND a.claim_no = j.claim_no);
END;
COMMENT ON FUNCTION linkedin_ingest.record_cancelled_calls(uuid[]) IS
	'internal: puts the calls of jobs that were processing until now on record, as the worker may be gone before it hears of the cancel; it adds what it knows';

CREATE FUNCTION linkedin_ingest.cancel_job(job_id uuid) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	state text;
BEGIN
	PERFORM linkedin_ingest.lock_jobs(ARRAY[job_id]);
	SELECT j.status INTO state FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job % not found', coalesce(job_id::text, 'null')
			USING ERRCODE = 'P0002', COLUMN = 'job_id';
	END IF;
	IF state NOT IN ('pending', 'processing') THEN
		RETURN false;
	END IF;

	UPDATE linkedin_ingest.scoring_jobs j
	SET status = 'cancelled', completed_at = clock_timestamp(),
		error = jsonb_build_object('code', 'cancelled', 'message', 'cancelled on request', 'retryable', true,
			'http_status', NULL, 'attempts', j.attempts, 'at', clock_timestamp())
	WHERE j.id = job_id;
	IF state = 'processing' THEN
		PERFORM linkedin_ingest.record_cancelled_calls(ARRAY[job_id]);
	END IF;
	PERFORM linkedin_ingest.notify_cancelled(
		ARRAY(SELECT job_id UNION ALL SELECT d FROM linkedin_ingest.settle_dependents(job_id) d));
	RETURN true;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.cancel_job(uuid) IS
	'cancels a pending or processing job and the jobs that wait for it; false when it has already ended';

CREATE FUNCTION linkedin_ingest.retry_job(job_id uuid, model text DEFAULT NULL, max_tokens int DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	faults text[] := '{}';
	job linkedin_ingest.scoring_jobs;
	ask linkedin_ingest.ask;
	other uuid;
	retries int;
	waiting uuid[];
BEGIN
	IF model !~ '^[!-~]{1,200}$' THEN
		faults := faults || 'model: invalid: model must be 1 to 200 printable ASCII characters without spaces'::text;
	END IF;
	IF max_tokens NOT BETWEEN 100 AND 32000 THEN
		faults := faults || 'max_tokens: out_of_range: max_tokens must be between 100 and 32000'::text;
	END IF;
	PERFORM linkedin_ingest.raise_faults(faults);

	/* The profile before the job, as in create_jobs(). */
	PERFORM FROM linkedin_ingest.profiles p
		WHERE p.id = (SELECT j.profile_id FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_id)
		FOR NO KEY UPDATE;
	SELECT j.* INTO job FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job % not found', coalesce(job_id::text, 'null')
			USING ERRCODE = 'P0002', COLUMN = 'job_id';
	END IF;
	IF job.status NOT IN ('failed', 'cancelled') THEN
		RAISE EXCEPTION 'job % is %', job_id, job.status
			USING ERRCODE = '55000', COLUMN = 'job_id',
				  DETAIL = 'Only failed and cancelled jobs can be retried.';
	END IF;

	PERFORM linkedin_ingest.is_preloaded();
	retries := least(current_setting('linkedin_ingest.max_manual_retries')::int, 10);
	IF job.retry_count >= retries THEN
		RAISE EXCEPTION 'job % has been retried % times', job_id, job.retry_count
			USING ERRCODE = '53400', COLUMN = 'job_id',
				  HINT = format('The setting linkedin_ingest.max_manual_retries allows %s.', retries);
	END IF;
	/* A predecessor that has been purged had completed if it released this job. */
	IF job.after_job IS NOT NULL
		AND coalesce((SELECT j.status <> 'completed' FROM linkedin_ingest.scoring_jobs j WHERE j.id = job.after_job),
					 job.run_at = 'infinity') THEN
		RAISE EXCEPTION 'job % waits for job %, which has not completed', job_id, job.after_job
			USING ERRCODE = '55000', COLUMN = 'job_id', HINT = 'Use retry_job() on that one.';
	END IF;
	IF EXISTS (SELECT FROM linkedin_ingest.scoring_jobs j
			   WHERE j.id = job.after_job AND j.stage = 'compatibility' AND job.role IS NOT NULL
				   AND NOT linkedin_ingest.passes_gate(j.parsed_score, job.role)) THEN
		RAISE EXCEPTION 'role "%" has not passed the gate of job %', job.role, job.after_job
			USING ERRCODE = '55000', COLUMN = 'job_id',
				  DETAIL = 'The confidence is below 0.40.',
				  HINT = 'Use score_profile() to score the person all the same.';
	END IF;
	SELECT j.id INTO other FROM linkedin_ingest.scoring_jobs j
	WHERE j.profile_id = job.profile_id AND j.unique_key = job.unique_key AND j.status IN ('pending', 'processing');
	IF FOUND THEN
		RAISE EXCEPTION 'job % is open with the same unique_key', other
			USING ERRCODE = '55000', COLUMN = 'job_id';
	END IF;

	ask.model := coalesce(model, job.model);
	IF model IS NOT NULL THEN
		ask := linkedin_ingest.resolve_model(ask, max_tokens, NULL, job.max_tokens, job.temperature);
	ELSE
		IF max_tokens > (SELECT m.max_output_tokens FROM linkedin_ingest.llm_models m WHERE m.model = ask.model) THEN
			PERFORM linkedin_ingest.raise_faults(ARRAY[
				format('max_tokens: out_of_range: model "%s" answers with fewer tokens', ask.model)]);
		END IF;
		ask.provider := job.provider;
		ask.temperature := job.temperature;
		ask.max_tokens := coalesce(max_tokens, job.max_tokens);
	END IF;

	UPDATE linkedin_ingest.scoring_jobs j
	SET status = 'pending', attempts = 0, retry_count = j.retry_count + 1, run_at = now(),
		provider = ask.provider, model = ask.model, max_tokens = ask.max_tokens, temperature = ask.temperature,
		request = NULL, llm_response = NULL, parsed_score = NULL, error = NULL, completed_at = NULL
	WHERE j.id = job_id;

	/* Whom its end had cancelled waits again, save where the key is taken. */
	waiting := ARRAY[job_id];
	LOOP
		WITH again AS (
			UPDATE linkedin_ingest.scoring_jobs j
			SET status = 'pending', attempts = 0, run_at = 'infinity', error = NULL, completed_at = NULL
			WHERE j.after_job = ANY (waiting) AND j.status = 'cancelled' AND j.error ->> 'code' = 'dependency_failed'
				AND NOT EXISTS (SELECT FROM linkedin_ingest.scoring_jobs o
								WHERE o.profile_id = j.profile_id AND o.unique_key = j.unique_key
									AND (o.status IN ('pending', 'processing')
										 OR (o.after_job = ANY (waiting) AND o.status = 'cancelled'
											 AND o.error ->> 'code' = 'dependency_failed' AND o.id > j.id)))
			RETURNING j.id)
		SELECT array_agg(a.id) INTO waiting FROM again a;
		EXIT WHEN waiting IS NULL;
	END LOOP;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.retry_job(uuid, text, int) IS
	'makes a failed or cancelled job pending again, perhaps with another model or cap; jobs cancelled because of it wait for it again';

CREATE FUNCTION linkedin_ingest.job_status(job_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	job linkedin_ingest.scoring_jobs;
	status jsonb;
	reason jsonb;
BEGIN
	SELECT j.* INTO job FROM linkedin_ingest.scoring_jobs j WHERE j.id = job_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'job % not found', coalesce(job_id::text, 'null')
			USING ERRCODE = 'P0002', COLUMN = 'job_id';
	END IF;
	status := jsonb_build_object('job_id', job.id, 'status', job.status, 'profile_id', job.profile_id,
		'role', job.role, 'stage', job.stage, 'template_id', job.template_id,
		'template_version', job.template_version, 'attempts', job.attempts, 'retry_count', job.retry_count,
		'created_at', job.created_at, 'updated_at', job.updated_at);
	CASE job.status
		WHEN 'pending' THEN
			status := status || jsonb_build_object('run_at', job.run_at);
			/* A block is the reason; an account that only waits is, if the job has none of its own. */
			reason := linkedin_ingest.lane_problem(job.provider, job.model, job.role);
			IF reason ->> 'code' IN ('rate_limited', 'connection_failed') THEN
				reason := coalesce(job.error, reason);
			END IF;
			reason := coalesce(reason, job.error);
			IF reason IS NOT NULL THEN
				status := status || jsonb_build_object('error', reason || jsonb_build_object('attempts', job.attempts));
			END IF;
		WHEN 'processing' THEN
			status := status || jsonb_build_object('started_at', job.started_at);
		WHEN 'completed' THEN
			status := status || jsonb_build_object('completed_at', job.completed_at,
				'processing_time_seconds', round(extract(epoch FROM job.completed_at - job.started_at), 3),
				'needs_review', job.needs_review, 'review_reasons', to_jsonb(coalesce(job.review_reasons, '{}')),
				'result', jsonb_build_object('llm_response', job.llm_response, 'parsed_score', job.parsed_score,
					'overall_score', job.overall_score,
					'model_used', coalesce(job.parsed_score #>> '{_metadata,model_used}', job.model),
					'tokens_used', job.prompt_tokens + job.completion_tokens,
					'cost_usd', job.cost_usd));
		WHEN 'failed' THEN
			status := status || jsonb_build_object('failed_at', job.completed_at, 'error', job.error);
		WHEN 'cancelled' THEN
			status := status || jsonb_build_object('cancelled_at', job.completed_at, 'error', job.error);
	END CASE;
	RETURN status;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.job_status(uuid) IS
	'state of a job: always its ids, state and times; by state run_at and the reason it waits, started_at, the result, or the error';

CREATE FUNCTION linkedin_ingest.explain_score(profile_id uuid, role text DEFAULT NULL, template_id uuid DEFAULT NULL,
											  prompt text DEFAULT NULL, model text DEFAULT NULL,
											  max_tokens int DEFAULT NULL, temperature numeric DEFAULT NULL,
											  samples int DEFAULT 1) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	faults text[] := '{}';
	ask linkedin_ingest.ask;
	known linkedin_ingest.llm_models;
	rendered jsonb;
	ttl interval;
	hit uuid;
BEGIN
	IF profile_id IS NULL THEN
		faults := faults || 'profile_id: missing: profile_id must be given'::text;
	END IF;
	ask := linkedin_ingest.resolve_ask(role, template_id, prompt, model, max_tokens, temperature, samples, faults);
	IF NOT EXISTS (SELECT FROM linkedin_ingest.profiles p WHERE p.id = profile_id) THEN
		RAISE EXCEPTION 'profile % not found', profile_id
			USING ERRCODE = 'P0002', COLUMN = 'profile_id';
	END IF;
	rendered := linkedin_ingest.render_ask(profile_id, ask.role, ask.stage, ask.template_id, ask.template_version,
		ask.prompt, ask.provider, ask.model, ask.max_tokens, ask.temperature, ask.samples);
	SELECT m.* INTO known FROM linkedin_ingest.llm_models m WHERE m.model = ask.model;

	ttl := current_setting('linkedin_ingest.cache_ttl')::interval;
	IF ttl > '0' THEN
		SELECT j.id INTO hit FROM linkedin_ingest.scoring_jobs j
		WHERE j.profile_id = explain_score.profile_id AND j.cache_key = rendered ->> 'cache_key'
			AND j.status = 'completed' AND NOT j.cached AND j.completed_at > clock_timestamp() - ttl
		ORDER BY j.completed_at DESC, j.id DESC LIMIT 1;
	END IF;

	RETURN jsonb_build_object(
		'messages', rendered -> 'messages',
		'provider', ask.provider,
		'model', ask.model,
		'template_id', ask.template_id,
		'template_version', ask.template_version,
		'parameters', jsonb_build_object('max_tokens', ask.max_tokens, 'temperature', ask.temperature,
			'samples', ask.samples, 'reasoning_effort', known.reasoning_effort),
		'prompt_tokens', rendered -> 'prompt_tokens',
		'prompt_tokens_exact', rendered -> 'prompt_tokens_exact',
		'estimated_cost_usd', CASE WHEN hit IS NOT NULL THEN 0
			ELSE round(ask.samples * ((rendered ->> 'prompt_tokens')::numeric * known.input_usd_per_mtok
									  + ask.max_tokens * known.output_usd_per_mtok) / 1000000, 8) END,
		'cache_hit', hit IS NOT NULL,
		'cached_job_id', hit,
		'shortened', rendered -> 'shortened');
END
$$;
COMMENT ON FUNCTION linkedin_ingest.explain_score(uuid, text, uuid, text, text, int, numeric, int) IS
	'what score_profile would send: messages, model, parameters, tokens, the most it can cost, cache hit and what was shortened; makes no call, writes nothing';
