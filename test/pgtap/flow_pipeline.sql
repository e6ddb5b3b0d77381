-- check_compatibility, score_pipeline, the gate, profile_compatibility.
-- Everything happens in one transaction, so no worker sees the jobs.
\set QUIET on
BEGIN;
SELECT plan(54);
SET LOCAL client_min_messages = error;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;

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
CREATE FUNCTION pg_temp.job(id uuid) RETURNS linkedin_ingest.scoring_jobs LANGUAGE sql AS $$
	SELECT j FROM linkedin_ingest.scoring_jobs j WHERE j.id = $1
$$;
-- what a worker writes when it claims a job, and when the job ends
CREATE FUNCTION pg_temp.claim(job uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = claim_no + 1, claim_token = gen_random_uuid(),
		worker_id = '00000000-0000-4000-8000-000000000001', attempts = attempts + 1, started_at = clock_timestamp()
	WHERE id = job
$$;
CREATE FUNCTION pg_temp.complete(job uuid, parsed jsonb, recommended text DEFAULT NULL) RETURNS SETOF uuid LANGUAGE sql AS $$
	SELECT pg_temp.claim(job);
	UPDATE linkedin_ingest.scoring_jobs SET status = 'completed', completed_at = clock_timestamp(), parsed_score = parsed, recommended_role = recommended WHERE id = job;
	SELECT linkedin_ingest.rebuild_profile_scores();
	SELECT linkedin_ingest.settle_dependents(job);
$$;
CREATE FUNCTION pg_temp.fail(job uuid) RETURNS SETOF uuid LANGUAGE sql AS $$
	SELECT pg_temp.claim(job);
	UPDATE linkedin_ingest.scoring_jobs SET status = 'failed', completed_at = clock_timestamp(), error = '{"code": "bad_request"}' WHERE id = job;
	SELECT linkedin_ingest.settle_dependents(job);
$$;
CREATE FUNCTION pg_temp.rated(VARIADIC confidences numeric[]) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('roles', jsonb_object_agg(r.role, jsonb_build_object('confidence', c, 'reasoning', 'why ' || r.role)))
	FROM unnest('{CTO,CIO,CISO}'::text[], confidences) AS r (role, c)
$$;

UPDATE linkedin_ingest.prompt_templates SET is_active = false WHERE is_active AND stage IN ('compatibility', 'scoring');
INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.profiles (full_name, headline) VALUES ('Ada Sample', 'CTO at Nordlicht') RETURNING id AS ada \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Bo Sample') RETURNING id AS bo \gset
\set nobody '00000000-0000-7000-8000-00000000dead'

-- without templates
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.check_compatibility(%L)', :'ada')), 'P0002', 'no active compatibility template: no argument is at fault');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_pipeline(%L)', :'ada')), 'P0002 roles', 'no role has a scoring template');
INSERT INTO linkedin_ingest.prompt_templates (role, stage, name, prompt_text, is_active)
	SELECT r, 'scoring', 'score ' || r, 'Score the person for {{role}}. {{profile}}', true FROM unnest('{CTO,CIO,CISO}'::text[]) r;
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_pipeline(%L)', :'ada')), 'P0002', 'nor without a compatibility template');
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_jobs), 0::bigint, 'no job is left behind');
INSERT INTO linkedin_ingest.prompt_templates (stage, name, prompt_text, max_tokens, is_active)
	VALUES ('compatibility', 'all roles', 'Rate {{profile}} for each: {{roles}}', 1234, true) RETURNING id AS compatibility \gset

-- check_compatibility
SELECT is(pg_temp.fault('SELECT linkedin_ingest.check_compatibility(NULL)'), '22023 profile_id', 'no profile_id');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.check_compatibility(%L)', :'nobody')), 'P0002 profile_id', 'unknown profile');
SELECT linkedin_ingest.check_compatibility(:'ada') AS job \gset
SELECT is(ROW(j.status, j.role, j.stage, j.template_id, j.max_tokens, j.after_job)::text, format('(pending,,compatibility,%s,1234,)', :'compatibility'), 'one job for all roles')
	FROM pg_temp.job(:'job') j;
SELECT linkedin_ingest.cancel_job(:'job') \g /dev/null

-- score_pipeline: arguments
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_pipeline(%s)', a)), f, format('score_pipeline(%s)', a))
FROM (VALUES ('NULL', '22023 profile_id'), (quote_literal(:'nobody'), 'P0002 profile_id'), (quote_literal(:'ada') || ', ''{}''', '22023 roles'),
	(quote_literal(:'ada') || ', ''{CTO,CXO}''', '22023 roles'), (quote_literal(:'ada') || ', ''{CTO,NULL}''', '22023 roles'), (quote_literal(:'ada') || ', ''{CTO,COO}''', 'P0002 roles')) c (a, f);
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_jobs), 1::bigint, 'no refused call leaves a job');

-- early stop
SELECT results_eq(format('SELECT * FROM linkedin_ingest.score_pipeline(%L)', :'bo'), $$VALUES ('verify', NULL::text, NULL::uuid)$$, 'too little to tell: verify and nothing else');
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE profile_id = :'bo'), 0::bigint, 'and no job');

