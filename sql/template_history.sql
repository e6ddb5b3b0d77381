/* template_history.sql: going back to a version, comparing two, and what was live when */

CREATE FUNCTION linkedin_ingest.restore_template_version(template_id uuid, version int) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	wanted linkedin_ingest.prompt_template_versions;
	made int;
BEGIN
	PERFORM linkedin_ingest.raise_faults(array_remove(ARRAY[
		CASE WHEN template_id IS NULL THEN 'template_id: missing: template_id must be given' END,
		CASE WHEN version IS NULL THEN 'version: missing: version must be given' END], NULL));
	PERFORM FROM linkedin_ingest.prompt_templates t
	WHERE t.id = restore_template_version.template_id FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'template % not found', template_id
			USING ERRCODE = 'P0002', COLUMN = 'template_id';
	END IF;
	SELECT v.* INTO wanted FROM linkedin_ingest.prompt_template_versions v
	WHERE v.template_id = restore_template_version.template_id
		AND v.version = restore_template_version.version;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'template % has no version %', template_id, version
			USING ERRCODE = 'P0002', COLUMN = 'version';
	END IF;

	UPDATE linkedin_ingest.prompt_templates t
	SET role = wanted.role, stage = wanted.stage, name = wanted.name, description = wanted.description,
		system_text = wanted.system_text, prompt_text = wanted.prompt_text, rubric = wanted.rubric,
		response_schema = wanted.response_schema, model = wanted.model, max_tokens = wanted.max_tokens,
		temperature = wanted.temperature, blind = wanted.blind, metadata = wanted.metadata
	WHERE t.id = wanted.template_id
	RETURNING t.version INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.restore_template_version(uuid, int) IS
	'saves the content of an earlier version as a new one and returns its number; the present number when the content is the same';

