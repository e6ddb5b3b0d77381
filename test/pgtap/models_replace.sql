-- replace_model: what asks for a model asks for another, and nothing is done unasked.
\set QUIET on
BEGIN;
SELECT plan(45);
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
CREATE FUNCTION pg_temp.replaced(old text, new text, dry_run boolean DEFAULT true) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' | ', r.kind, r.name, r.change) FROM linkedin_ingest.replace_model($1, $2, $3) r
$$;
CREATE FUNCTION pg_temp.job(id uuid) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', j.provider, j.model, j.max_tokens, coalesce(j.temperature::text, 'none'), j.status) FROM linkedin_ingest.scoring_jobs j WHERE j.id = $1
$$;
CREATE FUNCTION pg_temp.today() RETURNS date LANGUAGE sql AS $$SELECT (now() AT TIME ZONE 'UTC')::date$$;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('elsewhere', 'openai', 'http://127.0.0.1:9/v1');
INSERT INTO linkedin_ingest.llm_models (model, provider, max_output_tokens, supports_temperature, sunset_on, replacement) VALUES
	('m-old', 'openai', NULL, true, pg_temp.today() + 1, 'm-new'), ('m-new', 'elsewhere', 1500, false, NULL, NULL), ('m-plain', 'elsewhere', NULL, true, NULL, NULL),
	('m-ended', 'elsewhere', NULL, true, pg_temp.today() - 1, 'm-new'), ('m-ended-alone', 'elsewhere', NULL, true, pg_temp.today() - 1, NULL);
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset

-- arguments
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model(NULL, 'm-new')$$), '22023 old_model', 'no old model');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-old', NULL)$$), '22023 new_model', 'no new model');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-old', 'm new')$$), '22023 new_model', 'no name of a model');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-old', 'm-old')$$), '22023 new_model', 'the same one');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-old', 'm-ended')$$), '22023 new_model Use model "m-new".', 'one that has ended');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-old', 'm-ended-alone')$$), '22023 new_model Give another model.', 'one that has, without a replacement');
SELECT is_empty($$SELECT pg_temp.replaced('m-old', 'm-new', false)$$, 'nothing asks for it: nothing to tell');
SELECT is_empty($$SELECT pg_temp.replaced('m-old', 'm-without-row', NULL)$$, 'a new model needs no row');

-- templates
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, model, max_tokens, temperature, is_active) VALUES
	('COO', 'scoring', 'operations', 'Score the person for {{role}}. {{profile}}', 'm-old', 3000, 0.5, true);
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, model, is_active) VALUES
	('COO', 'screening', 'spare', 'Score the person for {{role}}. {{profile}}', 'm-old', false),
	('CTO', 'screening', 'another', 'Score the person for {{role}}. {{profile}}', 'm-plain', false);
SELECT id AS template FROM linkedin_ingest.prompt_templates WHERE name = 'operations' \gset
SELECT set_eq($$SELECT pg_temp.replaced('m-old', 'm-new')$$,
	ARRAY['template | operations (COO, scoring) | version 2 asks model m-new', 'template | spare (COO, screening, inactive) | version 2 asks model m-new'], 'templates, active or not');
SELECT is((SELECT array_agg(DISTINCT t.model || t.version) FROM linkedin_ingest.prompt_templates t WHERE t.role = 'COO'), ARRAY['m-old1'], 'a dry run changes none');

-- queued jobs
SELECT linkedin_ingest.score_profile(:'ada', 'COO') AS one, linkedin_ingest.score_profile(:'ada', 'CTO', model => 'm-old', max_tokens => 1000) AS two,
	linkedin_ingest.score_profile(:'ada', prompt => 'Why?', model => 'm-old', temperature => 0) AS three,
	linkedin_ingest.score_profile(:'ada', 'CIO', model => 'm-old') AS four, linkedin_ingest.score_profile(:'ada', 'CIO', model => 'm-old') AS five,
	linkedin_ingest.score_profile(:'ada', 'CIO', model => 'm-plain') AS six, linkedin_ingest.score_profile(:'ada', 'COO') AS eight \gset