-- the steps
CREATE TEMP TABLE steps AS SELECT s.*, s.ordinality AS n FROM linkedin_ingest.score_pipeline(:'ada') WITH ORDINALITY s;
SELECT results_eq('SELECT step, role FROM steps ORDER BY n', $$VALUES ('verify', NULL), ('compatibility', NULL), ('scoring', 'CIO'), ('scoring', 'CISO'), ('scoring', 'CTO')$$,
	'verify, compatibility, then every role with a scoring template');
SELECT job_id AS check FROM steps WHERE step = 'compatibility' \gset
SELECT job_id AS cto FROM steps WHERE role = 'CTO' \gset
SELECT job_id AS cio FROM steps WHERE role = 'CIO' \gset
SELECT job_id AS ciso FROM steps WHERE role = 'CISO' \gset
SELECT is((SELECT count(*) FROM steps s JOIN linkedin_ingest.scoring_jobs j ON j.id = s.job_id
	WHERE s.step = 'scoring' AND j.role = s.role AND j.stage = 'scoring' AND j.after_job = :'check' AND j.status = 'pending' AND j.run_at = 'infinity'), 3::bigint, 'the scoring jobs wait for the check');
SELECT is(ROW(j.stage, j.status, j.run_at <= now())::text, '(compatibility,pending,t)', 'which is due') FROM pg_temp.job(:'check') j;
SELECT is_empty($$SELECT * FROM linkedin_ingest.queue_anomalies$$, 'no anomaly');

-- further dependents of the check, and a dependent of a dependent
SELECT linkedin_ingest.score_profile(:'ada', prompt => 'What stands out?', after_job => :'check') AS free \gset
SELECT linkedin_ingest.score_profile(:'ada', 'CTO', after_job => :'cio') AS later \gset

-- the gate: 0.40 passes, a hair less does not
SELECT set_eq(format('SELECT pg_temp.complete(%L, pg_temp.rated(0.40, 0.39999, 0.9), ''CISO'')', :'check'), format('VALUES (%L::uuid), (%L)', :'cio', :'later'), 'who does not pass, and who waits for it, is cancelled');
SELECT is(ROW(j.status, j.run_at = now(), j.error)::text, '(pending,t,)', 'CTO at 0.40 is released') FROM pg_temp.job(:'cto') j;
SELECT is(ROW(j.status, j.run_at = now())::text, '(pending,t)', 'CISO at 0.9 is released') FROM pg_temp.job(:'ciso') j;
SELECT is(ROW(j.status, j.error ->> 'code', j.error ->> 'retryable')::text, '(cancelled,gate_not_passed,false)', 'CIO below 0.40 is cancelled') FROM pg_temp.job(:'cio') j;
SELECT is(j.error ->> 'message', format('job %s rates the role below 0.40', :'check'), 'it says by which job') FROM pg_temp.job(:'cio') j;
SELECT is(ROW(j.status, j.error ->> 'code')::text, '(cancelled,dependency_failed)', 'and who waited for it') FROM pg_temp.job(:'later') j;
SELECT is(ROW(j.status, j.run_at = now())::text, '(pending,t)', 'a job without a role has no gate') FROM pg_temp.job(:'free') j;
SELECT is_empty($$SELECT * FROM linkedin_ingest.queue_anomalies$$, 'no anomaly');

-- the gate holds afterwards
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'cio')), '55000 job_id', 'retry_job does not open it');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''CIO'', after_job => %L)', :'ada', :'check')), '55000 after_job', 'nor does a job made when the check is done');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''COO'', after_job => %L)', :'ada', :'check')), 'P0002 role', 'a role without template is found first');
SELECT linkedin_ingest.score_profile(:'ada', 'CISO', after_job => :'check') AS more \gset
SELECT is(ROW(j.status, j.run_at <= now())::text, '(pending,t)', 'a role that passes is due at once') FROM pg_temp.job(:'more') j;
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_profile(%L, ''CIO'')', :'ada')), 'ok', 'without the check there is no gate');

-- profile_compatibility
SELECT results_eq($$SELECT role, confidence, passed, recommended, reasoning FROM linkedin_ingest.profile_compatibility ORDER BY role$$,
	$$VALUES ('CIO', 0.39999, false, false, 'why CIO'), ('CISO', 0.9, true, true, 'why CISO'), ('CTO', 0.40, true, false, 'why CTO')$$, 'profile_compatibility: a row per role');
SELECT is((SELECT count(*) FROM linkedin_ingest.profile_compatibility WHERE profile_id = :'ada' AND job_id = :'check' AND checked_at = (SELECT completed_at FROM pg_temp.job(:'check'))), 3::bigint, 'of that job');
SELECT linkedin_ingest.check_compatibility(:'ada') AS newer \gset
SELECT pg_temp.complete(:'newer', pg_temp.rated(0.1, 0.2, 0.3)) \g /dev/null
SELECT results_eq($$SELECT DISTINCT job_id, passed, recommended FROM linkedin_ingest.profile_compatibility$$, format('VALUES (%L::uuid, false, false)', :'newer'), 'the latest counts, and none may be recommended');
SELECT is((SELECT ROW(count(*), max(effective_score), min(band))::text FROM linkedin_ingest.profile_scores WHERE stage = 'compatibility'), '(1,,unscored)', 'a check has no score');

