-- model_status: who uses which model, and when it ends; what health() makes of it.
\set QUIET on
BEGIN;
SELECT plan(32);
SET LOCAL client_min_messages = error;

CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	argument text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, argument = COLUMN_NAME, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' ', state, nullif(argument, ''), nullif(hint, ''));
END
$$;
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql AS $$SELECT (now() AT TIME ZONE 'UTC')::date$$;
CREATE FUNCTION pg_temp.users(model text) RETURNS text[] LANGUAGE sql AS $$
	SELECT s.users FROM linkedin_ingest.model_status s WHERE s.model = $1
$$;
CREATE FUNCTION pg_temp.state(model text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', s.state, s.days_left, s.replacement) FROM linkedin_ingest.model_status s WHERE s.model = $1
$$;
CREATE FUNCTION pg_temp.ending() RETURNS jsonb LANGUAGE sql AS $$SELECT linkedin_ingest.health() -> 'models_ending'$$;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('elsewhere', 'openai', 'http://127.0.0.1:9/v1');
INSERT INTO linkedin_ingest.llm_models (model, provider, sunset_on, replacement) VALUES
	('m-template', 'elsewhere', pg_temp.today() + 60, 'm-new'), ('m-setting', 'elsewhere', NULL, NULL),
	('m-queue', 'elsewhere', pg_temp.today() + 61, NULL), ('m-past', 'elsewhere', pg_temp.today(), NULL), ('m-idle', 'elsewhere', pg_temp.today(), NULL);
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset

-- as installed
SELECT is((SELECT array_agg(m.model) FROM linkedin_ingest.model_status m), ARRAY['gpt-6-luna'], 'at first the default model is in use');
SELECT is(pg_temp.users('gpt-6-luna'), ARRAY['setting default_model', 'setting screening_model'], 'by two settings');
SELECT is((SELECT ROW(provider, sunset_on, days_left, replacement, state)::text FROM linkedin_ingest.model_status), '(openai,,,,ok)', 'which has no end');
SELECT is(pg_temp.ending(), '[]', 'health: nothing ends');

-- templates
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, model, is_active) VALUES
	('COO', 'scoring', 'operations', 'Score the person for {{role}}. {{profile}}', 'm-template', true),
	('COO', 'scoring', 'operations, other', 'Score the person for {{role}}. {{profile}}', 'm-idle', false);
SELECT is(pg_temp.users('m-template'), ARRAY['template "operations" (COO, scoring)'], 'an active template');
SELECT is(pg_temp.state('m-template'), 'ending 60 m-new', 'with 60 days left it is ending');
SELECT is(pg_temp.users('m-idle'), NULL, 'an inactive template uses nothing');
SELECT is(pg_temp.ending(), jsonb_build_array(jsonb_build_object('model', 'm-template', 'sunset_on', pg_temp.today() + 60, 'replacement', 'm-new')), 'health names it');

-- queued jobs
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'm-queue'), linkedin_ingest.score_profile(:'ada', 'CTO', model => 'm-queue') \g /dev/null
SELECT is(pg_temp.users('m-queue'), ARRAY['queued jobs'], 'queued jobs');
SELECT is(pg_temp.state('m-queue'), 'ok 61', 'with 61 days left it is fine');
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'm-rowless') \g /dev/null
SELECT is((SELECT ROW(provider, state)::text FROM linkedin_ingest.model_status WHERE model = 'm-rowless'), '(openai,unknown)', 'a model without a row');
UPDATE linkedin_ingest.llm_models SET sunset_on = pg_temp.today() - 1, replacement = 'm-new' WHERE model = 'm-queue';
SELECT is(pg_temp.state('m-queue'), 'ended -1 m-new', 'it has ended the day after');
SELECT is(linkedin_ingest.health() ->> 'status' IN ('degraded', 'down'), true, 'health: jobs wait for what has ended');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''m-queue'')', :'ada')),
	format('22023 model Use model "m-new"; "m-queue" ended on %s.', pg_temp.today() - 1), 'score_profile refuses it and names replacement and date');
