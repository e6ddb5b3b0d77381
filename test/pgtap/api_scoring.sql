-- score_profile, score_profiles: arguments, resolution, limits, uniqueness.
-- Everything happens in one transaction, so no worker sees the jobs.
\set QUIET on
BEGIN;
SELECT plan(67);

-- SQLSTATE and argument of the error that a statement raises; ok: none.
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
CREATE FUNCTION pg_temp.fault_text(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', message, nullif(detail, ''), nullif(hint, ''));
END
$$;
CREATE FUNCTION pg_temp.job(id uuid) RETURNS linkedin_ingest.scoring_jobs LANGUAGE sql AS $$
	SELECT j FROM linkedin_ingest.scoring_jobs j WHERE j.id = $1
$$;

SET LOCAL client_min_messages = error;
INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer'), ('CPO', 'Chief Product Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active)
	VALUES ('COO', 'scoring', 'operations', 'Score the person for {{role}}. {{profile}}', true)
	RETURNING id AS coo \gset
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, model, max_tokens, temperature, is_active)
	VALUES ('COO', 'screening', 'quick look', 'Screen the person for {{role}}. {{profile}}', 'test-small', 900, 0.7, true)
	RETURNING id AS screening \gset
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active)
	VALUES ('COO', 'scoring', 'retired', 'Score the person for {{role}}. {{profile}}', false)
	RETURNING id AS retired \gset
INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('elsewhere', 'openai', 'http://127.0.0.1:9/v1');
INSERT INTO linkedin_ingest.llm_models (model, provider, max_output_tokens, supports_temperature, sunset_on, replacement) VALUES
	('test-small', 'elsewhere', 1000, true, NULL, NULL),
	('test-cold', 'openai', NULL, false, NULL, NULL),
	('test-ended', 'openai', NULL, true, (now() AT TIME ZONE 'UTC')::date - 1, 'test-small'),
	('test-ending', 'openai', NULL, true, (now() AT TIME ZONE 'UTC')::date, 'test-small');
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Bo Example') RETURNING id AS bo \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Cy Example') RETURNING id AS cy \gset
\set nobody '00000000-0000-7000-8000-00000000dead'
SELECT set_config('test.ada', :'ada', true), set_config('test.bo', :'bo', true), set_config('test.cy', :'cy', true),
	set_config('test.retired', :'retired', true), set_config('test.coo', :'coo', true), set_config('test.nobody', :'nobody', true) \g /dev/null
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;

-- the everyday call
SELECT linkedin_ingest.score_profile(:'ada', 'coo') AS job \gset
SELECT is(j.status, 'pending', 'score_profile queues a job') FROM pg_temp.job(:'job') j;
SELECT is(j.profile_id, :'ada'::uuid, 'of the person') FROM pg_temp.job(:'job') j;
SELECT is(j.role || ' ' || j.stage, 'COO scoring', 'role in any case, its scoring template') FROM pg_temp.job(:'job') j;
SELECT is(j.template_id, :'coo'::uuid, 'the active one') FROM pg_temp.job(:'job') j;
SELECT is(j.template_version, 1, 'in its present version') FROM pg_temp.job(:'job') j;
SELECT is(j.model, current_setting('linkedin_ingest.default_model'), 'model from the setting') FROM pg_temp.job(:'job') j;
SELECT is(j.provider, 'openai', 'provider of the model') FROM pg_temp.job(:'job') j;
SELECT is(j.max_tokens, 2000, 'cap from the setting') FROM pg_temp.job(:'job') j;
SELECT is(j.temperature, 0.1, 'temperature from the setting') FROM pg_temp.job(:'job') j;
SELECT is(ROW(j.samples, j.priority, j.attempts, j.retry_count)::text, '(1,0,0,0)', 'other defaults') FROM pg_temp.job(:'job') j;
SELECT is(j.created_by, current_user::text, 'created_by is the caller') FROM pg_temp.job(:'job') j;
SELECT ok(j.run_at <= now(), 'due at once') FROM pg_temp.job(:'job') j;
SELECT ok(EXISTS (SELECT FROM linkedin_ingest.home), 'the first job makes this database its home');
SELECT is(linkedin_ingest.home_problem(), NULL, 'which has no objection');

-- what is given wins over the template, that over settings
SELECT linkedin_ingest.score_profile(:'ada', template_id => :'screening') AS job \gset
SELECT is(ROW(j.stage, j.model, j.provider, j.max_tokens, j.temperature)::text, '(screening,test-small,elsewhere,900,0.7)',
	'template''s model, its provider, the template''s cap and temperature') FROM pg_temp.job(:'job') j;
