-- purge_jobs: what goes, what stays, and what depends on it.
\set QUIET on
BEGIN;
SELECT plan(35);
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
CREATE FUNCTION pg_temp.claim(job uuid) RETURNS void LANGUAGE sql AS $$
	UPDATE linkedin_ingest.scoring_jobs SET status = 'processing', claim_no = claim_no + 1, claim_token = gen_random_uuid(),
		worker_id = '00000000-0000-4000-8000-000000000001', attempts = attempts + 1, started_at = clock_timestamp()
	WHERE id = job
$$;
-- ended so long ago, with an attempt, as a worker writes it
CREATE FUNCTION pg_temp.done(job uuid, days int, state text DEFAULT 'completed') RETURNS void LANGUAGE sql AS $$
	SELECT pg_temp.claim(job);
	INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged, provider, model, outcome, parsed)
		VALUES (job, 1, 1, 'first', true, 'openai', 'gpt-6-luna', 'ok', '{}');
	UPDATE linkedin_ingest.scoring_jobs SET status = state, completed_at = now() - make_interval(days => days),
		parsed_score = CASE state WHEN 'completed' THEN '{"criteria": {}}'::jsonb END WHERE id = job;
	INSERT INTO linkedin_ingest.latest_scores AS l (profile_id, role, stage, job_id, completed_at)
		SELECT j.profile_id, j.role, j.stage, j.id, j.completed_at FROM linkedin_ingest.scoring_jobs j
		WHERE j.id = job AND j.stage IS NOT NULL AND j.status = 'completed'
		ON CONFLICT ON CONSTRAINT latest_scores_key DO UPDATE SET job_id = excluded.job_id, completed_at = excluded.completed_at
		WHERE (excluded.completed_at, excluded.job_id) > (l.completed_at, l.job_id);
$$;
-- a job made so many days ago
CREATE FUNCTION pg_temp.job(who uuid, role text, days int DEFAULT 100, prompt text DEFAULT NULL) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	made uuid := linkedin_ingest.score_profile(who, role, prompt => prompt);
	old uuid := (lpad(to_hex((extract(epoch FROM now() - make_interval(days => days)) * 1000)::bigint), 12, '0') || substr(replace(made::text, '-', ''), 13))::uuid;
BEGIN
	UPDATE linkedin_ingest.scoring_jobs SET id = old WHERE id = made;
	RETURN old;
END
$$;
CREATE FUNCTION pg_temp.there(job uuid) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM linkedin_ingest.scoring_jobs WHERE id = job)
$$;
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Bo Example') RETURNING id AS bo \gset

-- arguments
SELECT is(pg_temp.fault('SELECT linkedin_ingest.purge_jobs(NULL)'), '22023 older_than', 'null');
SELECT is(pg_temp.fault($$SELECT linkedin_ingest.purge_jobs('-1 s')$$), '22023 older_than', 'negative');
SELECT is(linkedin_ingest.purge_jobs('0'), 0::bigint, 'nothing to do: quiet');
SELECT is(linkedin_ingest.purge_jobs('100000 years'), 0::bigint, 'before the beginning of time: quiet');

SELECT pg_temp.job(:'ada', 'CTO') AS old, pg_temp.job(:'ada', 'CTO') AS reviewed, pg_temp.job(:'ada', 'CTO') AS latest,
	pg_temp.job(:'ada', 'CIO') AS other_role, pg_temp.job(:'bo', 'CTO') AS other_person, pg_temp.job(:'ada', NULL, 100, 'And?') AS free,
	pg_temp.job(:'ada', 'CTO') AS failed, pg_temp.job(:'ada', 'CTO') AS cancelled, pg_temp.job(:'ada', 'CTO') AS young,
	pg_temp.job(:'ada', 'CTO') AS pending, pg_temp.job(:'ada', 'CTO') AS running \gset
SELECT pg_temp.done(:'old', 90), pg_temp.done(:'reviewed', 89), pg_temp.done(:'latest', 80), pg_temp.done(:'other_role', 90),
	pg_temp.done(:'other_person', 90), pg_temp.done(:'free', 90), pg_temp.done(:'failed', 90, 'failed') \g /dev/null
SELECT linkedin_ingest.cancel_job(:'cancelled') \g /dev/null
UPDATE linkedin_ingest.scoring_jobs SET completed_at = now() - interval '90 days' WHERE id = :'cancelled';
SELECT pg_temp.claim(:'running') \g /dev/null
SELECT linkedin_ingest.review_score(:'reviewed', 'agree', NULL) \g /dev/null
INSERT INTO linkedin_ingest.spend_daily (day, provider, model, calls, cost_usd) VALUES ('2001-01-01', 'openai', 'gpt-6-luna', 7, 0.25);
-- an old job that has ended only now
SELECT pg_temp.done(:'young', 1, 'failed') \g /dev/null
-- released by a job that goes; cancelled by one that goes
SELECT linkedin_ingest.score_profile(:'ada', 'CISO', after_job => :'old') AS after_old \gset
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies), 0::bigint, 'no anomalies before');

