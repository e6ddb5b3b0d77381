/* templates.sql: what is asked, in which wording, and since when */

CREATE TABLE linkedin_ingest.prompt_templates (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	role text REFERENCES linkedin_ingest.roles,
	stage text NOT NULL DEFAULT 'scoring' CHECK (stage IN ('screening', 'compatibility', 'scoring')),
	name text NOT NULL CHECK (name ~ '\S'),
	description text,
	system_text text,
	prompt_text text NOT NULL CHECK (prompt_text ~ '\S'),
	rubric jsonb,
	response_schema jsonb,
	model text CHECK (model ~ '^[!-~]{1,200}$'),
	max_tokens int CHECK (max_tokens BETWEEN 100 AND 32000),
	temperature numeric CHECK (temperature BETWEEN 0 AND 2),
	blind boolean NOT NULL DEFAULT true,
	version int NOT NULL DEFAULT 1 CHECK (version >= 1),
	is_active boolean NOT NULL DEFAULT false,
	metadata jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT prompt_templates_compatibility_has_no_role CHECK
		((role IS NULL) = (stage = 'compatibility'))
);
CREATE UNIQUE INDEX prompt_templates_one_active ON linkedin_ingest.prompt_templates (role, stage)
	NULLS NOT DISTINCT WHERE is_active;
COMMENT ON TABLE linkedin_ingest.prompt_templates IS 'templates in their present version; at most one is active per role and stage';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.id IS 'template id';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.role IS 'role asked about; null for compatibility, which rates every role';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.stage IS 'screening, compatibility or scoring';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.name IS 'for people; not unique';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.description IS 'for people';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.system_text IS 'system message; null: a fixed one';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.prompt_text IS 'the question; the profile is a message of its own';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.rubric IS 'criteria with key, title, weight, description and levels; null: no rubric';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.response_schema IS 'JSON schema of the answer; only without a rubric';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.model IS 'model asked; null: the default model of the stage';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.max_tokens IS 'cap on the tokens of the answer; null: the default';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.temperature IS 'sampling temperature; null: the default';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.blind IS 'the person''s name and years of education are withheld from the model';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.version IS 'present version; one more with every change of content';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.is_active IS 'score_profile uses it; see activate_template()';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.metadata IS 'free for callers';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.created_at IS 'when the template was made';
COMMENT ON COLUMN linkedin_ingest.prompt_templates.updated_at IS 'when content or is_active last changed';

CREATE TABLE linkedin_ingest.prompt_template_versions (
	template_id uuid NOT NULL REFERENCES linkedin_ingest.prompt_templates ON DELETE CASCADE,
	version int NOT NULL CHECK (version >= 1),
	role text,
	stage text NOT NULL,
	name text NOT NULL,
	description text,
	system_text text,
	prompt_text text NOT NULL,
	rubric jsonb,
	response_schema jsonb,
	model text,
	max_tokens int,
	temperature numeric,
	blind boolean NOT NULL,
	metadata jsonb NOT NULL,
	content_sha256 bytea NOT NULL,
	changed_by text NOT NULL,
	changed_at timestamptz NOT NULL,
	note text,
	PRIMARY KEY (template_id, version)
);
COMMENT ON TABLE linkedin_ingest.prompt_template_versions IS 'every version of every template as jobs ran it; written by trigger, never changed';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.template_id IS 'the template';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.version IS '1, 2, ...';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.role IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.stage IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.name IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.description IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.system_text IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.prompt_text IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.rubric IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.response_schema IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.model IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.max_tokens IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.temperature IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.blind IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.metadata IS 'as saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.content_sha256 IS 'SHA-256 of the content, by which equal versions are known';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.changed_by IS 'who saved it: the outer user';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.changed_at IS 'when it was saved';
COMMENT ON COLUMN linkedin_ingest.prompt_template_versions.note IS 'names the earlier version that this one equals, if one does';

CREATE TABLE linkedin_ingest.prompt_template_activations (
	id uuid PRIMARY KEY DEFAULT linkedin_ingest.uuid_v7(),
	template_id uuid NOT NULL REFERENCES linkedin_ingest.prompt_templates ON DELETE CASCADE,
	role text,
	stage text NOT NULL,
	version int NOT NULL,
	is_active boolean NOT NULL,
	changed_by text NOT NULL,
	changed_at timestamptz NOT NULL
);
CREATE INDEX prompt_template_activations_template ON linkedin_ingest.prompt_template_activations
	(template_id, changed_at);
COMMENT ON TABLE linkedin_ingest.prompt_template_activations IS 'who made which template active, or inactive, and when; written by trigger';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.id IS 'time-ordered';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.template_id IS 'the template';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.role IS 'its role at that time';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.stage IS 'its stage at that time';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.version IS 'its version at that time';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.is_active IS 'true: made active; false: made inactive';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.changed_by IS 'the outer user';
COMMENT ON COLUMN linkedin_ingest.prompt_template_activations.changed_at IS 'when';

