/* models.sql: models that end: who uses them, what the provider says, replacing one */

CREATE FUNCTION linkedin_ingest.list_models(providers text[], timeout_ms int)
	RETURNS TABLE (provider text, code text, message text, model text, sunset_on date)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_list_models';
COMMENT ON FUNCTION linkedin_ingest.list_models(text[], int) IS
	'internal: has the worker ask these providers for their models; for one that gave no list a row with code and message';

/*
 * What the provider says is only taken over for models that have a row: a price
 * or a limit of one that has none cannot be known.  A date moves, it is never
 * taken away: most servers give none.
 */
CREATE FUNCTION linkedin_ingest.refresh_models(provider text DEFAULT NULL)
	RETURNS TABLE (model text, change text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	patience_ms CONSTANT int := 30000;
	problem text := linkedin_ingest.worker_problem();
	candidate record;
	failed text[] := '{}';		-- 'provider: code: message'
	asked text[] := '{}';
	answer record;
BEGIN
	IF refresh_models.provider IS NOT NULL
		AND NOT EXISTS (SELECT FROM linkedin_ingest.llm_providers p WHERE p.name = refresh_models.provider) THEN
		RAISE EXCEPTION 'provider "%" not found', left(refresh_models.provider, 100)
			USING ERRCODE = 'P0002', COLUMN = 'provider';
	END IF;
	IF problem IS NOT NULL THEN
		RAISE EXCEPTION 'no worker can ask for models'
			USING ERRCODE = '55000', DETAIL = problem,
				  HINT = CASE WHEN linkedin_ingest.worker_reason() IS NULL
					THEN 'Use resume_worker().' ELSE 'See worker_status.' END;
	END IF;

	FOR candidate IN
		SELECT p.name, l.problem
		FROM linkedin_ingest.llm_providers p
		/* a list costs nothing, and a breaker is no reason not to look */
		LEFT JOIN LATERAL linkedin_ingest.lane_problem(p.name, '', NULL) l (problem)
			ON l.problem ->> 'code' NOT IN ('budget_exhausted', 'connection_failed')
		WHERE p.name = refresh_models.provider
			OR (refresh_models.provider IS NULL
				AND EXISTS (SELECT FROM linkedin_ingest.llm_models m WHERE m.provider = p.name)
				AND EXISTS (SELECT FROM linkedin_ingest.account_states() s
							WHERE s.provider = p.name AND s.model = '' AND s.key_found))
		ORDER BY p.name
	LOOP
		IF candidate.problem IS NULL THEN
			asked := asked || candidate.name;
		ELSIF refresh_models.provider IS NOT NULL THEN
			RAISE EXCEPTION 'provider "%" is not asked for now', candidate.name
				USING ERRCODE = '55000', COLUMN = 'provider',
					  DETAIL = format('%s: %s', candidate.problem ->> 'code', candidate.problem ->> 'message'),
					  HINT = 'See provider_status.';
		ELSE
			failed := failed || format('%s: %s: %s', candidate.name,
									   candidate.problem ->> 'code', candidate.problem ->> 'message');
		END IF;
	END LOOP;

	SELECT coalesce(array_agg(l.provider) FILTER (WHERE l.model IS NOT NULL), '{}') AS providers,
		array_agg(l.model) FILTER (WHERE l.model IS NOT NULL) AS models,
		array_agg(l.sunset_on) FILTER (WHERE l.model IS NOT NULL) AS dates,
		coalesce(array_agg(format('%s: %s: %s', l.provider, l.code, l.message) ORDER BY l.provider)
				 FILTER (WHERE l.code IS NOT NULL), '{}') AS failed
	INTO answer
	FROM linkedin_ingest.list_models(asked, patience_ms) l;

	IF refresh_models.provider IS NOT NULL AND cardinality(answer.failed) > 0 THEN
		RAISE EXCEPTION 'provider "%" gave no list of its models', refresh_models.provider
			USING ERRCODE = '58000', COLUMN = 'provider',
				  DETAIL = substr(answer.failed[1], length(refresh_models.provider) + 3);
	END IF;
	failed := failed || answer.failed;
	IF cardinality(answer.failed) = cardinality(asked) THEN
		IF cardinality(failed) > 0 THEN
			RAISE EXCEPTION 'no provider gave a list of its models'
				USING ERRCODE = '58000', DETAIL = array_to_string(failed, E'\n');
		END IF;
		RAISE EXCEPTION 'there is no provider to ask for its models'
			USING ERRCODE = '55000',
				  DETAIL = 'No provider with a row in llm_models has its key.',
				  HINT = 'See key_found in provider_status.';
	END IF;
	FOR n IN 1 .. cardinality(failed) LOOP
		RAISE WARNING 'provider "%" gave no list of its models', split_part(failed[n], ': ', 1)
			USING ERRCODE = '01000', DETAIL = substr(failed[n], length(split_part(failed[n], ': ', 1)) + 3);
	END LOOP;

	/* in one order, so that two who refresh at once do not wait for each other */
	PERFORM FROM linkedin_ingest.llm_models m
	WHERE m.provider = ANY (answer.providers) ORDER BY m.model FOR NO KEY UPDATE;
	RETURN QUERY
	WITH listed AS (
		SELECT u.provider, u.model, min(u.sunset_on) AS sunset_on
		FROM unnest(answer.providers, answer.models, answer.dates) AS u (provider, model, sunset_on)
		GROUP BY u.provider, u.model
	), updated AS (
		UPDATE linkedin_ingest.llm_models m
		SET last_seen_at = clock_timestamp(), sunset_on = coalesce(l.sunset_on, m.sunset_on)
		FROM listed l
		WHERE m.provider = l.provider AND m.model = l.model
		RETURNING m.model, m.sunset_on
	)
	SELECT n.model, format('ends on %s', to_char(n.sunset_on, 'YYYY-MM-DD'))
		|| coalesce(', was ' || to_char(o.sunset_on, 'YYYY-MM-DD'), '')
	FROM updated n
	JOIN linkedin_ingest.llm_models o ON o.model = n.model
	WHERE n.sunset_on IS DISTINCT FROM o.sunset_on
	ORDER BY n.sunset_on, n.model;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.refresh_models(text) IS
	'asks a provider, or all that have their key, for its models and updates sunset_on and last_seen_at of those with a row; returns the dates that changed; waits at most 30 seconds';

/*
 * Where a setting that names a model comes from.  The server's own value is
 * hidden in a session that has another: then the files tell.
 */
CREATE FUNCTION linkedin_ingest.model_settings()
	RETURNS TABLE (setting text, model text, source text, database_oid oid, role_oid oid)
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	names CONSTANT text[] := '{linkedin_ingest.default_model,linkedin_ingest.screening_model}';
BEGIN
	/* The library is loaded by now, and its settings are there. */
	PERFORM linkedin_ingest.is_preloaded();
	RETURN QUERY
		SELECT s.name,
			CASE WHEN s.source IN ('default', 'environment variable', 'configuration file', 'command line') THEN s.reset_val
				ELSE coalesce((SELECT f.setting FROM pg_catalog.pg_file_settings f
							   WHERE f.name = s.name AND f.error IS NULL
							   ORDER BY f.seqno DESC LIMIT 1), s.boot_val) END,
			'server', NULL::oid, NULL::oid
		FROM pg_catalog.pg_settings s
		WHERE s.name = ANY (names);
	RETURN QUERY
		SELECT lower(split_part(c, '=', 1)), substr(c, strpos(c, '=') + 1),
			CASE WHEN d.setrole <> 0 THEN 'role' WHEN d.setdatabase <> 0 THEN 'database' ELSE 'all roles' END,
			nullif(d.setdatabase, 0), nullif(d.setrole, 0)
		FROM pg_catalog.pg_db_role_setting d
		CROSS JOIN LATERAL unnest(d.setconfig) c
		WHERE lower(split_part(c, '=', 1)) = ANY (names)
			AND d.setdatabase IN (0, (SELECT b.oid FROM pg_catalog.pg_database b WHERE b.datname = current_database()));
END
$$;
COMMENT ON FUNCTION linkedin_ingest.model_settings() IS
	'internal: values of default_model and screening_model: the server''s, and those by ALTER DATABASE and ALTER ROLE that concern this database';

CREATE FUNCTION linkedin_ingest.models_in_use()
	RETURNS TABLE (model text, provider text, used_by text, still boolean)
	LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
BEGIN ATOMIC
	SELECT t.model, NULL::text, format('template "%s" (%s)', t.name, concat_ws(', ', t.role, t.stage)), true
	FROM linkedin_ingest.prompt_templates t
	WHERE t.is_active AND t.model IS NOT NULL
	UNION ALL
	/* A value for the whole database hides the server's from everybody. */
	SELECT s.model, NULL, format('setting %s', split_part(s.setting, '.', 2))
		|| CASE s.source WHEN 'database' THEN ' of the database' WHEN 'all roles' THEN ' of all roles'
			WHEN 'role' THEN format(' of role "%s"', pg_get_userbyid(s.role_oid)) ELSE '' END, true
	FROM linkedin_ingest.model_settings() s
	WHERE s.source IN ('database', 'role')
		OR NOT EXISTS (SELECT FROM linkedin_ingest.model_settings() x
					   WHERE x.setting = s.setting
						   AND (x.source = 'database' OR (x.source = 'all roles' AND s.source = 'server')))
	UNION ALL
	SELECT DISTINCT l.model, l.provider, 'queued jobs', true
	FROM linkedin_ingest.pending_lanes() l
	UNION ALL
	SELECT d.model, min(d.provider), format('%s calls within 30 days', sum(d.calls)), false
	FROM linkedin_ingest.spend_daily d
	WHERE d.day > (now() AT TIME ZONE 'UTC')::date - 30
	GROUP BY d.model;
END;
COMMENT ON FUNCTION linkedin_ingest.models_in_use() IS
	'internal: a row per model and user of it; still: it will be used again unless something is changed';

CREATE VIEW linkedin_ingest.model_status WITH (security_invoker = true) AS
	SELECT u.model,
		coalesce(m.provider, u.provider,
				 (SELECT p.name FROM linkedin_ingest.llm_providers p WHERE p.is_default)) AS provider,
		m.sunset_on, m.sunset_on - t.today AS days_left, m.replacement, u.users,
		CASE WHEN m.model IS NULL THEN 'unknown'
			WHEN m.sunset_on < t.today THEN 'ended'
			WHEN m.sunset_on <= t.today + 60 THEN 'ending'
			ELSE 'ok' END AS state
	FROM (SELECT i.model, min(i.provider) AS provider, array_agg(i.used_by ORDER BY i.still DESC, i.used_by) AS users
		  FROM linkedin_ingest.models_in_use() i
		  GROUP BY i.model) u
	CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date) t (today)
	LEFT JOIN linkedin_ingest.llm_models m ON m.model = u.model;
