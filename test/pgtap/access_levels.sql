-- grant_access and revoke_access: what each level can do, and what it cannot.
\set QUIET on
BEGIN;
SELECT plan(105);
SET LOCAL client_min_messages = error;

CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	argument text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, argument = COLUMN_NAME;
	RETURN rtrim(state || ' ' || argument);
END
$$;
CREATE FUNCTION pg_temp.fault_as(who text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', who);
	answer := pg_temp.fault(statement);
	RESET ROLE;
	RETURN answer;
END
$$;
CREATE VIEW pg_temp.tables AS
	SELECT c.oid, c.relname::text AS name, c.relkind FROM pg_class c
	WHERE c.relnamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace) AND c.relkind IN ('r', 'v', 'S');
CREATE VIEW pg_temp.functions AS
	SELECT p.oid, p.proname::text AS name, p.prokind FROM pg_proc p
	WHERE p.pronamespace IN ('linkedin_ingest'::regnamespace, 'linkedin_api'::regnamespace);

CREATE ROLE pgtap_access_nobody;
CREATE ROLE "pgtap access.anonymous";
CREATE ROLE pgtap_access_reader;
CREATE ROLE pgtap_access_scorer;
CREATE ROLE pgtap_access_operator;
CREATE ROLE pgtap_access_worker;
SELECT linkedin_ingest.grant_access('"pgtap access.anonymous"', 'anonymous'), linkedin_ingest.grant_access('pgtap_access_reader', 'reader'),
	linkedin_ingest.grant_access('pgtap_access_scorer', 'scorer'), linkedin_ingest.grant_access('pgtap_access_operator', 'operator'),
	linkedin_ingest.grant_access('pgtap_access_worker', 'worker') \g /dev/null

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active)
	VALUES ('COO', 'scoring', 'operations', 'Score the person for {{role}}. {{profile}}', true)
	RETURNING id AS template \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset
SELECT linkedin_ingest.score_profile(:'ada', 'COO') AS job \gset

-- arguments
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.grant_access('pgtap_access_nobody', 'king')$$), '22023 level', 'an unknown level');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.grant_access('pgtap_access_nobody', NULL)$$), '22023 level', 'no level');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.grant_access(NULL, 'reader')$$), '22023 grantee', 'no grantee');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.grant_access(0, 'reader')$$), '22023 grantee', 'a grantee that does not exist');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.grant_access('pgtap_access_missing', 'reader')$$), '42704', 'nor by name');

