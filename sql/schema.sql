/* schema.sql: schemas, ids, and the rules every table shares */

CREATE SCHEMA linkedin_ingest;
COMMENT ON SCHEMA linkedin_ingest IS 'linkedin_ingest: profiles, templates, jobs and their functions';
CREATE SCHEMA linkedin_api;
COMMENT ON SCHEMA linkedin_api IS 'linkedin_ingest: what an HTTP front end may expose';

CREATE FUNCTION linkedin_ingest.uuid_v7() RETURNS uuid
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_uuid_v7';
COMMENT ON FUNCTION linkedin_ingest.uuid_v7() IS
	'time-ordered uuid of version 7 (RFC 9562): milliseconds, their fraction, then random bits';

CREATE FUNCTION linkedin_ingest.is_restoring() RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_is_restoring';
COMMENT ON FUNCTION linkedin_ingest.is_restoring() IS
	'whether this session loads a dump: a superuser''s session with check_function_bodies off, outside CREATE EXTENSION; triggers then keep rows exactly as they come';

CREATE FUNCTION linkedin_ingest.outer_user() RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_outer_user';
COMMENT ON FUNCTION linkedin_ingest.outer_user() IS
	'the role outside every SECURITY DEFINER function: the login role, or what SET ROLE made of it';

CREATE FUNCTION linkedin_ingest.set_timestamps() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NEW;
	END IF;
	NEW.updated_at := clock_timestamp();
	IF TG_OP = 'INSERT' THEN
		NEW.created_at := NEW.updated_at;
	ELSE
		NEW.created_at := OLD.created_at;
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.set_timestamps() IS
	'trigger: keeps created_at and updated_at, whatever the caller gives';

/*
 * Seeds.  A row of the extension's own that nobody has changed is listed here.
 * Changing or deleting it strikes it from the list, so that an upgrade touches
 * only what is still ours.  When a dump is restored, CREATE EXTENSION has
 * seeded first and the dump brings every row again: the first statement that
 * loads a seeded table removes all rows still listed, from every table at
 * once because they refer to each other.
 */
CREATE TABLE linkedin_ingest.seeds (
	table_name text NOT NULL,
	key text NOT NULL,
	PRIMARY KEY (table_name, key)
);
COMMENT ON TABLE linkedin_ingest.seeds IS 'rows made by the extension that nobody has changed since; not dumped';
COMMENT ON COLUMN linkedin_ingest.seeds.table_name IS 'table in schema linkedin_ingest';
COMMENT ON COLUMN linkedin_ingest.seeds.key IS 'primary key of the row; parts joined by a tab';