COMMENT ON VIEW linkedin_ingest.model_status IS 'models in use: by an active template, a setting, a queued job or calls of the last 30 days; and when they end';
COMMENT ON COLUMN linkedin_ingest.model_status.model IS 'name as sent';
COMMENT ON COLUMN linkedin_ingest.model_status.provider IS 'who is asked for it; for a model without a row whom its jobs ask, else the default provider';
COMMENT ON COLUMN linkedin_ingest.model_status.sunset_on IS 'last day on which jobs for it are taken; null: none known';
COMMENT ON COLUMN linkedin_ingest.model_status.days_left IS 'days until then, UTC; negative: past';
COMMENT ON COLUMN linkedin_ingest.model_status.replacement IS 'model to use instead; see replace_model()';
COMMENT ON COLUMN linkedin_ingest.model_status.users IS 'active templates, settings, queued jobs, number of calls of the last 30 days';
COMMENT ON COLUMN linkedin_ingest.model_status.state IS 'ok; ending: at most 60 days left; ended; unknown: no row in llm_models';

CREATE FUNCTION linkedin_ingest.models_ending()
	RETURNS TABLE (model text, sunset_on date, replacement text, ended boolean)
	LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
BEGIN ATOMIC
	SELECT m.model, m.sunset_on, m.replacement, m.sunset_on < t.today
	FROM linkedin_ingest.llm_models m
	CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date) t (today)
	WHERE m.sunset_on <= t.today + 60
		AND EXISTS (SELECT FROM linkedin_ingest.models_in_use() u
					WHERE u.model = m.model AND (u.still OR m.sunset_on >= t.today));