UPDATE linkedin_ingest.llm_models SET sunset_on = pg_temp.today() WHERE model = 'm-queue';
SELECT is(pg_temp.state('m-queue'), 'ending 0 m-new', 'on its last day it has not');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''m-queue'')', :'ada')), 'ok', 'and score_profile takes it');

-- calls of the last 30 days
INSERT INTO linkedin_ingest.spend_daily (day, provider, model, role, calls) VALUES
	(pg_temp.today(), 'elsewhere', 'm-past', 'CTO', 4), (pg_temp.today() - 29, 'elsewhere', 'm-past', 'CIO', 3), (pg_temp.today() - 30, 'elsewhere', 'm-past', 'CIO', 9),
	(pg_temp.today() - 30, 'elsewhere', 'm-idle', 'CIO', 9);
SELECT is(pg_temp.users('m-past'), ARRAY['7 calls within 30 days'], 'calls of the last 30 days');
SELECT is(pg_temp.users('m-idle'), NULL, 'older ones do not count');
SELECT ok(pg_temp.ending() @> '[{"model": "m-past"}]', 'health names a model that was used and is about to end');
UPDATE linkedin_ingest.llm_models SET sunset_on = pg_temp.today() - 1 WHERE model = 'm-past';
SELECT is(pg_temp.state('m-past'), 'ended -1', 'it has ended');
SELECT ok(NOT pg_temp.ending() @> '[{"model": "m-past"}]', 'health has done with what ended and nobody asks for any more');

-- settings
CREATE ROLE pgtap_models_role;
SELECT format('ALTER DATABASE %I SET linkedin_ingest.default_model = ''m-setting''', current_database()) \gexec
SELECT is(pg_temp.users('m-setting'), ARRAY['setting default_model of the database'], 'ALTER DATABASE');
SELECT is(pg_temp.users('gpt-6-luna'), ARRAY['setting screening_model'], 'hides the value of the server');
ALTER ROLE ALL SET linkedin_ingest.default_model = 'm-idle';
SELECT is(pg_temp.users('m-idle'), NULL, 'and that of all roles');
ALTER ROLE ALL SET linkedin_ingest.screening_model = 'm-idle';
SELECT is(pg_temp.users('m-idle'), ARRAY['setting screening_model of all roles'], 'ALTER ROLE ALL');
SELECT is(pg_temp.users('gpt-6-luna'), NULL, 'hides that of the server');
ALTER ROLE pgtap_models_role SET linkedin_ingest.screening_model = 'm=role';
SELECT is(pg_temp.users('m=role'), ARRAY['setting screening_model of role "pgtap_models_role"'], 'ALTER ROLE');
SELECT format('ALTER ROLE pgtap_models_role IN DATABASE %I SET linkedin_ingest.default_model = ''m-setting''', current_database()) \gexec
SELECT is(pg_temp.users('m-setting'), ARRAY['setting default_model of role "pgtap_models_role"', 'setting default_model of the database'], 'ALTER ROLE IN DATABASE');
ALTER ROLE pgtap_models_role IN DATABASE template1 SET linkedin_ingest.default_model = 'm-elsewhere';
SELECT is(pg_temp.users('m-elsewhere'), NULL, 'another database is none of ours');

-- who may look
CREATE ROLE pgtap_models_monitor IN ROLE pg_monitor;
SELECT linkedin_ingest.grant_access('pgtap_models_role', 'operator') \g /dev/null
SET LOCAL ROLE pgtap_models_role;
SELECT is(pg_temp.fault('SELECT * FROM linkedin_ingest.model_status'), 'ok', 'operators');
SET LOCAL ROLE pgtap_models_monitor;
SELECT is(pg_temp.fault('SELECT * FROM linkedin_ingest.model_status'), 'ok', 'pg_monitor');
RESET ROLE;
SELECT linkedin_ingest.grant_access('pgtap_models_role', 'scorer') \g /dev/null
SET LOCAL ROLE pgtap_models_role;
SELECT is(pg_temp.fault('SELECT * FROM linkedin_ingest.model_status'), '42501', 'nobody below');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
