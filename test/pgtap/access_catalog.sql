-- What holds for every object: comments, search_path, nothing for PUBLIC, also
-- where the database grants new objects to somebody by default.
\set QUIET on
BEGIN;
SELECT plan(14);
SET LOCAL client_min_messages = error;

CREATE VIEW pg_temp.functions AS
	SELECT p.*, p.oid::regprocedure::text AS signature, l.lanname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.pronamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace);

SELECT is_empty($$SELECT signature FROM pg_temp.functions WHERE obj_description(oid, 'pg_proc') IS NULL$$, 'every function has a comment');
SELECT is_empty($$SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
	AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL$$, 'every table and view has one');
SELECT is_empty($$SELECT format('%s.%s', c.oid::regclass, a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace) AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
		AND col_description(c.oid, a.attnum) IS NULL$$, 'every column has one');
SELECT is_empty($$SELECT signature FROM pg_temp.functions WHERE prokind = 'f' AND lanname <> 'sql' AND NOT coalesce(proconfig @> '{"search_path=pg_catalog, pg_temp"}', false)$$,
	'every function that is not SQL pins its search_path');
SELECT is_empty($$SELECT signature FROM pg_temp.functions WHERE lanname = 'sql' AND prosqlbody IS NULL$$, 'every SQL function has a standard body');
SELECT is_empty($$SELECT signature FROM pg_temp.functions WHERE prokind = 'p' AND (proconfig IS NOT NULL OR prosecdef)$$, 'procedures, which commit, have no SET clause and no definer''s rights');
SELECT is_empty($$SELECT proname FROM pg_temp.functions GROUP BY proname, pronamespace HAVING count(*) > 1$$, 'there are no overloads');
SELECT is_empty($$SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'linkedin_ingest'::regnamespace AND c.relkind = 'r' AND c.relpersistence <> 'p'$$, 'every table is logged');
SELECT set_eq($$SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'linkedin_ingest'::regnamespace AND c.relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'linkedin_ingest' AND c.oid = ANY (e.extconfig))$$,
	ARRAY['workers', 'provider_blocks', 'home', 'seeds'], 'every table is dumped save four');
SELECT is_empty($$SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'linkedin_ingest'::regnamespace AND c.relkind = 'S'
	AND NOT EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'linkedin_ingest' AND c.oid = ANY (e.extconfig))$$, 'so is every sequence');

-- the same in a database that is generous by default
CREATE ROLE pgtap_catalog_anon;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO pgtap_catalog_anon;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO pgtap_catalog_anon;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO pgtap_catalog_anon;
DROP EXTENSION linkedin_ingest CASCADE;
CREATE EXTENSION linkedin_ingest;
SELECT is_empty($$SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
	AND has_function_privilege('pgtap_catalog_anon', p.oid, 'EXECUTE')$$, 'no function by default privileges');
SELECT is_empty($$SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace)
	AND c.relkind IN ('r', 'v') AND has_table_privilege('pgtap_catalog_anon', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')$$, 'no table by default privileges');
SELECT ok(NOT has_schema_privilege('pgtap_catalog_anon', 'linkedin_ingest', 'USAGE'), 'no schema by default privileges');
SELECT ok(has_table_privilege('pg_monitor', 'linkedin_ingest.worker_status', 'SELECT'), 'pg_monitor has its views');

SELECT * FROM finish();
ROLLBACK;