SELECT linkedin_ingest.score_profile(:'ada', template_id => :'screening', model => 'test-cold', max_tokens => 4000) AS job \gset
SELECT is(ROW(j.model, j.provider, j.max_tokens, j.temperature)::text, '(test-cold,openai,4000,)',
	'given model and cap; no temperature for a model that takes none') FROM pg_temp.job(:'job') j;
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'test-small') AS job \gset
SELECT is(j.max_tokens, 1000, 'a default cap is clipped to the model''s') FROM pg_temp.job(:'job') j;
SELECT linkedin_ingest.score_profile(:'ada', 'COO', model => 'nobody-knows') AS job \gset
SELECT is(j.provider, 'openai', 'the default provider for a model without a row') FROM pg_temp.job(:'job') j;
SELECT linkedin_ingest.score_profile(:'ada', prompt => 'What stands out?', samples => 15, priority => 7, run_at => '2100-01-01 00:00Z') AS job \gset
SELECT is(ROW(j.role, j.stage, j.template_id, j.prompt, j.samples, j.priority)::text, '(,,,"What stands out?",15,7)',
	'a free prompt has no template') FROM pg_temp.job(:'job') j;
SELECT is(j.run_at, '2100-01-01 00:00Z'::timestamptz, 'run_at as given') FROM pg_temp.job(:'job') j;
SET LOCAL linkedin_ingest.screening_model = 'test-cold';
UPDATE linkedin_ingest.prompt_templates SET model = NULL WHERE id = :'screening';
SELECT linkedin_ingest.score_profile(:'ada', template_id => :'screening') AS job \gset
SELECT is(j.model, 'test-cold', 'screening has a default model of its own') FROM pg_temp.job(:'job') j;
SELECT is(j.template_version, 2, 'the version is the one of the moment') FROM pg_temp.job(:'job') j;