SELECT linkedin_ingest.score_profile(:'ada', 'CIO', model => 'm-old', after_job => :'one') AS seven \gset
UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = 1, claim_token = gen_random_uuid(), worker_id = gen_random_uuid() WHERE id = :'four';
SELECT linkedin_ingest.cancel_job(:'five') \g /dev/null
SELECT set_eq($$SELECT pg_temp.replaced('m-old', 'm-new') EXCEPT SELECT 'template | ' || r.name || ' | ' || r.change FROM linkedin_ingest.replace_model('m-old', 'm-new') r$$, ARRAY[
	'jobs | queued for role COO | 2 ask model m-new of provider elsewhere; 2 without their temperature, which it does not take; 2 with max_tokens lowered to 1500',
	'jobs | queued for role CTO | 1 ask model m-new of provider elsewhere; 1 without their temperature, which it does not take',
	'jobs | queued for role CIO | 1 ask model m-new of provider elsewhere; 1 without their temperature, which it does not take; 1 with max_tokens lowered to 1500',
	'jobs | queued without a role | 1 ask model m-new of provider elsewhere; 1 without their temperature, which it does not take; 1 with max_tokens lowered to 1500'], 'queued jobs by role, and what they lose');
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_jobs j WHERE j.model = 'm-new'), 0::bigint, 'a dry run changes none of them');

-- settings
CREATE ROLE pgtap_models_role;
CREATE ROLE "pgtap models operator";
SELECT linkedin_ingest.grant_access('"pgtap models operator"', 'operator') \g /dev/null
SELECT format('ALTER DATABASE %I SET linkedin_ingest.default_model = ''m-old''', current_database()) \gexec
ALTER ROLE "pgtap models operator" SET linkedin_ingest.screening_model = 'm-old';
SELECT format('ALTER ROLE pgtap_models_role IN DATABASE %I SET linkedin_ingest.default_model = ''m-old''', current_database()) \gexec
ALTER ROLE ALL SET linkedin_ingest.default_model = 'm-old';
ALTER ROLE pgtap_models_role IN DATABASE template1 SET linkedin_ingest.default_model = 'm-old';
SELECT results_eq($$SELECT r.name, r.change FROM linkedin_ingest.replace_model('m-old', 'm-new') r WHERE r.kind = 'setting'$$, $$VALUES
	('linkedin_ingest.default_model of the database', 'm-new, for new sessions'),
	('linkedin_ingest.screening_model of role "pgtap models operator", in all databases', 'm-new, for new sessions'),
	('linkedin_ingest.default_model of role "pgtap_models_role"', 'm-new, for new sessions'),
	('linkedin_ingest.default_model of all roles, in all databases', 'm-new, for new sessions')$$, 'settings');
SELECT is((SELECT count(*) FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE c LIKE 'linkedin_ingest.%=m-new'), 0::bigint, 'a dry run changes none of these');

-- an operator
SET LOCAL ROLE "pgtap models operator";
CREATE TEMPORARY TABLE done AS SELECT * FROM linkedin_ingest.replace_model('m-old', 'm-new', false);
RESET ROLE;
SELECT is((SELECT count(*) FROM done d WHERE d.kind = 'template'), 2::bigint, 'an operator replaces it in templates');
SELECT is((SELECT count(*) FROM done d WHERE d.kind = 'jobs'), 4::bigint, 'in jobs');
SELECT results_eq($$SELECT d.name, replace(d.change, quote_ident(current_database()) COLLATE "default", 'DB') FROM done d WHERE d.kind = 'setting'$$, $$VALUES
	('linkedin_ingest.default_model of the database', 'm-new, for new sessions'),
	('linkedin_ingest.screening_model of role "pgtap models operator", in all databases', 'to be run by a superuser: ALTER ROLE "pgtap models operator" SET linkedin_ingest.screening_model = ''m-new'';'),
	('linkedin_ingest.default_model of role "pgtap_models_role"', 'to be run by a superuser: ALTER ROLE pgtap_models_role IN DATABASE DB SET linkedin_ingest.default_model = ''m-new'';'),
	('linkedin_ingest.default_model of all roles, in all databases', 'to be run by a superuser: ALTER ROLE ALL SET linkedin_ingest.default_model = ''m-new'';')$$,
	'in the setting of the database; for others the command is told');
SELECT is((SELECT array_agg(DISTINCT t.model || t.version) FROM linkedin_ingest.prompt_templates t WHERE t.role = 'COO'), ARRAY['m-new2'], 'templates have a new version');
SELECT is((SELECT v.model || ' ' || v.changed_by FROM linkedin_ingest.prompt_template_versions v WHERE v.template_id = :'template' AND v.version = 2),
	'm-new pgtap models operator', 'which is in the history, with the name of the operator');
SELECT is((SELECT ROW(t.max_tokens, t.temperature, t.is_active)::text FROM linkedin_ingest.prompt_templates t WHERE t.id = :'template'), '(3000,0.5,t)',
	'their cap and temperature stay, and are fitted to the model with each job');
