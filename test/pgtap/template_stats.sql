/* template_stats and spend, and the grounded column of score_criteria */
BEGIN;
SELECT plan(12);
SET LOCAL client_min_messages = error;
SET LOCAL linkedin_ingest.max_jobs_per_profile_per_hour = 0;

INSERT INTO linkedin_ingest.roles (role, title) VALUES ('COO', 'Chief Operating Officer');
INSERT INTO linkedin_ingest.prompt_templates (role, name, prompt_text, is_active) VALUES ('COO', 'operations', 'one', true) RETURNING id AS t \gset
UPDATE linkedin_ingest.prompt_templates SET prompt_text = 'two' WHERE id = :'t';
INSERT INTO linkedin_ingest.profiles (full_name) VALUES ('Ada Example') RETURNING id AS ada \gset
CREATE TEMP TABLE facts AS SELECT :'t'::uuid AS template, :'ada'::uuid AS ada;

/* Jobs as a worker leaves them; a restore keeps them as they come. */
SET LOCAL check_function_bodies = off;
INSERT INTO linkedin_ingest.scoring_jobs (profile_id, role, stage, template_id, template_version, provider, model, max_tokens, status,
		overall_score, needs_review, review_reasons, cached, error, prompt_tokens, completion_tokens, cost_usd, started_at, completed_at)
	SELECT facts.ada, 'COO', 'scoring', facts.template, j.version, 'openai', 'gpt-6-luna', 1000, j.status,
		j.score, j.reasons <> '{}', j.reasons, j.cached, CASE WHEN j.code IS NOT NULL THEN jsonb_build_object('code', j.code) END,
		j.tokens, j.tokens / 10, j.cost, '2026-01-01Z', '2026-01-01Z'::timestamptz + j.seconds * interval '1 s'
	FROM facts, (VALUES
		(1, 'completed', 60, '{}'::text[], false, NULL, 1000, 0.001, 2),
		(1, 'completed', 70, '{ungrounded}', false, NULL, 1000, 0.002, 4),
		(1, 'completed', 80, '{ungrounded,spread}', false, NULL, 1000, NULL, 6),
		(1, 'completed', NULL, '{missing_criterion}', false, NULL, 1000, 0.003, 8),
		(1, 'completed', 90, '{}', true, NULL, NULL, 0, 0.001),
		(1, 'failed', NULL, '{}', false, 'timeout', 500, 0.004, 60),
		(1, 'failed', NULL, '{}', false, 'timeout', NULL, NULL, 60),
		(1, 'failed', NULL, '{}', false, 'refused', NULL, NULL, 60),
		(1, 'cancelled', NULL, '{}', false, 'cancelled', 100, 0.005, 60),
		(2, 'pending', NULL, '{}', false, NULL, NULL, NULL, NULL)) AS j (version, status, score, reasons, cached, code, tokens, cost, seconds);
SET LOCAL check_function_bodies = on;

SELECT results_eq($$SELECT version, role, stage, name, is_live, runs, completed, failed FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template ORDER BY version$$,
	$$VALUES (1, 'COO', 'scoring', 'operations', false, 8::bigint, 5::bigint, 3::bigint), (2, 'COO', 'scoring', 'operations', true, 0, 0, 0)$$,
	'a row per version, with its runs');
SELECT is(failures, '{"timeout": 2, "refused": 1}', 'failures by code') FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template WHERE version = 1;
SELECT is(ROW(score_mean, score_stddev, score_min, score_max)::text, '(75.00,12.91,60.00,90.00)', 'scores') FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template WHERE version = 1;
SELECT is(ROW(needs_review_rate, ungrounded_rate)::text, '(0.6000,0.4000)', 'rates') FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template WHERE version = 1;
SELECT is(ROW(prompt_tokens, completion_tokens, cost_usd)::text, '(4600,460,0.015)', 'tokens and cost, of failed and cancelled jobs too') FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template WHERE version = 1;
SELECT is(ROW(p50_seconds, p95_seconds)::text, '(5.000,7.700)', 'latency, without what the cache answered') FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template WHERE version = 1;
SELECT is(ROW(failures, score_mean, score_stddev, needs_review_rate, ungrounded_rate, prompt_tokens, cost_usd, p50_seconds)::text, '({},,,,,,,)', 'nothing is known of a version that has not run')
	FROM linkedin_ingest.template_stats s JOIN facts ON s.template_id = facts.template WHERE version = 2;