-- refusals: SQLSTATE and argument
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L)', :'ada')), '22023', 'none of role, template_id, prompt');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', prompt => ''x'')', :'ada')), '22023', 'two of them');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.score_profile(NULL, ''COO'')'), '22023 profile_id', 'no profile_id');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'nobody')), 'P0002 profile_id', 'unknown profile');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''CXO'')', :'ada')), '22023 role', 'unknown role');
SELECT is(pg_temp.fault_text(format('SELECT linkedin_ingest.score_profile(%L, ''CXO'')', :'ada')), 'unknown role "CXO"', 'its text');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''CPO'')', :'ada')), 'P0002 role', 'role without active template');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, template_id => %L)', :'ada', :'nobody')), 'P0002 template_id', 'unknown template');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, template_id => %L)', :'ada', :'retired')), '55000 template_id', 'inactive template');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', %s)', :'ada', a)), '22023 ' || split_part(a, ' ', 1), a)
FROM unnest(ARRAY['max_tokens => 99', 'max_tokens => 32001', 'temperature => -0.1', 'temperature => 2.1', 'temperature => ''NaN''',
	'samples => 0', 'samples => 16', 'priority => 32768', 'run_at => ''infinity''', 'run_at => ''-infinity''',
	'unique_key => '' ''', 'model => ''two words''', 'model => ''''']) a;
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, prompt => E'' \n'')', :'ada')), '22023 prompt', 'blank prompt');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''test-small'', max_tokens => 1001)', :'ada')), '22023 max_tokens', 'more than the model answers');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''test-cold'', temperature => 0.5)', :'ada')), '22023 temperature', 'a temperature for a model that takes none');
SELECT matches(pg_temp.fault_text(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''test-cold'', temperature => 0.5)', :'ada')), 'llm_models\.supports_temperature', 'the hint names the column');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''test-ended'')', :'ada')), '22023 model', 'a model past its date');
SELECT is(pg_temp.fault_text(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''test-ended'')', :'ada')),
	format('model "test-ended" ended on %1$s | Use model "test-small"; "test-ended" ended on %1$s.', (now() AT TIME ZONE 'UTC')::date - 1),
	'the hint names replacement and date');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', model => ''test-ending'')', :'ada')), 'ok', 'its last day is a day');
SELECT is(pg_temp.fault_text(format('SELECT linkedin_ingest.score_profile(%L, ''CXO'', max_tokens => 1, samples => 99)', :'ada')),
	E'3 invalid arguments | role: unknown: unknown role "CXO"\nmax_tokens: out_of_range: max_tokens must be between 100 and 32000\nsamples: out_of_range: samples must be between 1 and 15',
	'several faults are told at once');

-- unique_key
SELECT linkedin_ingest.score_profile(:'bo', 'COO', unique_key => 'weekly') AS first \gset
SELECT is(linkedin_ingest.score_profile(:'bo', prompt => 'Another question', unique_key => 'weekly'), :'first'::uuid, 'an open job with the same unique_key is returned');
SELECT isnt(linkedin_ingest.score_profile(:'bo', 'COO', unique_key => 'daily'), :'first'::uuid, 'another key, another job');
SELECT isnt(linkedin_ingest.score_profile(:'cy', 'COO', unique_key => 'weekly'), :'first'::uuid, 'another person, another job');
SELECT linkedin_ingest.cancel_job(:'first') \g /dev/null
SELECT isnt(linkedin_ingest.score_profile(:'bo', 'COO', unique_key => 'weekly'), :'first'::uuid, 'an ended job leaves its key');

-- the hourly limit
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Di Example') RETURNING id AS di \gset
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 2;
SELECT linkedin_ingest.score_profile(:'di', 'COO', unique_key => 'k') AS first \gset
SELECT linkedin_ingest.score_profile(:'di', 'COO') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'di')), '53400 profile_id', 'one more than the limit');
SELECT is(pg_temp.fault_text(format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'di')),
	format('profile has had 2 jobs within 60 minutes | The next one can be created at %s. | The setting linkedin_ingest.max_jobs_per_profile_per_hour is the limit.',
		(SELECT to_char((created_at + interval '60 minutes') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') FROM linkedin_ingest.scoring_jobs WHERE id = :'first')),
	'the earliest time in the detail');
SELECT is(linkedin_ingest.score_profile(:'di', 'COO', unique_key => 'k'), :'first'::uuid, 'a job that is returned again does not count');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'cy')), 'ok', 'the limit is per profile');
SELECT linkedin_ingest.cancel_job(:'first') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'')', :'di')), '53400 profile_id', 'ended jobs count');

-- many at once
SELECT results_eq(format($$SELECT s.profile_id, s.job_id IS NOT NULL, s.error_code FROM linkedin_ingest.score_profiles(ARRAY[%L, %L, %L, NULL, %L, %L]::uuid[], 'COO') s$$,
		:'di', :'bo', :'nobody', :'bo', :'ada'),
	format($$VALUES (%L::uuid, false, '53400'), (%L, false, '53400'), (%L, false, 'P0002'), (NULL, false, 'P0002'), (%L, false, '53400'), (%L, false, '53400')$$,
		:'di', :'bo', :'nobody', :'bo', :'ada'),
	'score_profiles: in input order, a bad id costs one row');
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 10;
INSERT INTO linkedin_ingest.profiles (full_name) SELECT 'Person ' || n FROM generate_series(1, 3) n;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 2;
SELECT results_eq(
	$$WITH p AS (SELECT id FROM linkedin_ingest.profiles WHERE full_name = 'Person 1')
	SELECT s.job_id IS NOT NULL, s.error_code FROM p, linkedin_ingest.score_profiles(ARRAY[id, id, id], 'COO') s$$,
	$$VALUES (true, NULL), (true, NULL), (false, '53400')$$,
	'the limit counts within a batch');
CREATE TEMPORARY TABLE batch AS SELECT * FROM linkedin_ingest.score_profiles(
	ARRAY(SELECT id FROM linkedin_ingest.profiles WHERE full_name IN ('Person 2', 'Person 3')), 'coo', samples => 3, priority => -1);
SELECT is((SELECT count(*) FROM batch b
	JOIN linkedin_ingest.scoring_jobs j ON j.id = b.job_id AND j.profile_id = b.profile_id
		AND j.role = 'COO' AND j.samples = 3 AND j.priority = -1
	WHERE b.error IS NULL AND b.error_code IS NULL), 2::bigint, 'the jobs are there and as asked for');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.score_profiles(NULL, ''COO'')'), '22023 profile_ids', 'no array');
SELECT is(pg_temp.fault('SELECT linkedin_ingest.score_profiles(''{}'', ''CXO'')'), '22023 role', 'a fault of all is an error');
SELECT is((SELECT count(*) FROM linkedin_ingest.score_profiles('{}', 'COO')), 0::bigint, 'nobody: no rows');

SELECT * FROM finish();
ROLLBACK;