SELECT is((SELECT t.model || t.version FROM linkedin_ingest.prompt_templates t WHERE t.name = 'another'), 'm-plain1', 'another model''s template stays');
SELECT is(pg_temp.job(:'one'), 'elsewhere m-new 1500 none pending', 'a queued job: provider, model, cap, temperature');
SELECT is(pg_temp.job(:'two'), 'elsewhere m-new 1000 none pending', 'a cap that fits stays');
SELECT is(pg_temp.job(:'three'), 'elsewhere m-new 1500 none pending', 'a temperature that was asked for is dropped');
SELECT is(pg_temp.job(:'seven'), 'elsewhere m-new 1500 none pending', 'a job that waits for another');
SELECT is(pg_temp.job(:'four'), 'openai m-old 2000 0.1 processing', 'a job that is being asked stays');
SELECT is(pg_temp.job(:'five'), 'openai m-old 2000 0.1 cancelled', 'so does one that has ended');
SELECT is(pg_temp.job(:'six'), 'elsewhere m-plain 2000 0.1 pending', 'and another model''s');
SELECT is((SELECT j.template_version FROM linkedin_ingest.scoring_jobs j WHERE j.id = :'one'), 1, 'a job keeps its template''s version');
SELECT is((SELECT array_agg(c) FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE c LIKE 'linkedin_ingest.%=m-new'),
	ARRAY['linkedin_ingest.default_model=m-new'], 'one setting is changed');
SELECT is_empty('SELECT * FROM linkedin_ingest.queue_anomalies', 'no rule of the queue is broken');

-- a superuser
SELECT is((SELECT count(*) FROM linkedin_ingest.replace_model('m-old', 'm-plain', false) r WHERE r.kind = 'setting'), 3::bigint, 'a superuser replaces it in the rest');
SELECT set_eq($$SELECT c FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase <> (SELECT d.oid FROM pg_database d WHERE d.datname = 'template1')
	AND c LIKE 'linkedin_ingest.%'$$, ARRAY['linkedin_ingest.default_model=m-new', 'linkedin_ingest.default_model=m-plain', 'linkedin_ingest.screening_model=m-plain'], 'all settings are changed');
SELECT is((SELECT c FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase = (SELECT d.oid FROM pg_database d WHERE d.datname = 'template1') AND c LIKE 'linkedin_ingest.%'),
	'linkedin_ingest.default_model=m-old', 'save those of another database');
SELECT is_empty($$SELECT pg_temp.replaced('m-old', 'm-new', false)$$, 'nothing is left');

-- the server's own
SELECT results_eq($$SELECT * FROM linkedin_ingest.replace_model('gpt-6-luna', 'gpt-6-sol', false)$$, $$VALUES
	('setting', 'linkedin_ingest.default_model of the server', 'to be run by a superuser: ALTER SYSTEM SET linkedin_ingest.default_model = ''gpt-6-sol''; SELECT pg_reload_conf();'),
	('setting', 'linkedin_ingest.screening_model of the server', 'to be run by a superuser: ALTER SYSTEM SET linkedin_ingest.screening_model = ''gpt-6-sol''; SELECT pg_reload_conf();')$$,
	'a value of the server is told with the command');
SET LOCAL linkedin_ingest.default_model = 'm-old';
SELECT is((SELECT count(*) FROM linkedin_ingest.replace_model('gpt-6-luna', 'gpt-6-sol') r), 2::bigint, 'also in a session that has another');
SELECT is_empty($$SELECT pg_temp.replaced('m-old', 'm-new', false)$$, 'the session''s own is its own business');
RESET linkedin_ingest.default_model;

-- a model without a row
SELECT is((SELECT r.change FROM linkedin_ingest.replace_model('m-plain', 'm-without-row', false) r WHERE r.kind = 'jobs'), '1 ask model m-without-row of provider openai', 'a model without a row is asked of the default provider');
SELECT is(pg_temp.job(:'six'), 'openai m-without-row 2000 0.1 pending', 'with all the job has');
SELECT is((SELECT t.model || t.version FROM linkedin_ingest.prompt_templates t WHERE t.name = 'another'), 'm-without-row2', 'the template, too');
UPDATE linkedin_ingest.llm_providers SET is_default = false;
SELECT matches(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-new', 'm-rowless')$$), '^55000 new_model ', 'without a default provider nobody could be asked');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.replace_model('m-without-row', 'm-plain')$$), 'ok', 'a model with a row can');

-- who may
SELECT linkedin_ingest.grant_access('"pgtap models operator"', 'scorer') \g /dev/null
SET LOCAL ROLE "pgtap models operator";
SELECT is(pg_temp.fault(s), '42501', 'scorer, no: ' || s)
FROM unnest(ARRAY[$$SELECT linkedin_ingest.replace_model('m-old', 'm-new')$$, $$SELECT linkedin_ingest.refresh_models()$$]) s;
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
