/* dump.sql: what a dump carries, and how a restore meets the seeds */

/*
 * Every table is dumped in full, save the state of this cluster's machinery.
 * A seed is an ordinary row to a dump: it comes back as it was.
 */
DO $$
DECLARE
	kept regclass;
BEGIN
	FOR kept IN
		SELECT c.oid FROM pg_class c
		WHERE c.relnamespace = 'linkedin_ingest'::regnamespace AND c.relkind IN ('r', 'S')
			AND c.relname NOT IN ('workers', 'provider_blocks', 'home', 'seeds')
		ORDER BY c.oid
	LOOP
		PERFORM pg_extension_config_dump(kept, '');
	END LOOP;
END
$$;

/* Its arguments are the columns of the primary key. */
CREATE FUNCTION linkedin_ingest.strike_seed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	old_row jsonb;
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NULL;
	END IF;
	IF TG_OP = 'TRUNCATE' THEN
		DELETE FROM linkedin_ingest.seeds s WHERE s.table_name = TG_TABLE_NAME;
		RETURN NULL;
	END IF;
	old_row := to_jsonb(OLD);
	IF TG_OP = 'UPDATE' THEN
		IF old_row - '{created_at,updated_at,last_seen_at}'::text[]
			= to_jsonb(NEW) - '{created_at,updated_at,last_seen_at}'::text[] THEN
			RETURN NULL;
		END IF;
	END IF;
	DELETE FROM linkedin_ingest.seeds s
	WHERE s.table_name = TG_TABLE_NAME
		AND s.key = (SELECT string_agg(old_row ->> k.name, E'\t' ORDER BY k.n)
					 FROM unnest(TG_ARGV) WITH ORDINALITY AS k (name, n));
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.strike_seed() IS
	'trigger: a seed that somebody changes or deletes is no longer ours';

/*
 * CREATE EXTENSION has made the seeds before a dump's rows arrive; the dump
 * has all rows that were there, so whatever is still listed goes before the
 * first row comes.  All tables at once: they refer to each other, and a table
 * that was emptied has no row to announce it.
 */
CREATE FUNCTION linkedin_ingest.clear_seeds() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF NOT linkedin_ingest.is_restoring() THEN
		RETURN NULL;
	END IF;
	IF NOT EXISTS (SELECT FROM linkedin_ingest.seeds) THEN
		RETURN NULL;
	END IF;
	DELETE FROM linkedin_ingest.source_mappings t USING linkedin_ingest.seeds s
		WHERE s.table_name = 'source_mappings' AND t.source || E'\t' || t.target_path = s.key;
	DELETE FROM linkedin_ingest.sources t USING linkedin_ingest.seeds s
		WHERE s.table_name = 'sources' AND t.source = s.key;
	DELETE FROM linkedin_ingest.prompt_templates t USING linkedin_ingest.seeds s
		WHERE s.table_name = 'prompt_templates' AND t.id::text = s.key;
	DELETE FROM linkedin_ingest.llm_models t USING linkedin_ingest.seeds s
		WHERE s.table_name = 'llm_models' AND t.model = s.key;
	DELETE FROM linkedin_ingest.llm_providers t USING linkedin_ingest.seeds s
		WHERE s.table_name = 'llm_providers' AND t.name = s.key;
	DELETE FROM linkedin_ingest.roles t USING linkedin_ingest.seeds s
		WHERE s.table_name = 'roles' AND t.role = s.key;
	DELETE FROM linkedin_ingest.seeds;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.clear_seeds() IS
	'trigger: in a restore, deletes the seeds before the first row of the dump';

/* Roles and templates are listed where they are seeded. */
INSERT INTO linkedin_ingest.seeds (table_name, key)
	SELECT 'sources', t.source FROM linkedin_ingest.sources t
	UNION ALL
	SELECT 'source_mappings', t.source || E'\t' || t.target_path FROM linkedin_ingest.source_mappings t
	UNION ALL
	SELECT 'llm_providers', t.name FROM linkedin_ingest.llm_providers t
	UNION ALL
	SELECT 'llm_models', t.model FROM linkedin_ingest.llm_models t;

CREATE TRIGGER strike_seed AFTER UPDATE OR DELETE ON linkedin_ingest.roles
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.strike_seed('role');
CREATE TRIGGER strike_seeds AFTER TRUNCATE ON linkedin_ingest.roles
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.strike_seed();
CREATE TRIGGER clear_seeds BEFORE INSERT ON linkedin_ingest.roles
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.clear_seeds();
CREATE TRIGGER strike_seed AFTER UPDATE OR DELETE ON linkedin_ingest.sources
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.strike_seed('source');
CREATE TRIGGER strike_seeds AFTER TRUNCATE ON linkedin_ingest.sources
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.strike_seed();
CREATE TRIGGER clear_seeds BEFORE INSERT ON linkedin_ingest.sources
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.clear_seeds();
CREATE TRIGGER strike_seed AFTER UPDATE OR DELETE ON linkedin_ingest.source_mappings
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.strike_seed('source', 'target_path');
CREATE TRIGGER strike_seeds AFTER TRUNCATE ON linkedin_ingest.source_mappings
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.strike_seed();
CREATE TRIGGER clear_seeds BEFORE INSERT ON linkedin_ingest.source_mappings
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.clear_seeds();
CREATE TRIGGER strike_seed AFTER UPDATE OR DELETE ON linkedin_ingest.llm_providers
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.strike_seed('name');
CREATE TRIGGER strike_seeds AFTER TRUNCATE ON linkedin_ingest.llm_providers
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.strike_seed();
CREATE TRIGGER clear_seeds BEFORE INSERT ON linkedin_ingest.llm_providers
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.clear_seeds();
CREATE TRIGGER strike_seed AFTER UPDATE OR DELETE ON linkedin_ingest.llm_models
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.strike_seed('model');
CREATE TRIGGER strike_seeds AFTER TRUNCATE ON linkedin_ingest.llm_models
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.strike_seed();
CREATE TRIGGER clear_seeds BEFORE INSERT ON linkedin_ingest.llm_models
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.clear_seeds();
CREATE TRIGGER strike_seed AFTER UPDATE OR DELETE ON linkedin_ingest.prompt_templates
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.strike_seed('id');
CREATE TRIGGER strike_seeds AFTER TRUNCATE ON linkedin_ingest.prompt_templates
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.strike_seed();
CREATE TRIGGER clear_seeds BEFORE INSERT ON linkedin_ingest.prompt_templates
	FOR EACH STATEMENT EXECUTE FUNCTION linkedin_ingest.clear_seeds();