CREATE FUNCTION linkedin_ingest.template_faults(stage text, system_text text, prompt_text text, rubric jsonb,
												response_schema jsonb, OUT faults text[], OUT doubts text[])
	LANGUAGE c IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_template_faults';
COMMENT ON FUNCTION linkedin_ingest.template_faults(text, text, text, jsonb, jsonb) IS
	'internal: what is wrong with a template and what is doubtful, in lines "column: kind: message"';

/*
 * Whoever saves a template says what it says, not which version that is: id,
 * version and times are the table's own.
 */
CREATE FUNCTION linkedin_ingest.prompt_templates_identity() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	own CONSTANT text[] := '{id,version,is_active,created_at,updated_at}';
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NEW;
	END IF;
	IF TG_OP = 'INSERT' THEN
		NEW.id := linkedin_ingest.uuid_v7();
		NEW.version := 1;
		NEW.updated_at := clock_timestamp();
		NEW.created_at := NEW.updated_at;
		RETURN NEW;
	END IF;
	IF to_jsonb(NEW) - own <> to_jsonb(OLD) - own THEN
		NEW.version := OLD.version + 1;
	ELSIF NEW.is_active = OLD.is_active THEN
		RETURN OLD;				-- saved as it was: the row is returned, nothing changes
	ELSE
		NEW.version := OLD.version;
	END IF;
	NEW.id := OLD.id;
	NEW.created_at := OLD.created_at;
	NEW.updated_at := clock_timestamp();
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.prompt_templates_identity() IS
	'trigger: keeps id, version and times, whatever the caller gives';

/* Definer's rights: the checks are nobody's to call. */
CREATE FUNCTION linkedin_ingest.prompt_templates_check() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	checked record;
	other record;
	doubt text;
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NEW;
	END IF;
	IF TG_OP = 'INSERT' OR NEW.version <> OLD.version THEN
		SELECT f.faults, f.doubts INTO checked
		FROM linkedin_ingest.template_faults(NEW.stage, NEW.system_text, NEW.prompt_text,
											 NEW.rubric, NEW.response_schema) f;
		IF cardinality(checked.faults) > 0 THEN
			PERFORM linkedin_ingest.raise_faults(checked.faults);
		END IF;
		FOREACH doubt IN ARRAY checked.doubts LOOP
			RAISE WARNING '%', substr(doubt, length(split_part(doubt, ': ', 1) || split_part(doubt, ': ', 2)) + 5)
				USING COLUMN = split_part(doubt, ': ', 1);
		END LOOP;
	END IF;
	IF NEW.is_active THEN
		SELECT t.id, t.name INTO other
		FROM linkedin_ingest.prompt_templates t
		WHERE t.is_active AND t.stage = NEW.stage AND t.role IS NOT DISTINCT FROM NEW.role
			AND t.id <> NEW.id;
		IF FOUND THEN
			RAISE EXCEPTION 'another template is active for % of stage %',
				coalesce('role ' || NEW.role, 'all roles'), NEW.stage
				USING ERRCODE = '23505', COLUMN = 'is_active', TABLE = 'prompt_templates',
					SCHEMA = 'linkedin_ingest', CONSTRAINT = 'prompt_templates_one_active',
					DETAIL = format('Template %s ("%s") is active.', other.id, other.name),
					HINT = 'Use activate_template() to put one in the place of the other.';
		END IF;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.prompt_templates_check() IS
	'trigger: refuses a template that could not be asked with, and a second active one';

/* Definer's rights: whoever may save a template need not be let near its history. */
CREATE FUNCTION linkedin_ingest.prompt_templates_record() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	sha256 bytea;
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'INSERT' OR NEW.version <> OLD.version THEN
		sha256 := sha256(convert_to(
			(to_jsonb(NEW) - '{id,version,is_active,created_at,updated_at}'::text[])::text, 'UTF8'));
		INSERT INTO linkedin_ingest.prompt_template_versions
			(template_id, version, role, stage, name, description, system_text, prompt_text, rubric,
			 response_schema, model, max_tokens, temperature, blind, metadata,
			 content_sha256, changed_by, changed_at, note)
		VALUES (NEW.id, NEW.version, NEW.role, NEW.stage, NEW.name, NEW.description, NEW.system_text,
				NEW.prompt_text, NEW.rubric, NEW.response_schema, NEW.model, NEW.max_tokens,
				NEW.temperature, NEW.blind, NEW.metadata,
				sha256, linkedin_ingest.outer_user(), NEW.updated_at,
				(SELECT 'equals version ' || max(v.version)
				 FROM linkedin_ingest.prompt_template_versions v
				 WHERE v.template_id = NEW.id AND v.content_sha256 = sha256));
	END IF;
	IF (TG_OP = 'INSERT' AND NEW.is_active) OR (TG_OP = 'UPDATE' AND NEW.is_active <> OLD.is_active) THEN
		INSERT INTO linkedin_ingest.prompt_template_activations
			(template_id, role, stage, version, is_active, changed_by, changed_at)
		VALUES (NEW.id, NEW.role, NEW.stage, NEW.version, NEW.is_active,
				linkedin_ingest.outer_user(), NEW.updated_at);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.prompt_templates_record() IS
	'trigger: writes the new version and the activation';