SELECT is((SELECT count(*) FROM linkedin_ingest.template_stats), (SELECT count(*) FROM linkedin_ingest.prompt_template_versions), 'every version has a row');

/* spend */
INSERT INTO linkedin_ingest.spend_daily (day, provider, model, role, template_id, calls, prompt_tokens, completion_tokens, cost_usd)
	SELECT d.day, 'openai', d.model, d.role, d.template, 3, 100, 10, d.cost
	FROM facts, LATERAL (VALUES ('2026-01-02'::date, 'gpt-6-luna', 'COO', facts.template, 0.25), ('2026-01-02', 'of our own', 'COO', facts.template, NULL),
		('2026-01-03', 'gpt-6-luna', NULL, NULL, 0.5), ('2026-01-03', 'gpt-6-luna', 'COO', '00000000-0000-7000-8000-0000000000ff', 1)) d (day, model, role, template, cost);
SELECT results_eq($$SELECT day, role, template, provider, model, calls, prompt_tokens, completion_tokens, cost_usd FROM linkedin_ingest.spend ORDER BY day, role NULLS FIRST, model$$,
	$$VALUES ('2026-01-02'::date, 'COO', 'operations', 'openai', 'gpt-6-luna', 3::bigint, 100::bigint, 10::bigint, 0.25),
		('2026-01-02', 'COO', 'operations', 'openai', 'of our own', 3, 100, 10, NULL),
		('2026-01-03', NULL, NULL, 'openai', 'gpt-6-luna', 3, 100, 10, 0.5),
		('2026-01-03', 'COO', NULL, 'openai', 'gpt-6-luna', 3, 100, 10, 1)$$,
	'spend: by day, role, template and model; a cost that is not known is null; what a template gone has cost stays');
SELECT is((SELECT sum(cost_usd) FROM linkedin_ingest.spend), (SELECT sum(cost_usd) FROM linkedin_ingest.spend_daily), 'nothing is counted twice');

/* score_criteria.grounded: what the answer says, else from the grounding */
SET LOCAL check_function_bodies = off;
UPDATE linkedin_ingest.scoring_jobs j SET parsed_score = '{"criteria": {
	"a": {"score": 1, "grounded": false, "grounding": [{"match": "exact", "start": 0, "end": 5}]},
	"b": {"score": 1, "grounded": true, "grounding": [{"match": "exact", "start": 0, "end": 50}]},
	"c": {"score": 1, "grounding": [{"match": "normalized", "start": 0, "end": 50}]},
	"d": {"score": 1, "grounded": null, "grounding": [{"match": "absent"}]},
	"e": {"score": 1}}}' WHERE j.overall_score = 60;
SELECT results_eq('SELECT key, grounded FROM linkedin_ingest.score_criteria ORDER BY key',
	$$VALUES ('a', false), ('b', true), ('c', true), ('d', false), ('e', false)$$, 'a quote too short to count does not ground');

/* readers have the views */
CREATE ROLE pgtap_stats_reader;
SELECT linkedin_ingest.grant_access('pgtap_stats_reader', 'reader') \g /dev/null
SET LOCAL ROLE pgtap_stats_reader;
SELECT count(*) >= 7 AS stats_ok FROM linkedin_ingest.template_stats \gset
SELECT count(*) = 4 AS spend_ok FROM linkedin_ingest.spend \gset
RESET ROLE;
SELECT ok(:'stats_ok' AND :'spend_ok', 'a reader reads both');

SELECT * FROM finish();
ROLLBACK;