SELECT is(linkedin_ingest.purge_jobs('91 days'), 0::bigint, 'none is that old');
SELECT is(linkedin_ingest.purge_jobs('30 days'), 4::bigint, 'what is purged is counted');
SELECT ok(NOT pg_temp.there(:'old'), 'a result that a later one has replaced goes');
SELECT ok(NOT pg_temp.there(:'free'), 'the answer to a free prompt');
SELECT ok(NOT pg_temp.there(:'failed'), 'a failed job');
SELECT ok(NOT pg_temp.there(:'cancelled'), 'a cancelled one');
SELECT ok(pg_temp.there(:'reviewed'), 'what a person has reviewed stays');
SELECT ok(pg_temp.there(:'latest'), 'the latest result stays');
SELECT ok(pg_temp.there(:'other_role'), 'the only one of another role');
SELECT ok(pg_temp.there(:'other_person'), 'and of another person');
SELECT ok(pg_temp.there(:'pending'), 'a pending job stays, however old');
SELECT ok(pg_temp.there(:'running'), 'a running one');
SELECT ok(pg_temp.there(:'young'), 'an old job that ended lately');
SELECT is((SELECT count(*) FROM linkedin_ingest.scoring_attempts a WHERE a.job_id IN (:'old', :'free', :'failed')), 0::bigint, 'attempts and what they parsed go with the job');
SELECT is((SELECT calls FROM linkedin_ingest.spend_daily WHERE day = '2001-01-01'), 7::bigint, 'the bill stays');
SELECT is(j.after_job, :'old', 'who came after a purged job remembers it') FROM linkedin_ingest.scoring_jobs j WHERE j.id = :'after_old';
SELECT is(j.status, 'pending', 'and is due') FROM linkedin_ingest.scoring_jobs j WHERE j.id = :'after_old';
SELECT pg_temp.done(:'after_old', 0, 'failed') \g /dev/null
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'after_old')), 'ok', 'it can be retried');
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies), 0::bigint, 'no anomalies after');
SELECT is(linkedin_ingest.purge_jobs('30 days'), 0::bigint, 'once');

-- cancelled with a predecessor that goes
SELECT pg_temp.job(:'ada', 'CTO') AS first \gset
SELECT linkedin_ingest.score_profile(:'ada', 'CISO', after_job => :'first') AS second \gset
SELECT pg_temp.done(:'first', 90, 'failed') \g /dev/null
SELECT linkedin_ingest.settle_dependents(:'first') \g /dev/null
SELECT is(linkedin_ingest.purge_jobs('30 days'), 1::bigint, 'a failed predecessor goes');
SELECT is(pg_temp.fault(format('SELECT linkedin_ingest.retry_job(%L)', :'second')), '55000 job_id', 'who waited for it cannot run any more');
-- somebody's own UPDATE: purge settles whoever is left
SELECT pg_temp.job(:'ada', 'CTO') AS first \gset
SELECT linkedin_ingest.score_profile(:'ada', 'CISO', after_job => :'first') AS second \gset
SELECT pg_temp.done(:'first', 90, 'failed') \g /dev/null
SELECT is((SELECT anomaly FROM linkedin_ingest.queue_anomalies), 'unsettled', 'a job that nobody has settled');
SELECT is(linkedin_ingest.purge_jobs('30 days'), 1::bigint, 'its predecessor is purged');
SELECT is((SELECT count(*) FROM linkedin_ingest.queue_anomalies), 0::bigint, 'and it is settled');

-- a bounded number at a time, the oldest first
INSERT INTO linkedin_ingest.scoring_jobs (id, profile_id, prompt, provider, model, max_tokens)
	SELECT (lpad(to_hex((extract(epoch FROM now() - interval '1 year' + i * interval '1 min') * 1000)::bigint), 12, '0') || lpad(to_hex(i), 20, '0'))::uuid,
		:'bo', 'x', 'openai', 'gpt-6-luna', 100 FROM generate_series(1, 12000) i;
UPDATE linkedin_ingest.scoring_jobs SET status = 'cancelled', completed_at = now() - interval '300 days' WHERE prompt = 'x';
SELECT is(linkedin_ingest.purge_jobs('30 days'), 10000::bigint, 'not more than 10,000 at a time');
SELECT is((SELECT min(prompt || id) FROM linkedin_ingest.scoring_jobs WHERE prompt = 'x') ~ '2711$', true, 'the oldest first');
SELECT is(linkedin_ingest.purge_jobs('30 days'), 2000::bigint, 'then the rest');

-- who may
CREATE ROLE pgtap_purge_scorer;
CREATE ROLE pgtap_purge_operator;
SELECT linkedin_ingest.grant_access('pgtap_purge_scorer', 'scorer'), linkedin_ingest.grant_access('pgtap_purge_operator', 'operator') \g /dev/null
SET LOCAL ROLE pgtap_purge_scorer;
SELECT throws_ok($$SELECT linkedin_ingest.purge_jobs('0')$$, '42501', NULL, 'a scorer cannot');
RESET ROLE;
SET LOCAL ROLE pgtap_purge_operator;
SELECT cmp_ok(linkedin_ingest.purge_jobs('0'), '>=', 0::bigint, 'an operator can');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