CREATE FUNCTION linkedin_ingest.prompt_templates_keep() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF NOT linkedin_ingest.is_restoring()
		AND EXISTS (SELECT FROM linkedin_ingest.scoring_jobs j WHERE j.template_id = OLD.id) THEN
		RAISE EXCEPTION 'template % is named by jobs', OLD.id
			USING ERRCODE = '23503', TABLE = 'scoring_jobs', SCHEMA = 'linkedin_ingest',
				DETAIL = 'Its versions say what was asked for scores that are kept.',
				HINT = format('Deactivate it instead: UPDATE linkedin_ingest.prompt_templates SET is_active = false WHERE id = %L;', OLD.id);
	END IF;
	RETURN OLD;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.prompt_templates_keep() IS
	'trigger: refuses to delete a template that a job names';

/* Alphabetical order is the order of firing: versions first, then the checks. */
CREATE TRIGGER a_identity BEFORE INSERT OR UPDATE ON linkedin_ingest.prompt_templates
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.prompt_templates_identity();
CREATE TRIGGER b_check BEFORE INSERT OR UPDATE ON linkedin_ingest.prompt_templates
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.prompt_templates_check();
CREATE TRIGGER record AFTER INSERT OR UPDATE ON linkedin_ingest.prompt_templates
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.prompt_templates_record();
CREATE TRIGGER keep BEFORE DELETE ON linkedin_ingest.prompt_templates
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.prompt_templates_keep();

/*
 * A version may come from the trigger above (depth 2 here) or from a dump, and
 * go with its template, which is then no longer there, or before a dump's rows.
 */
CREATE FUNCTION linkedin_ingest.prompt_template_versions_immutable() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF TG_OP = 'INSERT' AND (pg_trigger_depth() > 1 OR linkedin_ingest.is_restoring()) THEN
		RETURN NEW;
	ELSIF TG_OP = 'DELETE' THEN
		IF linkedin_ingest.is_restoring()
			OR NOT EXISTS (SELECT FROM linkedin_ingest.prompt_templates t WHERE t.id = OLD.template_id) THEN
			RETURN OLD;
		END IF;
	END IF;
	RAISE EXCEPTION 'versions of templates cannot be changed'
		USING ERRCODE = '55000', TABLE = 'prompt_template_versions', SCHEMA = 'linkedin_ingest',
			HINT = 'Save the template: that makes a new version.';
END
$$;
COMMENT ON FUNCTION linkedin_ingest.prompt_template_versions_immutable() IS
	'trigger: versions are written by saving a template and go only with it';

CREATE TRIGGER immutable BEFORE INSERT OR UPDATE OR DELETE ON linkedin_ingest.prompt_template_versions
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.prompt_template_versions_immutable();
CREATE TRIGGER immutable_truncate BEFORE TRUNCATE ON linkedin_ingest.prompt_template_versions
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.prompt_template_versions_immutable();

