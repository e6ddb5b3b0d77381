/* flow.sql: verify, check compatibility, then score the roles that fit */

CREATE FUNCTION linkedin_ingest.executive_indicators(title text) RETURNS text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_executive_indicators';
COMMENT ON FUNCTION linkedin_ingest.executive_indicators(text) IS
	'whole words of a title that speak of an executive (cto, chief, vice president, ...), in the order in which they occur';

CREATE FUNCTION linkedin_ingest.finding(field text, type text, message text) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN jsonb_build_object('field', field, 'type', type, 'message', message);
COMMENT ON FUNCTION linkedin_ingest.finding(text, text, text) IS
	'internal: one error or warning of verify_profile() and verify_payload()';

/*
 * Is there enough to ask a model about?  A name, and a headline or a position:
 * what lacks either would be paid for and tell nothing.  A title without an
 * executive word is a warning only, because our words are English.
 */
CREATE FUNCTION linkedin_ingest.verify_canonical(canonical jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	has_name boolean := coalesce(canonical ->> 'full_name' ~ '\S', false);
	has_headline boolean := coalesce(canonical ->> 'headline' ~ '\S', false);
	has_experience boolean := jsonb_path_exists(canonical, '$.experiences[*] ? (@.title != null || @.company_name != null)');
	parts jsonb;
	titles jsonb;
	errors jsonb := '[]';
	warnings jsonb := '[]';
	gaps jsonb := '[]';
BEGIN
	parts := jsonb_build_object('name', has_name, 'headline', has_headline, 'experience', has_experience);
	IF NOT has_headline THEN
		gaps := gaps || linkedin_ingest.finding('headline', 'missing', 'there is no headline');
	END IF;
	IF NOT has_experience THEN
		gaps := gaps || linkedin_ingest.finding('experience', 'missing', 'there is no position');
	END IF;
	IF NOT has_name THEN
		errors := errors || linkedin_ingest.finding('name', 'missing', 'there is no name');
	END IF;
	IF has_headline OR has_experience THEN
		warnings := warnings || gaps;
	ELSE
		errors := errors || gaps;
	END IF;

	/* One row per distinct title, named by where it stands first. */
	SELECT coalesce(jsonb_agg(jsonb_build_object('field', f.field, 'title', f.title, 'indicators', f.indicators)
							  ORDER BY f.n), '[]') INTO titles
	FROM (
		SELECT DISTINCT ON (t.title COLLATE "C") t.n, t.field, t.title,
			linkedin_ingest.executive_indicators(t.title) AS indicators
		FROM (
			SELECT -2 AS n, 'headline' AS field, canonical ->> 'headline' AS title
			UNION ALL
			SELECT -1, 'job_title', canonical ->> 'job_title'
			UNION ALL
			SELECT e.n, format('experiences[%s].title', e.n - 1), e.entry ->> 'title'
			FROM jsonb_array_elements(CASE jsonb_typeof(canonical -> 'experiences')
				WHEN 'array' THEN canonical -> 'experiences' ELSE '[]' END) WITH ORDINALITY AS e (entry, n)) t
		WHERE t.title ~ '\S'
		ORDER BY t.title COLLATE "C", t.n) f
	WHERE cardinality(f.indicators) > 0;
	IF titles = '[]' THEN
		warnings := warnings || linkedin_ingest.finding('title', 'not_executive',
			'neither headline nor titles name an executive position');
	END IF;

	RETURN jsonb_build_object(
		'completeness', CASE WHEN errors <> '[]' THEN 'insufficient'
			WHEN gaps <> '[]' THEN 'partial' ELSE 'complete' END,
		'parts', parts,
		'is_executive', titles <> '[]',
		'executive_titles', titles,
		'errors', errors,
		'warnings', warnings,
		'proceed', errors = '[]');
END
$$;
COMMENT ON FUNCTION linkedin_ingest.verify_canonical(jsonb) IS
	'internal: verify_profile() of a canonical form';

CREATE FUNCTION linkedin_ingest.verify_profile(profile_id uuid) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	profile linkedin_ingest.profiles;
BEGIN
	IF profile_id IS NULL THEN
		RAISE EXCEPTION 'profile_id must be given' USING ERRCODE = '22023', COLUMN = 'profile_id';
	END IF;
	SELECT p.* INTO profile FROM linkedin_ingest.profiles p WHERE p.id = profile_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'profile % not found', profile_id
			USING ERRCODE = 'P0002', COLUMN = 'profile_id';
	END IF;
	RETURN jsonb_build_object('profile_id', profile_id)
		|| linkedin_ingest.verify_canonical(linkedin_ingest.stored_canonical(profile));
END
$$;
COMMENT ON FUNCTION linkedin_ingest.verify_profile(uuid) IS
	'whether a stored person is worth a question: completeness (complete, partial, insufficient), executive titles, errors, warnings, proceed; no model is asked';

/* A payload that ingest_profile() would refuse is insufficient, for the same reasons. */
CREATE FUNCTION linkedin_ingest.verify_payload(payload jsonb, source text DEFAULT NULL) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	argument text;
	message text;
	detail text;
	findings jsonb;
BEGIN
	IF payload IS NULL THEN
		RAISE EXCEPTION 'payload must be given' USING ERRCODE = '22023', COLUMN = 'payload';
	END IF;
	RETURN linkedin_ingest.verify_canonical(linkedin_ingest.canonical_profile(payload, source));
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS argument = COLUMN_NAME, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	IF payload IS NULL OR argument <> 'payload' THEN
		RAISE;
	END IF;
	SELECT jsonb_agg(linkedin_ingest.finding(l.part[1], l.part[2], l.part[3]) ORDER BY l.n) INTO findings
	FROM (SELECT regexp_match(x.line, '^([^:]+): ([^: ]+): (.+)$') AS part, x.n
		  FROM string_to_table(detail, E'\n') WITH ORDINALITY AS x (line, n)) l
	WHERE l.part IS NOT NULL;
	RETURN jsonb_build_object(
		'completeness', 'insufficient',
		'parts', jsonb_build_object('name', false, 'headline', false, 'experience', false),
		'is_executive', false,
		'executive_titles', '[]'::jsonb,
		'errors', coalesce(findings, jsonb_build_array(linkedin_ingest.finding('payload', 'unreadable', message))),
		'warnings', '[]'::jsonb,
		'proceed', false);
END
$$;
COMMENT ON FUNCTION linkedin_ingest.verify_payload(jsonb, text) IS
	'verify_profile() for a payload that is not stored; what ingest_profile() would refuse is insufficient';

CREATE FUNCTION linkedin_ingest.compatibility_ask() RETURNS linkedin_ingest.ask
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	active uuid;
BEGIN
	SELECT t.id INTO active FROM linkedin_ingest.prompt_templates t
	WHERE t.stage = 'compatibility' AND t.is_active;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no active compatibility template'
			USING ERRCODE = 'P0002', HINT = 'Use activate_template().';
	END IF;
	RETURN linkedin_ingest.resolve_ask(NULL, active, NULL, NULL, NULL, NULL, NULL, '{}');
END
$$;
COMMENT ON FUNCTION linkedin_ingest.compatibility_ask() IS
	'internal: what the active compatibility template asks, of which model; P0002 without an argument when none is active';

CREATE FUNCTION linkedin_ingest.check_compatibility(profile_id uuid) RETURNS uuid
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	ask linkedin_ingest.ask;
	job_id uuid;
BEGIN
	IF profile_id IS NULL THEN
		RAISE EXCEPTION 'profile_id must be given' USING ERRCODE = '22023', COLUMN = 'profile_id';
	END IF;
	ask := linkedin_ingest.compatibility_ask();
	job_id := linkedin_ingest.create_job(profile_id, ask, 0, now(), NULL, NULL);
	PERFORM linkedin_ingest.warn_of_waiting(ask.provider, ask.model, ask.role);
	RETURN job_id;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.check_compatibility(uuid) IS
	'queues one question that rates a person for every role; returns the job id; see profile_compatibility';

/*
 * All jobs are made at once, in one transaction: the scoring jobs wait for the
 * compatibility check, whose end releases or cancels them
 * (settle_dependents()), so nobody has to come back for the next step.
 */
CREATE FUNCTION linkedin_ingest.score_pipeline(profile_id uuid, roles text[] DEFAULT NULL)
	RETURNS TABLE (step text, role text, job_id uuid)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	faults text[] := '{}';
	wanted text[];
	unasked text;
	ask linkedin_ingest.ask;
	compatibility uuid;
BEGIN
	IF score_pipeline.profile_id IS NULL THEN
		faults := faults || 'profile_id: missing: profile_id must be given'::text;
	END IF;
	IF roles = '{}' THEN
		faults := faults || 'roles: missing: roles must not be empty'::text;
	END IF;
	faults := faults || ARRAY(
		SELECT format('roles: unknown: unknown role "%s"', coalesce(left(u.name, 100), 'null'))
		FROM unnest(roles) WITH ORDINALITY AS u (name, n)
		WHERE NOT EXISTS (SELECT FROM linkedin_ingest.roles r WHERE r.role = upper(u.name))
		ORDER BY u.n);
	PERFORM linkedin_ingest.raise_faults(faults);

	step := 'verify';
	RETURN NEXT;
	IF NOT (linkedin_ingest.verify_profile(score_pipeline.profile_id) ->> 'proceed')::boolean THEN
		RETURN;
	END IF;

	IF roles IS NULL THEN
		wanted := ARRAY(SELECT t.role FROM linkedin_ingest.prompt_templates t
						WHERE t.stage = 'scoring' AND t.is_active ORDER BY t.role);
		IF wanted = '{}' THEN
			RAISE EXCEPTION 'no role has an active scoring template'
				USING ERRCODE = 'P0002', COLUMN = 'roles', HINT = 'Use activate_template().';
		END IF;
	ELSE
		wanted := ARRAY(SELECT upper(u.name) FROM unnest(roles) WITH ORDINALITY AS u (name, n)
						GROUP BY upper(u.name) ORDER BY min(u.n));
		SELECT w.role INTO unasked FROM unnest(wanted) AS w (role)
		WHERE NOT EXISTS (SELECT FROM linkedin_ingest.prompt_templates t
						  WHERE t.role = w.role AND t.stage = 'scoring' AND t.is_active);
		IF FOUND THEN
			RAISE EXCEPTION 'role "%" has no active scoring template', unasked
				USING ERRCODE = 'P0002', COLUMN = 'roles', HINT = 'Use activate_template().';
		END IF;
	END IF;

	ask := linkedin_ingest.compatibility_ask();
	compatibility := linkedin_ingest.create_job(score_pipeline.profile_id, ask, 0, now(), NULL, NULL);
	PERFORM linkedin_ingest.warn_of_waiting(ask.provider, ask.model, ask.role);
	step := 'compatibility';
	job_id := compatibility;
	RETURN NEXT;

	step := 'scoring';
	FOREACH role IN ARRAY wanted LOOP
		ask := linkedin_ingest.resolve_ask(score_pipeline.role, NULL, NULL, NULL, NULL, NULL, NULL, '{}');
		job_id := linkedin_ingest.create_job(score_pipeline.profile_id, ask, 0, now(), NULL, compatibility);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.score_pipeline(uuid, text[]) IS
	'verifies a person, then queues a compatibility check and a scoring job per role that runs only if the role passes the gate; null roles: all with an active scoring template; a person with too little to tell gets no job';

CREATE VIEW linkedin_ingest.profile_compatibility WITH (security_invoker = true) AS
	SELECT l.profile_id, r.role, l.job_id, (r.rating ->> 'confidence')::numeric AS confidence,
		linkedin_ingest.passes_gate(j.parsed_score, r.role) AS passed,
		coalesce(j.recommended_role = r.role, false) AS recommended,
		r.rating ->> 'reasoning' AS reasoning, l.completed_at AS checked_at
	FROM linkedin_ingest.latest_scores l
	JOIN linkedin_ingest.scoring_jobs j ON j.id = l.job_id
	CROSS JOIN LATERAL jsonb_each(
		CASE jsonb_typeof(j.parsed_score -> 'roles') WHEN 'object' THEN j.parsed_score -> 'roles' ELSE '{}' END)
		AS r (role, rating)
	WHERE l.stage = 'compatibility';
COMMENT ON VIEW linkedin_ingest.profile_compatibility IS 'how well each role fits a person by the latest completed compatibility check, one row per person and role';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.profile_id IS 'the person';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.role IS 'the role';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.job_id IS 'the compatibility check';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.confidence IS '0..1, the model''s';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.passed IS 'whether the role passes the gate of 0.40';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.recommended IS 'the role with the highest confidence of those that pass';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.reasoning IS 'the model''s words';
COMMENT ON COLUMN linkedin_ingest.profile_compatibility.checked_at IS 'when the check was completed';
