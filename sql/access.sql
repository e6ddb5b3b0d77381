/* access.sql: who may use what; the last piece */

/*
 * What each level adds, by name; a wrapper in linkedin_api has the name and
 * the level of what it wraps.  Views are for readers unless named here.
 */
CREATE FUNCTION linkedin_ingest.access_rules()
	RETURNS TABLE (level text, privileges text, names text[])
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	VALUES
		('anonymous', 'EXECUTE', ARRAY['health', 'version', 'build_info']),

		('reader', 'SELECT', ARRAY[
			'roles', 'profiles', 'profile_aliases', 'experiences', 'educations', 'companies',
			'sources', 'source_mappings',
			'prompt_templates', 'prompt_template_versions', 'prompt_template_activations',
			'llm_models', 'scoring_jobs', 'scoring_attempts', 'latest_scores', 'score_reviews', 'spend_daily']),
		('reader', 'EXECUTE', ARRAY[
			'normalize_linkedin_url', 'linkedin_url_kind', 'find_profile',
			'is_startup', 'company_age', 'headquarters', 'score_band',
			'job_status', 'job_timeline', 'wait_for_job', 'lane_problem',
			'recommended_templates', 'template_at', 'template_diff',
			/* called by them and by views */
			'passes_gate', 'weighted_total', 'rubric_weights', 'weights_version', 'adjusted_total',
			'line_hunks', 'rubric_changes', 'raise_faults']),

		('scorer', 'EXECUTE', ARRAY[
			'canonical_profile', 'ingest_profile', 'ingest_profiles',
			'verify_payload', 'verify_profile', 'check_compatibility', 'score_pipeline',
			'score_profile', 'score_profiles', 'explain_score', 'retry_job', 'cancel_job', 'cancel_jobs', 'review_score',
			'count_tokens', 'tokens_of']),

		('operator', 'SELECT', ARRAY[
			'payloads', 'llm_providers', 'provider_blocks', 'workers', 'home', 'pause',
			'worker_status', 'queue_status', 'provider_status', 'queue_anomalies', 'model_status']),
		('operator', 'INSERT, UPDATE, DELETE', ARRAY[
			'roles', 'sources', 'source_mappings', 'companies', 'prompt_templates']),
		('operator', 'DELETE', ARRAY['profiles']),
		('operator', 'EXECUTE', ARRAY[
			'pause_worker', 'resume_worker', 'unblock_provider', 'purge_jobs', 'rebuild_profile_scores', 'retotal',
			'activate_template', 'restore_template_version',
			'refresh_models', 'replace_model', 'models_in_use',
			'worker_slots', 'worker_problem', 'worker_reason', 'live_workers',
			'account_states', 'budget_used_up', 'home_problem', 'this_home',
			/* called by defaults, triggers, checks and generated columns */
			'uuid_v7', 'outer_user', 'is_restoring', 'mapping_fault',
			'template_faults']),

		('worker', 'SELECT', ARRAY[
			'roles', 'profiles', 'experiences', 'educations', 'companies',
			'prompt_templates', 'prompt_template_versions', 'llm_providers', 'llm_models', 'home', 'pause']),
		('worker', 'SELECT, INSERT, UPDATE, DELETE', ARRAY['workers', 'provider_blocks', 'latest_scores']),
		('worker', 'SELECT, INSERT, UPDATE', ARRAY['scoring_jobs', 'scoring_attempts', 'spend_daily']),
		('worker', 'EXECUTE', ARRAY[
			'run_once', 'uuid_v7', 'outer_user', 'is_restoring', 'try_lock_jobs', 'settle_dependents', 'cancel_dependents',
			'passes_gate', 'home_problem', 'this_home', 'models_ending']);
END;
COMMENT ON FUNCTION linkedin_ingest.access_rules() IS
	'internal: what each level of grant_access() adds; EXECUTE is on functions, all else on tables and views';

CREATE FUNCTION linkedin_ingest.revoke_access(grantee regrole) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = grantee) THEN
		RAISE EXCEPTION 'no such role'
			USING ERRCODE = '22023', COLUMN = 'grantee';
	END IF;
	EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA linkedin_ingest, linkedin_api FROM %s', grantee);
	EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA linkedin_ingest, linkedin_api FROM %s', grantee);
	EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA linkedin_ingest, linkedin_api FROM %s', grantee);
	EXECUTE format('REVOKE ALL ON SCHEMA linkedin_ingest, linkedin_api FROM %s', grantee);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.revoke_access(regrole) IS
	'takes from a role every privilege on what the extension has; for superusers';