CREATE FUNCTION linkedin_ingest.activate_template(template_id uuid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	chosen linkedin_ingest.prompt_templates;
	replaced uuid;
BEGIN
	IF template_id IS NULL THEN
		RAISE EXCEPTION 'template_id must be given' USING ERRCODE = '22023', COLUMN = 'template_id';
	END IF;
	SELECT t.* INTO chosen FROM linkedin_ingest.prompt_templates t
	WHERE t.id = activate_template.template_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'template % not found', template_id
			USING ERRCODE = 'P0002', COLUMN = 'template_id';
	END IF;

	/* in order of id, so that two who swap at once do not wait for each other */
	PERFORM FROM linkedin_ingest.prompt_templates t
	WHERE t.stage = chosen.stage AND t.role IS NOT DISTINCT FROM chosen.role
	ORDER BY t.id FOR UPDATE;
	UPDATE linkedin_ingest.prompt_templates t SET is_active = false
	WHERE t.stage = chosen.stage AND t.role IS NOT DISTINCT FROM chosen.role
		AND t.is_active AND t.id <> chosen.id
	RETURNING t.id INTO replaced;
	UPDATE linkedin_ingest.prompt_templates t SET is_active = true
	WHERE t.id = chosen.id AND NOT t.is_active;

	/* One instant in the history too: template_at() never falls between the two. */
	IF replaced IS NOT NULL THEN
		UPDATE linkedin_ingest.prompt_template_activations a
		SET changed_at = (SELECT t.updated_at FROM linkedin_ingest.prompt_templates t WHERE t.id = chosen.id)
		WHERE a.id = (SELECT x.id FROM linkedin_ingest.prompt_template_activations x
					  WHERE x.template_id = replaced
					  ORDER BY x.changed_at DESC, x.id DESC LIMIT 1);
	END IF;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.activate_template(uuid) IS
	'makes a template the active one of its role and stage, in place of the one that was';

CREATE VIEW linkedin_ingest.active_templates AS
	SELECT t.role, t.stage, t.id AS template_id, t.name, t.description, t.version, t.model, t.max_tokens,
		t.temperature, t.blind, t.rubric IS NOT NULL AS has_rubric,
		a.changed_at AS activated_at, a.changed_by AS activated_by, t.updated_at
	FROM linkedin_ingest.prompt_templates t
	LEFT JOIN LATERAL (
		SELECT x.changed_at, x.changed_by
		FROM linkedin_ingest.prompt_template_activations x
		WHERE x.template_id = t.id AND x.is_active
		ORDER BY x.changed_at DESC, x.id DESC
		LIMIT 1) a ON true
	WHERE t.is_active;
COMMENT ON VIEW linkedin_ingest.active_templates IS 'the template that each role and stage is asked with';
COMMENT ON COLUMN linkedin_ingest.active_templates.role IS 'role; null for compatibility';
COMMENT ON COLUMN linkedin_ingest.active_templates.stage IS 'stage';
COMMENT ON COLUMN linkedin_ingest.active_templates.template_id IS 'the active template';
COMMENT ON COLUMN linkedin_ingest.active_templates.name IS 'its name';
COMMENT ON COLUMN linkedin_ingest.active_templates.description IS 'its description';
COMMENT ON COLUMN linkedin_ingest.active_templates.version IS 'its present version';
COMMENT ON COLUMN linkedin_ingest.active_templates.model IS 'model asked; null: the default';
COMMENT ON COLUMN linkedin_ingest.active_templates.max_tokens IS 'cap on the answer; null: the default';
COMMENT ON COLUMN linkedin_ingest.active_templates.temperature IS 'temperature; null: the default';
COMMENT ON COLUMN linkedin_ingest.active_templates.blind IS 'names and years of education are withheld';
COMMENT ON COLUMN linkedin_ingest.active_templates.has_rubric IS 'scored by criteria';
COMMENT ON COLUMN linkedin_ingest.active_templates.activated_at IS 'since when it is active';
COMMENT ON COLUMN linkedin_ingest.active_templates.activated_by IS 'who made it active';
COMMENT ON COLUMN linkedin_ingest.active_templates.updated_at IS 'last change of the template';

CREATE FUNCTION linkedin_ingest.recommended_templates(profile_id uuid)
	RETURNS SETOF linkedin_ingest.prompt_templates
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	suggested text;
BEGIN
	IF profile_id IS NULL THEN
		RAISE EXCEPTION 'profile_id must be given' USING ERRCODE = '22023', COLUMN = 'profile_id';
	END IF;
	SELECT p.suggested_role INTO suggested FROM linkedin_ingest.profiles p
	WHERE p.id = recommended_templates.profile_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'profile % not found', profile_id
			USING ERRCODE = 'P0002', COLUMN = 'profile_id';
	END IF;
	RETURN QUERY
		SELECT t.* FROM linkedin_ingest.prompt_templates t
		WHERE t.is_active AND (suggested IS NULL OR (t.role = suggested AND t.stage = 'scoring'))
		ORDER BY array_position(ARRAY['scoring', 'screening', 'compatibility'], t.stage), t.role;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.recommended_templates(uuid) IS
	'templates to ask about a person with: the active scoring template of the suggested role; without a suggested role all active ones, scoring first';

CREATE FUNCTION linkedin_ingest.render_profile_text(profile_id uuid, blind boolean) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_render_profile_text';
COMMENT ON FUNCTION linkedin_ingest.render_profile_text(uuid, boolean) IS
	'internal: a profile as a model sees it, in full; null when there is no such profile';

CREATE FUNCTION linkedin_ingest.render_ask(profile_id uuid, role text, stage text, template_id uuid,
										   template_version int, prompt text, provider text, model text,
										   max_tokens int, temperature numeric, samples int) RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_render_ask';
COMMENT ON FUNCTION linkedin_ingest.render_ask(uuid, text, text, uuid, int, text, text, text, int, numeric, int) IS
	'internal: what a job with these columns would send: messages, schema, prompt_tokens and whether they are exact, shortened, cache_key';