-- answers that cannot be read as a number do not pass
SELECT is(linkedin_ingest.passes_gate(p, r), x, format('passes_gate(%s, %s)', p, r))
FROM (VALUES ('{"roles": {"CTO": {"confidence": 1}}}'::jsonb, 'CTO', true), ('{"roles": {"CTO": {"confidence": "1"}}}', 'CTO', false), ('{"roles": {"CTO": {"confidence": null}}}', 'CTO', false),
	('{"roles": {"CTO": {"confidence": 1}}}', 'COO', false), ('{}', 'CTO', false), (NULL, 'CTO', false), ('{"roles": {"CTO": {"confidence": 1}}}', NULL, false)) c (p, r, x);

-- a check that does not complete
SELECT linkedin_ingest.cancel_job(job_id) FROM steps WHERE step = 'scoring' \g /dev/null
TRUNCATE steps;
INSERT INTO steps SELECT s.*, s.ordinality FROM linkedin_ingest.score_pipeline(:'ada', '{ciso,CTO,Ciso}') WITH ORDINALITY s;
SELECT results_eq('SELECT role FROM steps WHERE step = ''scoring'' ORDER BY n', $$VALUES ('CISO'), ('CTO')$$, 'roles as given, in any case, each once');
SELECT job_id AS check FROM steps WHERE step = 'compatibility' \gset
SELECT linkedin_ingest.cancel_job(:'check') \g /dev/null
SELECT results_eq('SELECT j.status, j.error ->> ''code'' FROM steps s JOIN linkedin_ingest.scoring_jobs j ON j.id = s.job_id WHERE s.step = ''scoring''',
	$$VALUES ('cancelled', 'dependency_failed'), ('cancelled', 'dependency_failed')$$, 'cancelling the check cancels the scoring jobs');
SELECT linkedin_ingest.retry_job(:'check') \g /dev/null
SELECT results_eq('SELECT j.status, j.run_at FROM steps s JOIN linkedin_ingest.scoring_jobs j ON j.id = s.job_id WHERE s.step = ''scoring''',
	$$VALUES ('pending', 'infinity'::timestamptz), ('pending', 'infinity')$$, 'retrying it makes them wait again');
SELECT pg_temp.fail(:'check') \g /dev/null
SELECT results_eq('SELECT DISTINCT j.error ->> ''code'' FROM steps s JOIN linkedin_ingest.scoring_jobs j ON j.id = s.job_id WHERE s.step = ''scoring''', $$VALUES ('dependency_failed')$$, 'its failure cancels them');
SELECT linkedin_ingest.retry_job(:'check') \g /dev/null
SELECT pg_temp.complete(:'check', pg_temp.rated(0, 0, 0)) \g /dev/null
SELECT results_eq('SELECT DISTINCT j.status, j.error ->> ''code'' FROM steps s JOIN linkedin_ingest.scoring_jobs j ON j.id = s.job_id WHERE s.step = ''scoring''', $$VALUES ('cancelled', 'gate_not_passed')$$, 'the gate is for those that wait again, too');

-- the hourly limit: all or nothing
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 3;
INSERT INTO linkedin_ingest.profiles (full_name, headline) VALUES ('Cy Sample', 'CIO') RETURNING id AS cy \gset
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.score_pipeline(%L)', :'cy')), '53400 profile_id', 'four jobs are one too many');
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_jobs WHERE profile_id = :'cy'), 0::bigint, 'and none is made');
SELECT is((SELECT count(*) FROM linkedin_ingest.score_pipeline(:'cy', '{CTO,CIO}')), 4::bigint, 'three are not');

-- rights
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;
CREATE ROLE pgtap_flow_scorer;
CREATE ROLE pgtap_flow_reader;
SELECT linkedin_ingest.grant_access('pgtap_flow_scorer', 'scorer'), linkedin_ingest.grant_access('pgtap_flow_reader', 'reader') \g /dev/null
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
CREATE TEMP TABLE calls AS SELECT unnest(ARRAY[format('SELECT linkedin_ingest.verify_profile(%L)', :'cy'), 'SELECT linkedin_ingest.verify_payload(''{}'')',
	format('SELECT linkedin_ingest.check_compatibility(%L)', :'cy'), format('SELECT linkedin_ingest.score_pipeline(%L)', :'cy')]) AS statement;
SELECT results_eq($$SELECT DISTINCT pg_temp.fault_as('pgtap_flow_scorer', statement) FROM calls$$, $$VALUES ('ok')$$, 'a scorer may do all of it');
SELECT results_eq($$SELECT DISTINCT pg_temp.fault_as('pgtap_flow_reader', statement) FROM calls$$, $$VALUES ('42501')$$, 'a reader nothing');

SELECT * FROM finish();
ROLLBACK;