CREATE FUNCTION linkedin_ingest.line_hunks(old_text text, new_text text) RETURNS text[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_line_hunks';
COMMENT ON FUNCTION linkedin_ingest.line_hunks(text, text) IS
	'internal: unified hunks with three lines of context that lead from one text to the other; empty when they are equal';

/*
 * Each criterion, and each member and level of one that both rubrics have, is
 * a row when it differs; so is the order of the criteria that both have.
 */
CREATE FUNCTION linkedin_ingest.rubric_changes(old_rubric jsonb, new_rubric jsonb)
	RETURNS TABLE (field text, old_value text, new_value text)
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	WITH olds AS (
		SELECT c.item, c.item ->> 'key' AS key, c.n
		FROM jsonb_array_elements(CASE jsonb_typeof(old_rubric) WHEN 'array' THEN old_rubric ELSE '[]' END)
			WITH ORDINALITY AS c (item, n)
	), news AS (
		SELECT c.item, c.item ->> 'key' AS key, c.n
		FROM jsonb_array_elements(CASE jsonb_typeof(new_rubric) WHEN 'array' THEN new_rubric ELSE '[]' END)
			WITH ORDINALITY AS c (item, n)
	), pairs AS (
		SELECT coalesce(o.key, w.key) AS key, o.item AS old_item, w.item AS new_item, o.n AS old_n, w.n AS new_n
		FROM olds o FULL JOIN news w ON w.key = o.key
	), orders AS (
		SELECT string_agg(p.key, ', ' ORDER BY p.old_n) AS old_order, string_agg(p.key, ', ' ORDER BY p.new_n) AS new_order
		FROM pairs p WHERE p.old_n IS NOT NULL AND p.new_n IS NOT NULL
	), changes AS (
		SELECT 0 AS place, NULL::bigint AS new_n, NULL::bigint AS old_n, 'rubric'::text AS field,
			o.old_order AS old_value, o.new_order AS new_value
		FROM orders o WHERE o.old_order <> o.new_order
		UNION ALL
		SELECT 1, p.new_n, p.old_n, 'rubric.' || p.key, p.old_item::text, p.new_item::text
		FROM pairs p WHERE p.old_n IS NULL OR p.new_n IS NULL
		UNION ALL
		SELECT 1, p.new_n, p.old_n, format('rubric.%s.%s', p.key, m.name),
			p.old_item ->> m.name, p.new_item ->> m.name
		FROM pairs p
		CROSS JOIN LATERAL jsonb_object_keys((p.old_item || p.new_item) - '{key,levels}'::text[]) AS m (name)
		WHERE p.old_item -> m.name IS DISTINCT FROM p.new_item -> m.name
		UNION ALL
		SELECT 1, p.new_n, p.old_n, format('rubric.%s.levels.%s', p.key, l.level), l.old_text, l.new_text
		FROM pairs p
		CROSS JOIN LATERAL (
			SELECT coalesce(a.key, b.key), a.value, b.value
			FROM jsonb_each_text(CASE jsonb_typeof(p.old_item -> 'levels') WHEN 'object' THEN p.old_item -> 'levels' ELSE '{}' END) a
			FULL JOIN jsonb_each_text(CASE jsonb_typeof(p.new_item -> 'levels') WHEN 'object' THEN p.new_item -> 'levels' ELSE '{}' END) b
				ON b.key = a.key
		) AS l (level, old_text, new_text)
		WHERE p.old_n IS NOT NULL AND p.new_n IS NOT NULL AND l.old_text IS DISTINCT FROM l.new_text
	)
	SELECT c.field, c.old_value, c.new_value
	FROM changes c
	ORDER BY c.place, c.new_n, c.old_n, length(c.field), c.field;
END;
COMMENT ON FUNCTION linkedin_ingest.rubric_changes(jsonb, jsonb) IS
	'internal: what differs between two rubrics, by criterion, in the order of the newer one';

CREATE FUNCTION linkedin_ingest.template_diff(template_id uuid, from_version int, to_version int)
	RETURNS TABLE (field text, old_value text, new_value text, hunk text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_column
DECLARE
	olds jsonb;
	news jsonb;
BEGIN
	PERFORM linkedin_ingest.raise_faults(array_remove(ARRAY[
		CASE WHEN template_diff.template_id IS NULL THEN 'template_id: missing: template_id must be given' END,
		CASE WHEN from_version IS NULL THEN 'from_version: missing: from_version must be given' END,
		CASE WHEN to_version IS NULL THEN 'to_version: missing: to_version must be given' END], NULL));
	IF NOT EXISTS (SELECT FROM linkedin_ingest.prompt_templates t WHERE t.id = template_diff.template_id) THEN
		RAISE EXCEPTION 'template % not found', template_diff.template_id
			USING ERRCODE = 'P0002', COLUMN = 'template_id';
	END IF;
	SELECT to_jsonb(v) INTO olds FROM linkedin_ingest.prompt_template_versions v
	WHERE v.template_id = template_diff.template_id AND v.version = from_version;
	SELECT to_jsonb(v) INTO news FROM linkedin_ingest.prompt_template_versions v
	WHERE v.template_id = template_diff.template_id AND v.version = to_version;
	IF olds IS NULL THEN
		RAISE EXCEPTION 'template % has no version %', template_diff.template_id, from_version
			USING ERRCODE = 'P0002', COLUMN = 'from_version';
	ELSIF news IS NULL THEN
		RAISE EXCEPTION 'template % has no version %', template_diff.template_id, to_version
			USING ERRCODE = 'P0002', COLUMN = 'to_version';
	END IF;

	RETURN QUERY
	WITH fields AS (
		SELECT f.name, f.n, olds -> f.name AS old_json, news -> f.name AS new_json
		FROM unnest(ARRAY['role', 'stage', 'name', 'description', 'system_text', 'prompt_text', 'rubric',
						  'response_schema', 'model', 'max_tokens', 'temperature', 'blind', 'metadata'])
			WITH ORDINALITY AS f (name, n)
		WHERE olds -> f.name IS DISTINCT FROM news -> f.name
	), texts AS (
		SELECT f.name, f.n,
			CASE WHEN f.name IN ('response_schema', 'metadata') AND f.old_json <> 'null' THEN jsonb_pretty(f.old_json)
				ELSE f.old_json #>> '{}' END AS old_text,
			CASE WHEN f.name IN ('response_schema', 'metadata') AND f.new_json <> 'null' THEN jsonb_pretty(f.new_json)
				ELSE f.new_json #>> '{}' END AS new_text
		FROM fields f
		WHERE f.name IN ('description', 'system_text', 'prompt_text', 'response_schema', 'metadata')
	), changes AS (
		SELECT f.n, 1::bigint AS m, f.name, f.old_json #>> '{}' AS old_text, f.new_json #>> '{}' AS new_text, NULL::text AS lines
		FROM fields f
		WHERE f.name IN ('role', 'stage', 'name', 'model', 'max_tokens', 'temperature', 'blind')
		UNION ALL
		/* what a hunk covers, before and after, is read off it */
		SELECT t.n, h.m, t.name, sides.old_text, sides.new_text, h.lines
		FROM texts t
		CROSS JOIN LATERAL unnest(linkedin_ingest.line_hunks(t.old_text, t.new_text)) WITH ORDINALITY AS h (lines, m)
		CROSS JOIN LATERAL (
			SELECT string_agg(substr(l.line, 2), E'\n' ORDER BY l.n) FILTER (WHERE left(l.line, 1) <> '+'),
				string_agg(substr(l.line, 2), E'\n' ORDER BY l.n) FILTER (WHERE left(l.line, 1) <> '-')
			FROM string_to_table(h.lines, E'\n') WITH ORDINALITY AS l (line, n)
			WHERE l.n > 1
		) AS sides (old_text, new_text)
		UNION ALL
		SELECT f.n, r.m, r.field, r.old_value, r.new_value, NULL
		FROM fields f
		CROSS JOIN LATERAL ROWS FROM (linkedin_ingest.rubric_changes(f.old_json, f.new_json))
			WITH ORDINALITY AS r (field, old_value, new_value, m)
		WHERE f.name = 'rubric'
	)
	SELECT c.name, c.old_text, c.new_text, c.lines
	FROM changes c
	ORDER BY c.n, c.m;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.template_diff(uuid, int, int) IS
	'what differs between two versions: a row per field; per hunk for texts and JSON, with the lines it covers; per criterion''s part for the rubric';

/*
 * A template was live for a role and a stage at an instant when the latest of
 * its activations until then had made it active, and the version it then had
 * was for that role and stage.  The role comes from the version, not from the
 * activation: a template may be given another role while it is active.
 */
CREATE FUNCTION linkedin_ingest.template_at(role text, stage text, at timestamptz)
	RETURNS linkedin_ingest.prompt_template_versions
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	faults text[] := '{}';
	live linkedin_ingest.prompt_template_versions;
BEGIN
	IF stage IS NULL OR stage NOT IN ('screening', 'compatibility', 'scoring') THEN
		faults := faults || 'stage: invalid: stage must be screening, compatibility or scoring'::text;
	ELSIF stage = 'compatibility' AND role IS NOT NULL THEN
		faults := faults || 'role: not_allowed: stage compatibility has no role'::text;
	ELSIF stage <> 'compatibility' AND role IS NULL THEN
		faults := faults || 'role: missing: role must be given'::text;
	END IF;
	IF role IS NOT NULL
		AND NOT EXISTS (SELECT FROM linkedin_ingest.roles r WHERE r.role = upper(template_at.role))
		AND NOT EXISTS (SELECT FROM linkedin_ingest.prompt_template_versions v WHERE v.role = upper(template_at.role)) THEN
		faults := faults || format('role: unknown: unknown role "%s"', left(role, 100));
	END IF;
	IF at IS NULL THEN
		faults := faults || 'at: missing: at must be given'::text;
	END IF;
	PERFORM linkedin_ingest.raise_faults(faults);

	SELECT v.* INTO live
	FROM linkedin_ingest.prompt_templates t
	CROSS JOIN LATERAL (
		SELECT a.is_active FROM linkedin_ingest.prompt_template_activations a
		WHERE a.template_id = t.id AND a.changed_at <= at
		ORDER BY a.changed_at DESC, a.id DESC LIMIT 1
	) s
	CROSS JOIN LATERAL (
		SELECT x.* FROM linkedin_ingest.prompt_template_versions x
		WHERE x.template_id = t.id AND x.changed_at <= at
		ORDER BY x.version DESC LIMIT 1
	) v
	WHERE s.is_active AND v.stage = template_at.stage
		AND v.role IS NOT DISTINCT FROM upper(template_at.role);
	IF NOT FOUND THEN
		RETURN NULL;			-- and not a row of nulls
	END IF;
	RETURN live;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.template_at(text, text, timestamptz) IS
	'version that was live for a role (null: compatibility) and stage at an instant; null when none was';