CREATE FUNCTION linkedin_ingest.grant_access(grantee regrole, level text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	levels text[];
	rule record;
BEGIN
	levels := CASE level
		WHEN 'anonymous' THEN ARRAY['anonymous']
		WHEN 'reader' THEN ARRAY['anonymous', 'reader']
		WHEN 'scorer' THEN ARRAY['anonymous', 'reader', 'scorer']
		WHEN 'operator' THEN ARRAY['anonymous', 'reader', 'scorer', 'operator']
		WHEN 'worker' THEN ARRAY['anonymous', 'worker']
	END;
	IF levels IS NULL THEN
		RAISE EXCEPTION 'unknown level "%"', coalesce(left(level, 100), 'null')
			USING ERRCODE = '22023', COLUMN = 'level',
				  HINT = 'Levels are anonymous, reader, scorer, operator and worker.';
	END IF;
	PERFORM linkedin_ingest.revoke_access(grantee);

	EXECUTE format('GRANT USAGE ON SCHEMA linkedin_ingest, linkedin_api TO %s', grantee);
	FOR rule IN
		SELECT r.privileges, 'ROUTINE ' || p.oid::regprocedure AS object
		FROM linkedin_ingest.access_rules() r
		JOIN pg_catalog.pg_proc p ON p.proname = ANY (r.names)
		WHERE r.level = ANY (levels) AND r.privileges = 'EXECUTE'
			AND p.pronamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
		UNION ALL
		SELECT r.privileges, c.oid::regclass::text
		FROM linkedin_ingest.access_rules() r
		JOIN pg_catalog.pg_class c ON c.relname = ANY (r.names)
		WHERE r.level = ANY (levels) AND r.privileges <> 'EXECUTE'
			AND c.relnamespace = 'linkedin_ingest'::regnamespace AND c.relkind IN ('r', 'v')
		UNION ALL
		SELECT 'SELECT', c.oid::regclass::text
		FROM pg_catalog.pg_class c
		WHERE 'reader' = ANY (levels) AND c.relkind = 'v'
			AND c.relnamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
			AND NOT EXISTS (SELECT FROM linkedin_ingest.access_rules() r
							WHERE r.privileges <> 'EXECUTE' AND c.relname = ANY (r.names))
	LOOP
		EXECUTE format('GRANT %s ON %s TO %s', rule.privileges, rule.object, grantee);
	END LOOP;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.grant_access(regrole, text) IS
	'gives a role the privileges of one level, instead of any it had: anonymous, reader, scorer, operator or worker; for superusers';

CREATE FUNCTION linkedin_ingest.lacking(grantee name, level text) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT string_agg(l.lack, ', ' ORDER BY l.lack)
	FROM (
		SELECT format('%s on %s', privilege, c.oid::regclass)
		FROM linkedin_ingest.access_rules() r
		JOIN pg_catalog.pg_class c ON c.relname = ANY (r.names) AND c.relnamespace = 'linkedin_ingest'::regnamespace
		CROSS JOIN LATERAL string_to_table(r.privileges, ', ') AS privilege
		WHERE r.level = lacking.level AND r.privileges <> 'EXECUTE'
			AND NOT has_table_privilege(grantee, c.oid, privilege)
		UNION ALL
		SELECT format('EXECUTE on %s', p.oid::regprocedure)
		FROM linkedin_ingest.access_rules() r
		JOIN pg_catalog.pg_proc p ON p.proname = ANY (r.names) AND p.pronamespace = 'linkedin_ingest'::regnamespace
		WHERE r.level = lacking.level AND r.privileges = 'EXECUTE'
			AND NOT has_function_privilege(grantee, p.oid, 'EXECUTE')
		UNION ALL
		SELECT 'USAGE on schema linkedin_ingest'
		WHERE NOT has_schema_privilege(grantee, 'linkedin_ingest', 'USAGE')) AS l(lack);
END;
COMMENT ON FUNCTION linkedin_ingest.lacking(name, text) IS
	'what a role lacks of a level of grant_access(); null when nothing';

/*
 * Nothing of ours is for PUBLIC, nor for a role to which the database grants
 * new objects by default (ALTER DEFAULT PRIVILEGES): access is by
 * grant_access() alone.
 */
DO $$
DECLARE
	granted record;
BEGIN
	FOR granted IN
		SELECT DISTINCT o.kind, o.name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
		FROM (SELECT 'ROUTINE' AS kind, p.oid::regprocedure::text AS name, p.proowner AS owner,
				coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
			  FROM pg_proc p WHERE p.pronamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
			  UNION ALL
			  SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass::text, c.relowner, c.relacl
			  FROM pg_class c WHERE c.relnamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
				AND c.relkind IN ('r', 'v', 'S')
			  UNION ALL
			  SELECT 'SCHEMA', n.oid::regnamespace::text, n.nspowner, n.nspacl
			  FROM pg_namespace n WHERE n.oid IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)) o
		CROSS JOIN LATERAL aclexplode(o.acl) a
		WHERE a.grantee <> o.owner
	LOOP
		EXECUTE format('REVOKE ALL ON %s %s FROM %s', granted.kind, granted.name, granted.grantee);
	END LOOP;
END
$$;

/* Monitoring reads the operators' views, and what their functions read. */
GRANT USAGE ON SCHEMA linkedin_ingest TO pg_monitor;
GRANT SELECT ON linkedin_ingest.llm_providers, linkedin_ingest.llm_models, linkedin_ingest.provider_blocks,
	linkedin_ingest.roles, linkedin_ingest.workers TO pg_monitor;
GRANT SELECT ON linkedin_ingest.worker_status, linkedin_ingest.queue_status,
	linkedin_ingest.provider_status, linkedin_ingest.queue_anomalies, linkedin_ingest.model_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION linkedin_ingest.health(), linkedin_ingest.version(), linkedin_ingest.build_info(),
	linkedin_ingest.worker_slots(), linkedin_ingest.worker_problem(), linkedin_ingest.live_workers(),
	linkedin_ingest.account_states(), linkedin_ingest.this_home(), linkedin_ingest.lane_problem(text, text, text),
	linkedin_ingest.budget_used_up(text, text, text), linkedin_ingest.models_in_use() TO pg_monitor;
