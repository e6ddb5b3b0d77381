/* stats.sql: what templates yield, and what is spent */

CREATE VIEW linkedin_ingest.template_stats WITH (security_invoker = true) AS
	WITH jobs AS (
		SELECT j.template_id, j.template_version,
			count(*) FILTER (WHERE j.status IN ('completed', 'failed')) AS runs,
			count(*) FILTER (WHERE j.status = 'completed') AS completed,
			count(*) FILTER (WHERE j.status = 'failed') AS failed,
			avg(j.overall_score) AS score_mean,
			stddev_samp(j.overall_score) AS score_stddev,
			min(j.overall_score) AS score_min,
			max(j.overall_score) AS score_max,
			count(*) FILTER (WHERE j.status = 'completed' AND j.needs_review) AS needs_review,
			count(*) FILTER (WHERE j.status = 'completed' AND 'ungrounded' = ANY (j.review_reasons)) AS ungrounded,
			sum(j.prompt_tokens) AS prompt_tokens,
			sum(j.completion_tokens) AS completion_tokens,
			sum(j.cost_usd) AS cost_usd,
			percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM j.completed_at - j.started_at)::float8)
				FILTER (WHERE j.status = 'completed' AND j.cached IS NOT TRUE) AS seconds
		FROM linkedin_ingest.scoring_jobs j
		WHERE j.template_id IS NOT NULL
		GROUP BY j.template_id, j.template_version
	), failures AS (
		SELECT c.template_id, c.template_version, jsonb_object_agg(c.code, c.n) AS by_code
		FROM (SELECT j.template_id, j.template_version, coalesce(j.error ->> 'code', 'unknown') AS code, count(*) AS n
			  FROM linkedin_ingest.scoring_jobs j
			  WHERE j.template_id IS NOT NULL AND j.status = 'failed'
			  GROUP BY j.template_id, j.template_version, coalesce(j.error ->> 'code', 'unknown')) c
		GROUP BY c.template_id, c.template_version
	)
	SELECT v.template_id, v.version, v.role, v.stage, v.name,
		t.is_active AND t.version = v.version AS is_live,
		coalesce(j.runs, 0) AS runs, coalesce(j.completed, 0) AS completed, coalesce(j.failed, 0) AS failed,
		coalesce(f.by_code, '{}') AS failures,
		round(j.score_mean, 2) AS score_mean, round(j.score_stddev, 2) AS score_stddev, j.score_min, j.score_max,
		round(j.needs_review / nullif(j.completed, 0)::numeric, 4) AS needs_review_rate,
		round(j.ungrounded / nullif(j.completed, 0)::numeric, 4) AS ungrounded_rate,
		j.prompt_tokens, j.completion_tokens, j.cost_usd,
		round(j.seconds[1]::numeric, 3) AS p50_seconds, round(j.seconds[2]::numeric, 3) AS p95_seconds
	FROM linkedin_ingest.prompt_template_versions v
	JOIN linkedin_ingest.prompt_templates t ON t.id = v.template_id
	LEFT JOIN jobs j ON j.template_id = v.template_id AND j.template_version = v.version
	LEFT JOIN failures f ON f.template_id = v.template_id AND f.template_version = v.version;
COMMENT ON VIEW linkedin_ingest.template_stats IS 'what came of each version of each template, from the jobs that are kept';
COMMENT ON COLUMN linkedin_ingest.template_stats.template_id IS 'the template';
COMMENT ON COLUMN linkedin_ingest.template_stats.version IS 'its version';
COMMENT ON COLUMN linkedin_ingest.template_stats.role IS 'role in that version; null for compatibility';
COMMENT ON COLUMN linkedin_ingest.template_stats.stage IS 'stage in that version';
COMMENT ON COLUMN linkedin_ingest.template_stats.name IS 'name in that version';
COMMENT ON COLUMN linkedin_ingest.template_stats.is_live IS 'whether new jobs of its role and stage run it';
COMMENT ON COLUMN linkedin_ingest.template_stats.runs IS 'jobs that completed or failed';
COMMENT ON COLUMN linkedin_ingest.template_stats.completed IS 'jobs that completed';
COMMENT ON COLUMN linkedin_ingest.template_stats.failed IS 'jobs that failed';
COMMENT ON COLUMN linkedin_ingest.template_stats.failures IS 'failed jobs by error code, {"code": number}';
COMMENT ON COLUMN linkedin_ingest.template_stats.score_mean IS 'mean total of the completed jobs that have one';
COMMENT ON COLUMN linkedin_ingest.template_stats.score_stddev IS 'standard deviation of their totals (of a sample); null below two';
COMMENT ON COLUMN linkedin_ingest.template_stats.score_min IS 'lowest total';
COMMENT ON COLUMN linkedin_ingest.template_stats.score_max IS 'highest total';
COMMENT ON COLUMN linkedin_ingest.template_stats.needs_review_rate IS 'share of the completed jobs that a person should look at, 0..1; null without any';
COMMENT ON COLUMN linkedin_ingest.template_stats.ungrounded_rate IS 'share of the completed jobs in which a criterion had no quote that counts, 0..1; null without any';
COMMENT ON COLUMN linkedin_ingest.template_stats.prompt_tokens IS 'sum over all calls, of jobs in every state';
COMMENT ON COLUMN linkedin_ingest.template_stats.completion_tokens IS 'sum over all calls, of jobs in every state';
COMMENT ON COLUMN linkedin_ingest.template_stats.cost_usd IS 'sum of the known costs; null when none is known';
COMMENT ON COLUMN linkedin_ingest.template_stats.p50_seconds IS 'median time from claim to completion, jobs answered from the cache left out';
COMMENT ON COLUMN linkedin_ingest.template_stats.p95_seconds IS '95th percentile of it';

CREATE VIEW linkedin_ingest.spend WITH (security_invoker = true) AS
	SELECT s.day, s.role, s.template_id, t.name AS template, s.provider, s.model,
		s.calls, s.prompt_tokens, s.completion_tokens, s.cost_usd
	FROM linkedin_ingest.spend_daily s
	LEFT JOIN linkedin_ingest.prompt_templates t ON t.id = s.template_id;
COMMENT ON VIEW linkedin_ingest.spend IS 'calls, tokens and cost per UTC day, role, template and model';
COMMENT ON COLUMN linkedin_ingest.spend.day IS 'UTC day on which the calls were recorded';
COMMENT ON COLUMN linkedin_ingest.spend.role IS 'role; null for compatibility and free prompts';
COMMENT ON COLUMN linkedin_ingest.spend.template_id IS 'template; null for free prompts';
COMMENT ON COLUMN linkedin_ingest.spend.template IS 'its present name; null when it is gone';
COMMENT ON COLUMN linkedin_ingest.spend.provider IS 'provider called, who sends the bill';
COMMENT ON COLUMN linkedin_ingest.spend.model IS 'model asked';
COMMENT ON COLUMN linkedin_ingest.spend.calls IS 'calls recorded';
COMMENT ON COLUMN linkedin_ingest.spend.prompt_tokens IS 'sum as told by the provider';
COMMENT ON COLUMN linkedin_ingest.spend.completion_tokens IS 'sum as told by the provider';
COMMENT ON COLUMN linkedin_ingest.spend.cost_usd IS 'sum of the known costs; null when none was known';