END;
COMMENT ON FUNCTION linkedin_ingest.models_ending() IS
	'internal: models in use that end within 60 days or have ended; an ended one only while something still asks for it';

/*
 * Nothing is switched silently, so this tells what it does, and by default
 * what it would do.  A setting of a role reaches beyond this database or past
 * its owner, and needs a superuser; one of a file needs ALTER SYSTEM, which
 * cannot run in a function: for these the command is told.
 */
CREATE FUNCTION linkedin_ingest.replace_model(old_model text, new_model text, dry_run boolean DEFAULT true)
	RETURNS TABLE (kind text, name text, change text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	known linkedin_ingest.llm_models;
	new_provider text;
	is_super boolean;
	item record;
	command text;
BEGIN
	dry_run := coalesce(dry_run, true);
	PERFORM linkedin_ingest.raise_faults(array_remove(ARRAY[
		CASE WHEN old_model IS NULL THEN 'old_model: missing: old_model must be given' END,
		CASE WHEN new_model IS NULL THEN 'new_model: missing: new_model must be given'
			WHEN new_model !~ '^[!-~]{1,200}$' THEN 'new_model: invalid: new_model must be 1 to 200 printable ASCII characters without spaces'
			WHEN new_model = old_model THEN 'new_model: same: new_model must be another than old_model' END], NULL));

	SELECT m.* INTO known FROM linkedin_ingest.llm_models m WHERE m.model = new_model;
	new_provider := known.provider;
	IF known.sunset_on < (now() AT TIME ZONE 'UTC')::date THEN
		PERFORM linkedin_ingest.raise_faults(
			ARRAY[format('new_model: ended: model "%s" ended on %s', new_model, to_char(known.sunset_on, 'YYYY-MM-DD'))],
			CASE WHEN known.replacement IS NULL THEN 'Give another model.'
				ELSE format('Use model "%s".', known.replacement) END);
	END IF;
	IF known.model IS NULL THEN
		SELECT p.name INTO new_provider FROM linkedin_ingest.llm_providers p WHERE p.is_default;
		IF new_provider IS NULL THEN
			RAISE EXCEPTION 'no provider for model "%"', new_model
				USING ERRCODE = '55000', COLUMN = 'new_model',
					  HINT = 'Give the model a row in llm_models, or set is_default for a row of llm_providers.';
		END IF;
		RAISE NOTICE 'model "%" has no row in llm_models', new_model
			USING DETAIL = format('It is asked of provider "%s"; what it costs and takes is not known.', new_provider);
	END IF;

	FOR item IN
		SELECT t.id, t.name, t.role, t.stage, t.is_active, t.version
		FROM linkedin_ingest.prompt_templates t WHERE t.model = old_model ORDER BY t.id
	LOOP
		IF NOT dry_run THEN
			UPDATE linkedin_ingest.prompt_templates t SET model = new_model
			WHERE t.id = item.id AND t.model = old_model
			RETURNING t.version - 1 INTO item.version;
			CONTINUE WHEN NOT FOUND;
		END IF;
		kind := 'template';
		name := format('%s (%s)', item.name,
					   concat_ws(', ', item.role, item.stage, CASE WHEN NOT item.is_active THEN 'inactive' END));
		change := format('version %s asks model %s', item.version + 1, new_model);
		RETURN NEXT;
	END LOOP;

	/* A predecessor is older than what waits for it, and is locked before it. */
	IF NOT dry_run THEN
		PERFORM FROM linkedin_ingest.scoring_jobs j
		WHERE j.status = 'pending' AND j.model = old_model
		ORDER BY j.id FOR NO KEY UPDATE;
	END IF;
	RETURN QUERY
	WITH queued AS MATERIALIZED (
		SELECT j.id, j.role, known.supports_temperature IS FALSE AND j.temperature IS NOT NULL AS cooled,
			j.max_tokens > known.max_output_tokens AS capped
		FROM linkedin_ingest.scoring_jobs j
		WHERE j.status = 'pending' AND j.model = old_model
	), changed AS (
		UPDATE linkedin_ingest.scoring_jobs j
		SET provider = new_provider, model = new_model,
			temperature = CASE WHEN NOT q.cooled THEN j.temperature END,
			max_tokens = least(j.max_tokens, known.max_output_tokens)
		FROM queued q
		WHERE NOT dry_run AND j.id = q.id AND j.status = 'pending' AND j.model = old_model
		RETURNING q.id
	)
	SELECT 'jobs', coalesce('queued for role ' || q.role, 'queued without a role'),
		concat_ws('; ', format('%s ask model %s of provider %s', count(*), new_model, new_provider),
			nullif(count(*) FILTER (WHERE q.cooled), 0) || ' without their temperature, which it does not take',
			nullif(count(*) FILTER (WHERE q.capped), 0) || ' with max_tokens lowered to ' || known.max_output_tokens)
	FROM queued q
	WHERE dry_run OR q.id IN (SELECT c.id FROM changed c)
	GROUP BY q.role
	ORDER BY q.role;

	SELECT r.rolsuper INTO is_super FROM pg_catalog.pg_roles r WHERE r.rolname = linkedin_ingest.outer_user();
	FOR item IN
		SELECT s.* FROM linkedin_ingest.model_settings() s WHERE s.model = old_model
		ORDER BY array_position('{database,role,all roles,server}', s.source), pg_get_userbyid(s.role_oid), s.database_oid, s.setting
	LOOP
		command := CASE item.source
			WHEN 'database' THEN format('ALTER DATABASE %I', current_database())
			WHEN 'role' THEN format('ALTER ROLE %I', pg_get_userbyid(item.role_oid))
				|| CASE WHEN item.database_oid IS NULL THEN '' ELSE format(' IN DATABASE %I', current_database()) END
			WHEN 'all roles' THEN 'ALTER ROLE ALL'
			ELSE 'ALTER SYSTEM' END || format(' SET %s = %L', item.setting, new_model);
		kind := 'setting';
		name := item.setting || CASE item.source
			WHEN 'database' THEN ' of the database'
			WHEN 'role' THEN format(' of role "%s"%s', pg_get_userbyid(item.role_oid),
									CASE WHEN item.database_oid IS NULL THEN ', in all databases' ELSE '' END)
			WHEN 'all roles' THEN ' of all roles, in all databases'
			ELSE ' of the server' END;
		IF item.source = 'server' THEN
			change := format('to be run by a superuser: %s; SELECT pg_reload_conf();', command);
		ELSIF item.source <> 'database' AND NOT is_super THEN
			change := format('to be run by a superuser: %s;', command);
		ELSE
			IF NOT dry_run THEN
				EXECUTE command;
			END IF;
			change := format('%s, for new sessions', new_model);
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.replace_model(text, text, boolean) IS
	'lists what asks for a model (templates, queued jobs, settings) and, unless dry_run, has it ask for another; a setting it cannot change is listed with the command';