-- nobody
SELECT is_empty($$SELECT name FROM pg_temp.functions WHERE has_function_privilege('pgtap_access_nobody', oid, 'EXECUTE')$$, 'no function is for everybody');
SELECT is_empty($$SELECT name FROM pg_temp.tables WHERE relkind <> 'S' AND has_table_privilege('pgtap_access_nobody', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')$$, 'no table either');
SELECT ok(NOT has_schema_privilege('pgtap_access_nobody', 'linkedin_ingest', 'USAGE, CREATE'), 'nor the schema');
SELECT ok(NOT has_schema_privilege('pgtap_access_nobody', 'linkedin_api', 'USAGE, CREATE'), 'nor the other');

-- anonymous
SELECT set_eq($$SELECT name FROM pg_temp.functions WHERE has_function_privilege('pgtap access.anonymous', oid, 'EXECUTE')$$,
	ARRAY['health', 'version', 'build_info'], 'anonymous: health and version');
SELECT is_empty($$SELECT name FROM pg_temp.tables WHERE relkind <> 'S' AND has_table_privilege('pgtap access.anonymous', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')$$, 'anonymous: no table');
SELECT is(pg_temp.fault_as('pgtap access.anonymous', s), 'ok', 'anonymous: ' || s)
FROM unnest(ARRAY['SELECT linkedin_ingest.health()', 'SELECT linkedin_ingest.version()']) s;

-- reader
SELECT is(pg_temp.fault_as('pgtap_access_reader', s), 'ok', 'reader: ' || s)
FROM unnest(ARRAY['SELECT * FROM linkedin_ingest.profile_scores', 'SELECT * FROM linkedin_ingest.score_criteria', 'SELECT * FROM linkedin_ingest.active_templates',
	'SELECT * FROM linkedin_ingest.profile_companies', 'SELECT * FROM linkedin_ingest.profiles', 'SELECT * FROM linkedin_ingest.scoring_jobs',
	'SELECT * FROM linkedin_ingest.llm_models', 'SELECT linkedin_ingest.find_profile(''x'')', 'SELECT linkedin_ingest.score_band(1)',
	format('SELECT linkedin_ingest.job_status(%L)', :'job'), 'SELECT linkedin_ingest.normalize_linkedin_url(''x'')', 'SELECT linkedin_ingest.health()']) s;
SELECT is(pg_temp.fault_as('pgtap_access_reader', s), '42501', 'reader, no: ' || s)
FROM unnest(ARRAY[format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'ada'), format('SELECT linkedin_ingest.cancel_job(%L)', :'job'),
	'SELECT * FROM linkedin_ingest.worker_status', 'SELECT * FROM linkedin_ingest.llm_providers', 'SELECT * FROM linkedin_ingest.provider_blocks',
	'SELECT * FROM linkedin_ingest.payloads', 'SELECT linkedin_ingest.pause_worker()', 'SELECT linkedin_ingest.ingest_profile(''{}'')',
	'DELETE FROM linkedin_ingest.profiles', 'UPDATE linkedin_ingest.scoring_jobs SET priority = 1']) s;

-- scorer
SELECT is(pg_temp.fault_as('pgtap_access_scorer', s), 'ok', 'scorer: ' || s)
FROM unnest(ARRAY[format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'ada'), format('SELECT linkedin_ingest.score_profiles(ARRAY[%L]::uuid[], ''COO'')', :'ada'),
	format('SELECT linkedin_ingest.explain_score(%L, ''COO'')', :'ada'),
	format('SELECT linkedin_ingest.cancel_job(%L)', :'job'), format('SELECT linkedin_ingest.retry_job(%L)', :'job'), format('SELECT linkedin_ingest.job_status(%L)', :'job'),
	'SELECT linkedin_ingest.ingest_profile(''{"full_name": "Bo Example", "public_id": "bo-example"}'')',
	'SELECT linkedin_ingest.canonical_profile(''{"full_name": "Bo Example", "public_id": "bo-example"}'')',
	'SELECT * FROM linkedin_ingest.profile_scores']) s;
SELECT is_empty($$SELECT name FROM pg_temp.tables WHERE relkind <> 'S' AND has_table_privilege('pgtap_access_scorer', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')$$, 'scorer: no DML on any table');
SELECT is_empty($$SELECT name FROM pg_temp.tables t WHERE relkind <> 'S' AND has_any_column_privilege('pgtap_access_scorer', oid, 'INSERT, UPDATE')$$, 'scorer: nor on a column');
SELECT is(pg_temp.fault_as('pgtap_access_scorer', s), '42501', 'scorer, no: ' || s)
FROM unnest(ARRAY['SELECT linkedin_ingest.pause_worker()', 'SELECT linkedin_ingest.unblock_provider(''openai'')', 'CALL linkedin_ingest.run_once()',
	'SELECT linkedin_ingest.grant_access(''pgtap_access_scorer'', ''operator'')', 'SELECT linkedin_ingest.set_home()',
	'SELECT linkedin_ingest.settle_dependents(gen_random_uuid())', 'SELECT linkedin_ingest.outer_user()',
	format('UPDATE linkedin_ingest.prompt_templates SET is_active = false WHERE id = %L', :'template')]) s;

-- operator
SELECT is(pg_temp.fault_as('pgtap_access_operator', s), 'ok', 'operator: ' || s)
FROM unnest(ARRAY[
	$$INSERT INTO linkedin_ingest.roles (role, title) VALUES ('CPO', 'Chief Product Officer')$$,
	$$UPDATE linkedin_ingest.roles SET description = 'x' WHERE role = 'CTO'$$,
	$$DELETE FROM linkedin_ingest.roles WHERE role = 'CPO'$$,
	$$INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, rubric) VALUES ('COO', 'new', 'Score for {{role}} by {{rubric}}. {{profile}}',
		'[{"key": "a", "title": "A", "weight": 1, "description": "All of it"}]')$$,
	$$UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'Rate the person for {{role}}. {{profile}}', rubric = NULL WHERE name = 'new'$$,
	$$SELECT linkedin_ingest.activate_template(id) FROM linkedin_ingest.prompt_templates WHERE name = 'new'$$,
	$$DELETE FROM linkedin_ingest.prompt_templates WHERE name = 'new'$$,
	$$INSERT INTO linkedin_ingest.companies (company_name) VALUES ('Example Works')$$,
	$$UPDATE linkedin_ingest.companies SET employee_count = 12 WHERE company_name = 'Example Works'$$,
	$$DELETE FROM linkedin_ingest.companies WHERE company_name = 'Example Works'$$,
	$$INSERT INTO linkedin_ingest.sources (source, description) VALUES ('test', 'for a test')$$,
	$$INSERT INTO linkedin_ingest.source_mappings (source, target_path, paths) VALUES ('test', 'full_name', '{name}')$$,
	$$DELETE FROM linkedin_ingest.sources WHERE source = 'test'$$,
	$$SELECT linkedin_ingest.pause_worker()$$, $$SELECT linkedin_ingest.resume_worker()$$, $$SELECT linkedin_ingest.unblock_provider('openai')$$,
	$$SELECT * FROM linkedin_ingest.worker_status$$, $$SELECT * FROM linkedin_ingest.queue_status$$,
	$$SELECT * FROM linkedin_ingest.provider_status$$, $$SELECT * FROM linkedin_ingest.queue_anomalies$$,
	$$SELECT * FROM linkedin_ingest.payloads$$,
	$$DELETE FROM linkedin_ingest.profiles WHERE full_name = 'Bo Example'$$]) s;
SELECT is(pg_temp.fault_as('pgtap_access_operator', s), '42501', 'operator, no: ' || s)
FROM unnest(ARRAY['UPDATE linkedin_ingest.llm_providers SET max_in_flight = 1', 'UPDATE linkedin_ingest.llm_models SET provider = ''ollama''',
	'UPDATE linkedin_ingest.scoring_jobs SET priority = 1', 'DELETE FROM linkedin_ingest.scoring_attempts', 'DELETE FROM linkedin_ingest.home',
	'INSERT INTO linkedin_ingest.seeds VALUES (''roles'', ''x'')', 'UPDATE linkedin_ingest.profiles SET full_name = ''x''',
	'DELETE FROM linkedin_ingest.prompt_template_versions', 'TRUNCATE linkedin_ingest.prompt_templates CASCADE', 'CALL linkedin_ingest.run_once()',
	'SELECT linkedin_ingest.grant_access(''pgtap_access_nobody'', ''reader'')', 'CREATE TABLE linkedin_ingest.mine ()']) s;

-- worker
SELECT is(pg_temp.fault_as('pgtap_access_worker', s), 'ok', 'worker: ' || s)
FROM unnest(ARRAY['UPDATE linkedin_ingest.scoring_jobs SET priority = 1', 'SELECT * FROM linkedin_ingest.llm_providers, linkedin_ingest.llm_models',
	'SELECT * FROM linkedin_ingest.profiles, linkedin_ingest.experiences, linkedin_ingest.educations, linkedin_ingest.companies',
	'SELECT * FROM linkedin_ingest.prompt_template_versions', 'SELECT linkedin_ingest.settle_dependents(gen_random_uuid())',
	'INSERT INTO linkedin_ingest.spend_daily (day, provider, model) VALUES (current_date, ''openai'', ''x'')',
	'SELECT * FROM linkedin_ingest.home, linkedin_ingest.pause']) s;
SELECT is(pg_temp.fault_as('pgtap_access_worker', s), '42501', 'worker, no: ' || s)
FROM unnest(ARRAY['DELETE FROM linkedin_ingest.scoring_jobs', 'UPDATE linkedin_ingest.llm_providers SET base_url = ''http://127.0.0.1:1''',
	'SELECT * FROM linkedin_ingest.payloads', 'UPDATE linkedin_ingest.home SET inode = 1', format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'ada')]) s;

-- a level is the level
SELECT linkedin_ingest.grant_access('pgtap_access_operator', 'reader') \g /dev/null
SELECT is(pg_temp.fault_as('pgtap_access_operator', 'SELECT linkedin_ingest.pause_worker()'), '42501', 'granting a lower level takes the higher one');
SELECT is(pg_temp.fault_as('pgtap_access_operator', 'SELECT * FROM linkedin_ingest.profile_scores'), 'ok', 'and gives the lower');
SELECT linkedin_ingest.revoke_access(r::regrole) FROM unnest(ARRAY['"pgtap access.anonymous"', 'pgtap_access_reader', 'pgtap_access_scorer', 'pgtap_access_operator', 'pgtap_access_worker']) r \g /dev/null
SELECT is_empty($$SELECT name FROM pg_temp.functions f, pg_roles r WHERE r.rolname LIKE 'pgtap%access%' AND has_function_privilege(r.oid, f.oid, 'EXECUTE')
	UNION ALL SELECT name FROM pg_temp.tables t, pg_roles r WHERE t.relkind <> 'S' AND r.rolname LIKE 'pgtap%access%' AND has_table_privilege(r.oid, t.oid, 'SELECT, INSERT, UPDATE, DELETE')
	UNION ALL SELECT nspname::text FROM pg_namespace n, pg_roles r WHERE r.rolname LIKE 'pgtap%access%' AND nspname LIKE 'linkedin%' AND has_schema_privilege(r.oid, n.oid, 'USAGE')$$,
	'revoke_access leaves nothing');
SELECT lives_ok('DROP ROLE "pgtap access.anonymous", pgtap_access_reader, pgtap_access_scorer, pgtap_access_operator, pgtap_access_worker', 'so that the roles can be dropped');
SELECT is_empty($$SELECT r.name FROM (SELECT DISTINCT unnest(a.names) AS name, a.privileges FROM linkedin_ingest.access_rules() a) r
	WHERE NOT EXISTS (SELECT FROM pg_temp.functions f WHERE f.name = r.name AND r.privileges = 'EXECUTE')
		AND NOT EXISTS (SELECT FROM pg_temp.tables t WHERE t.name = r.name AND r.privileges <> 'EXECUTE')$$, 'every name in the rules exists');

SELECT * FROM finish();
ROLLBACK;
