/*-------------------------------------------------------------------------
 *
 * queue_sql.h
 *		Every statement on the job tables; for queue.c alone.
 *
 * The worker waits for no lock on a job: whoever holds one may be waiting for
 * the worker.  It takes the rows that it gets (SKIP LOCKED, try_lock_jobs())
 * and comes back for the others.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_QUEUE_SQL_H
#define LI_QUEUE_SQL_H

#include "catalog/pg_type.h"
#include "sql.h"

/* The cost of a call at the prices of the call; null when something is unknown. */
#define COST \
	"((r.prompt_tokens - coalesce(r.cached_tokens, 0)) * r.input_price" \
	" + coalesce(r.cached_tokens, 0) * coalesce(r.cached_price, r.input_price)" \
	" + r.completion_tokens * r.output_price) / 1000000"

static LiStatement lanes_statement = {
	"WITH RECURSIVE groups AS ("
	" (SELECT lane, priority, run_at, provider, model, role, created_by"
	"   FROM linkedin_ingest.scoring_jobs WHERE status = 'pending'"
	"   ORDER BY lane, priority, run_at LIMIT 1)"
	" UNION ALL"
	" SELECT n.* FROM groups AS g CROSS JOIN LATERAL ("
	"   SELECT j.lane, j.priority, j.run_at, j.provider, j.model, j.role, j.created_by"
	"   FROM linkedin_ingest.scoring_jobs AS j"
	"   WHERE j.status = 'pending' AND (j.lane, j.priority) > (g.lane, g.priority)"
	"   ORDER BY j.lane, j.priority, j.run_at LIMIT 1) AS n)"
	"SELECT lane, priority, run_at, provider, model, coalesce(role, ''), created_by FROM groups",
	0
};

/*
 * A lane is entered where its first job was just seen: before it lie, as long
 * as somebody holds an old snapshot, the index entries of all jobs claimed
 * since, and one walk over them is enough.
 */
static LiStatement claim_statement = {
	"UPDATE linkedin_ingest.scoring_jobs AS j"
	" SET status = 'processing', claim_no = j.claim_no + 1, claim_token = gen_random_uuid(),"
	" worker_id = $4, attempts = j.attempts + 1, started_at = clock_timestamp()"
	" WHERE j.id = ANY (ARRAY ("
	"  SELECT due.id FROM unnest($1, $2, $3, $6) AS q(lane, priority, quota, first_run_at)"
	"  CROSS JOIN LATERAL ("
	"   SELECT p.id FROM linkedin_ingest.scoring_jobs AS p"
	"   WHERE p.status = 'pending' AND p.lane = q.lane AND p.priority = q.priority"
	"   AND p.run_at BETWEEN q.first_run_at AND $5"
	"   ORDER BY p.run_at, p.id LIMIT q.quota FOR NO KEY UPDATE SKIP LOCKED) AS due))"
	" RETURNING j.id, j.claim_no, j.claim_token, j.attempts, j.max_attempts, j.started_at,"
	" j.profile_id, j.role, j.stage, j.template_id, j.template_version, j.prompt,"
	" j.provider, j.model, j.max_tokens, j.temperature, j.samples",
	6, {TEXTARRAYOID, INT2ARRAYOID, INT4ARRAYOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZARRAYOID}
};

/*
 * One job at a time: a look-up by primary key, whatever the statistics say.
 * (Joined with unnest(), a plan made while few jobs were processing walks the
 * parameters for each job, and copies the wide ones.)  Only a processing job
 * has a token (job_guard.c).
 */
static LiStatement record_statement = {
	"UPDATE linkedin_ingest.scoring_jobs AS j SET"
	" status = $4,"
	" run_at = coalesce($5, j.run_at),"
	" attempts = greatest(j.attempts - $6, 0),"
	" completed_at = CASE WHEN $4 IN ('completed', 'failed') THEN clock_timestamp() END,"
	" error = CASE WHEN $4 = 'completed' THEN NULL WHEN $9 IS NULL THEN j.error"
	"  ELSE jsonb_build_object('code', $9, 'message', $10, 'retryable', $7, 'http_status', $8,"
	"   'attempts', greatest(j.attempts - $6, 0), 'at', clock_timestamp()) END,"
	" request = coalesce($11::json, j.request),"
	" llm_response = coalesce($12::jsonb, j.llm_response),"
	" parsed_score = coalesce($13::jsonb, j.parsed_score),"
	" overall_score = $14, recommended_role = $15, needs_review = $16, review_reasons = $17,"
	" prompt_tokens = CASE WHEN $18 IS NULL THEN j.prompt_tokens"
	"  ELSE coalesce(j.prompt_tokens, 0) + $18 END,"
	" completion_tokens = CASE WHEN $20 IS NULL THEN j.completion_tokens"
	"  ELSE coalesce(j.completion_tokens, 0) + $20 END,"
	" cost_usd = CASE WHEN $25 THEN 0 WHEN $18 IS NULL THEN j.cost_usd"
	"  ELSE CASE WHEN j.prompt_tokens IS NULL THEN 0 ELSE j.cost_usd END"
	"   + (($18 - coalesce($19, 0)) * $21 + coalesce($19, 0) * coalesce($22, $21)"
	"   + $20 * $23) / 1000000 END,"
	" cache_key = coalesce($24, j.cache_key), cached = $25"
	" WHERE j.id = $1 AND j.claim_no = $2 AND j.claim_token = $3",
	25, {UUIDOID, INT4OID, UUIDOID, TEXTOID, TIMESTAMPTZOID, INT4OID, BOOLOID, INT4OID,
		TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, NUMERICOID, TEXTOID, BOOLOID,
		TEXTARRAYOID, INT4OID, INT4OID, INT4OID, NUMERICOID, NUMERICOID, NUMERICOID,
		TEXTOID, BOOLOID}
};

/* One row per call that had no row yet; an open one (outcome null) for the next. */
static LiStatement attempts_statement = {
	"INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, sample,"
	" charged, worker_pid, provider, model, http_status, outcome, error_code, error_message,"
	" request_id, prompt_tokens, completion_tokens, cost_usd, claimed_at, sent_at,"
	" first_byte_at, finished_at, parsed, cache_key)"
	" SELECT r.id, coalesce((SELECT max(a.attempt) FROM linkedin_ingest.scoring_attempts AS a"
	"  WHERE a.job_id = r.id), 0) + 1, r.claim_no, r.kind, r.sample, r.charged,"
	"  pg_backend_pid(), r.provider, r.model, r.http_status, r.outcome, r.error_code,"
	"  r.error_message, r.request_id, r.prompt_tokens, r.completion_tokens, " COST ","
	"  r.claimed_at, r.sent_at, r.first_byte_at, r.finished_at, r.parsed::jsonb, r.cache_key"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
	"  $18, $19, $20, $21, $22, $23, $24) AS r(id, claim_no, kind, sample, charged, provider, model,"
	"  http_status, outcome, error_code, error_message, request_id, prompt_tokens,"
	"  cached_tokens, completion_tokens, input_price, cached_price, output_price, claimed_at,"
	"  sent_at, first_byte_at, finished_at, parsed, cache_key)"
	" RETURNING job_id, attempt",
	24, {UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BOOLARRAYOID, TEXTARRAYOID,
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID,
		NUMERICARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* The same columns, for a call whose open row was committed before it was sent. */
static LiStatement close_statement = {
	"UPDATE linkedin_ingest.scoring_attempts AS a SET charged = r.charged,"
	" http_status = r.http_status, outcome = r.outcome, error_code = r.error_code,"
	" error_message = r.error_message, request_id = r.request_id,"
	" prompt_tokens = r.prompt_tokens, completion_tokens = r.completion_tokens,"
	" cost_usd = " COST ", sent_at = r.sent_at, first_byte_at = r.first_byte_at,"
	" finished_at = r.finished_at, parsed = r.parsed::jsonb, cache_key = r.cache_key,"
	" recorded_at = clock_timestamp()"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
	"  $18, $19, $20, $21, $22, $23, $24) AS r(id, claim_no, kind, sample, charged, provider, model,"
	"  http_status, outcome, error_code, error_message, request_id, prompt_tokens,"
	"  cached_tokens, completion_tokens, input_price, cached_price, output_price, claimed_at,"
	"  sent_at, first_byte_at, finished_at, parsed, cache_key)"
	" WHERE a.job_id = r.id AND a.claim_no = r.claim_no AND a.outcome IS NULL"
	" AND a.sample = r.sample",
	24, {UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BOOLARRAYOID, TEXTARRAYOID,
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID,
		NUMERICARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static LiStatement spend_statement = {
	"INSERT INTO linkedin_ingest.spend_daily AS s (day, provider, model, role, template_id,"
	" calls, prompt_tokens, completion_tokens, cost_usd)"
	" SELECT (clock_timestamp() AT TIME ZONE 'UTC')::date, r.provider, r.model, r.role,"
	"  r.template_id, count(*), coalesce(sum(r.prompt_tokens), 0),"
	"  coalesce(sum(r.completion_tokens), 0), sum(" COST ")"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS r(provider, model, role,"
	"  template_id, prompt_tokens, cached_tokens, completion_tokens, input_price,"
	"  cached_price, output_price)"
	" GROUP BY r.provider, r.model, r.role, r.template_id"
	" ORDER BY r.provider, r.model, r.role, r.template_id"
	" ON CONFLICT ON CONSTRAINT spend_daily_key DO UPDATE SET calls = s.calls + excluded.calls,"
	" prompt_tokens = s.prompt_tokens + excluded.prompt_tokens,"
	" completion_tokens = s.completion_tokens + excluded.completion_tokens,"
	" cost_usd = CASE WHEN excluded.cost_usd IS NULL THEN s.cost_usd"
	"  ELSE coalesce(s.cost_usd, 0) + excluded.cost_usd END",
	10, {TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, UUIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID,
		INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID}
};

static LiStatement latest_statement = {
	"INSERT INTO linkedin_ingest.latest_scores AS l (profile_id, role, stage, job_id, completed_at)"
	" SELECT DISTINCT ON (j.profile_id, j.role, j.stage) j.profile_id, j.role, j.stage, j.id,"
	"  j.completed_at"
	" FROM linkedin_ingest.scoring_jobs AS j"
	" WHERE j.id = ANY ($1) AND j.stage IS NOT NULL AND j.status = 'completed'"
	" ORDER BY j.profile_id, j.role, j.stage, j.completed_at DESC, j.id DESC"
	" ON CONFLICT ON CONSTRAINT latest_scores_key DO UPDATE"
	" SET job_id = excluded.job_id, completed_at = excluded.completed_at"
	" WHERE (excluded.completed_at, excluded.job_id) > (l.completed_at, l.job_id)",
	1, {UUIDARRAYOID}
};

/* Jobs that wait for one of these; mostly none. */
static LiStatement dependents_statement = {
	"SELECT linkedin_ingest.settle_dependents(p.after_job)"
	" FROM (SELECT DISTINCT d.after_job FROM linkedin_ingest.scoring_jobs AS d"
	"  WHERE d.after_job = ANY ($1)) AS p",
	1, {UUIDARRAYOID}
};

/*
 * Takes jobs away from workers that are gone.  The claim's call may have been
 * paid: it gets an attempt row unless one is there already.
 */
static LiStatement rescue_statement = {
	"WITH lost AS ("
	" UPDATE linkedin_ingest.scoring_jobs AS j SET"
	"  status = CASE WHEN j.attempts >= j.max_attempts THEN 'failed' ELSE 'pending' END,"
	"  completed_at = CASE WHEN j.attempts >= j.max_attempts THEN clock_timestamp() END,"
	"  error = jsonb_build_object('code', 'worker_lost',"
	"   'message', 'the worker was lost while the model was asked', 'retryable', true,"
	"   'http_status', NULL, 'attempts', j.attempts, 'at', clock_timestamp())"
	"  WHERE j.id = ANY (ARRAY (SELECT linkedin_ingest.try_lock_jobs(ARRAY ("
	"   SELECT p.id FROM linkedin_ingest.scoring_jobs AS p"
	"   WHERE p.status = 'processing' AND p.worker_id = ANY ($1) LIMIT $2))))"
	"  AND j.status = 'processing' AND j.worker_id = ANY ($1)"
	"  RETURNING j.id, j.claim_no, j.provider, j.model, j.started_at, j.worker_id, j.status),"
	" closed AS ("
	" UPDATE linkedin_ingest.scoring_attempts AS a SET outcome = 'unknown',"
	"  error_code = 'worker_lost', error_message = 'the worker was lost; the call may have been paid',"
	"  charged = true, recorded_at = clock_timestamp()"
	"  FROM lost AS l WHERE a.job_id = l.id AND a.outcome IS NULL RETURNING a.job_id),"
	" written AS ("
	" INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged,"
	"  worker_pid, provider, model, outcome, error_code, error_message, claimed_at)"
	" SELECT l.id, coalesce((SELECT max(a.attempt) FROM linkedin_ingest.scoring_attempts AS a"
	"   WHERE a.job_id = l.id), 0) + 1, l.claim_no,"
	"  CASE WHEN l.claim_no = 1 THEN 'first' ELSE 'retry' END, true,"
	"  (SELECT w.pid FROM linkedin_ingest.workers AS w WHERE w.id = l.worker_id), l.provider,"
	"  l.model, 'unknown', 'worker_lost', 'the worker was lost; the call may have been paid',"
	"  l.started_at"
	" FROM lost AS l"
	" WHERE NOT EXISTS (SELECT FROM linkedin_ingest.scoring_attempts AS a"
	"  WHERE a.job_id = l.id AND a.claim_no = l.claim_no))"
	" SELECT l.id, l.status = 'failed' FROM lost AS l",
	2, {UUIDARRAYOID, INT8OID}
};

/* Gives back what this worker holds, uncharged; $2 are the jobs whose call was sent. */
static LiStatement hand_back_statement = {
	"WITH back AS ("
	" UPDATE linkedin_ingest.scoring_jobs AS j SET status = 'pending',"
	" attempts = greatest(j.attempts - 1, 0)"
	"  WHERE j.id = ANY (ARRAY ("
	"   SELECT p.id FROM linkedin_ingest.scoring_jobs AS p"
	"   WHERE p.status = 'processing' AND p.worker_id = $1 FOR NO KEY UPDATE SKIP LOCKED))"
	"  RETURNING j.id, j.claim_no, j.provider, j.model, j.started_at),"
	" closed AS ("
	" UPDATE linkedin_ingest.scoring_attempts AS a SET outcome = 'cancelled', charged = false,"
	"  error_code = 'cancelled', error_message = 'handed back at shutdown',"
	"  recorded_at = clock_timestamp()"
	"  FROM back AS b WHERE a.job_id = b.id AND a.outcome IS NULL RETURNING a.job_id),"
	" written AS ("
	" INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, charged,"
	"  worker_pid, provider, model, outcome, error_code, error_message, claimed_at)"
	" SELECT b.id, coalesce((SELECT max(a.attempt) FROM linkedin_ingest.scoring_attempts AS a"
	"   WHERE a.job_id = b.id), 0) + 1, b.claim_no,"
	"  CASE WHEN b.claim_no = 1 THEN 'first' ELSE 'retry' END, false, pg_backend_pid(),"
	"  b.provider, b.model, 'cancelled', 'cancelled', 'handed back at shutdown', b.started_at"
	" FROM back AS b"
	" WHERE b.id = ANY ($2) AND NOT EXISTS (SELECT FROM linkedin_ingest.scoring_attempts AS a"
	"  WHERE a.job_id = b.id AND a.claim_no = b.claim_no))"
	" SELECT count(*) FROM back",
	2, {UUIDOID, UUIDARRAYOID}
};

static LiStatement lost_statement = {
	"SELECT r.ord::int FROM unnest($1, $2, $3) WITH ORDINALITY AS r(id, claim_no, token, ord)"
	" WHERE NOT EXISTS (SELECT FROM linkedin_ingest.scoring_jobs AS j"
	"  WHERE j.id = r.id AND j.claim_no = r.claim_no AND j.claim_token = r.token)",
	3, {UUIDARRAYOID, INT4ARRAYOID, UUIDARRAYOID}
};

/*
 * A call whose claim was lost, by a cancel or a rescue: it was made all the
 * same.  Who took the claim may have written the row already, without an
 * answer; then it gets what the answer told.  The result is whether the call
 * has its answer on record only now.
 */
static LiStatement late_statement = {
	"WITH r AS (SELECT $9 AS prompt_tokens, $10 AS cached_tokens, $11 AS completion_tokens,"
	"  $12 AS input_price, $13 AS cached_price, $14 AS output_price"
	"  FROM linkedin_ingest.scoring_jobs AS p WHERE p.id = $1 FOR KEY SHARE SKIP LOCKED),"
	" closed AS ("
	" UPDATE linkedin_ingest.scoring_attempts AS a SET outcome = coalesce(a.outcome, 'cancelled'),"
	"  error_code = coalesce(a.error_code, 'cancelled'), http_status = $7, request_id = $8,"
	"  prompt_tokens = r.prompt_tokens, completion_tokens = r.completion_tokens,"
	"  cost_usd = " COST ", worker_pid = pg_backend_pid(), sent_at = $6, finished_at = $15,"
	"  recorded_at = clock_timestamp()"
	"  FROM r WHERE a.job_id = $1 AND a.claim_no = $2 AND a.sample = $4"
	"  AND (a.outcome IS NULL OR (a.outcome IN ('unknown', 'cancelled')"
	"   AND a.finished_at IS NULL))"
	"  RETURNING a.job_id),"
	" written AS ("
	"INSERT INTO linkedin_ingest.scoring_attempts (job_id, attempt, claim_no, kind, sample,"
	" charged, worker_pid, provider, model, http_status, outcome, error_code, error_message,"
	" request_id, prompt_tokens, completion_tokens, cost_usd, claimed_at, sent_at, finished_at)"
	" SELECT j.id, coalesce((SELECT max(a.attempt) FROM linkedin_ingest.scoring_attempts AS a"
	"   WHERE a.job_id = j.id), 0) + 1, $2, $3, $4, true, pg_backend_pid(), j.provider, j.model,"
	"  $7, 'cancelled', 'cancelled', 'the claim was lost while the model was asked', $8,"
	"  r.prompt_tokens, r.completion_tokens, " COST ", $5, $6, $15"
	" FROM linkedin_ingest.scoring_jobs AS j CROSS JOIN r"
	" WHERE j.id = $1 AND NOT EXISTS (SELECT FROM closed)"
	" AND NOT EXISTS (SELECT FROM linkedin_ingest.scoring_attempts AS a"
	"  WHERE a.job_id = $1 AND a.claim_no = $2 AND a.sample = $4))"
	" SELECT EXISTS (SELECT FROM closed) OR NOT EXISTS ("
	"  SELECT FROM linkedin_ingest.scoring_attempts AS a"
	"  WHERE a.job_id = $1 AND a.claim_no = $2 AND a.sample = $4)",
	15, {UUIDOID, INT4OID, TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, TEXTOID,
		INT4OID, INT4OID, INT4OID, NUMERICOID, NUMERICOID, NUMERICOID, TIMESTAMPTZOID}
};

/* Which jobs may be written now, with those that wait for them. */
static LiStatement lock_statement = {
	"SELECT linkedin_ingest.try_lock_jobs($1)",
	1, {UUIDARRAYOID}
};

static LiStatement exist_statement = {
	"SELECT j.id FROM linkedin_ingest.scoring_jobs AS j WHERE j.id = ANY ($1)",
	1, {UUIDARRAYOID}
};

/* Whoever may own a job. */
static LiStatement owners_statement = {
	"SELECT w.id FROM linkedin_ingest.workers AS w"
	" UNION SELECT j.worker_id FROM linkedin_ingest.scoring_jobs AS j"
	" WHERE j.status = 'processing'",
	0
};

static LiStatement any_statement = {
	"SELECT FROM linkedin_ingest.scoring_jobs LIMIT 1", 0
};

/* Valid answers of earlier claims to the question that is asked now. */
static LiStatement samples_statement = {
	"SELECT a.sample, a.parsed::text FROM linkedin_ingest.scoring_attempts AS a"
	" WHERE a.job_id = $1 AND a.cache_key = $2 AND a.parsed IS NOT NULL ORDER BY a.attempt",
	2, {UUIDOID, TEXTOID}
};

static LiStatement cached_statement = {
	"SELECT j.parsed_score::text FROM linkedin_ingest.scoring_jobs AS j"
	" WHERE j.cache_key = $1 AND j.status = 'completed' AND NOT j.cached AND j.profile_id = $2"
	" AND j.completed_at > $3 ORDER BY j.completed_at DESC, j.id DESC LIMIT 1",
	3, {TEXTOID, UUIDOID, TIMESTAMPTZOID}
};

static LiStatement beat_statement = {
	"INSERT INTO linkedin_ingest.workers AS w (id, pid, started_at, heartbeat_at, library_version)"
	" VALUES ($1, pg_backend_pid(), $2, clock_timestamp(), $3)"
	" ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at",
	3, {UUIDOID, TIMESTAMPTZOID, TEXTOID}
};

static LiStatement forget_statement = {
	"DELETE FROM linkedin_ingest.workers AS w WHERE w.id = ANY ($1) AND NOT EXISTS ("
	" SELECT FROM linkedin_ingest.scoring_jobs AS j"
	" WHERE j.status = 'processing' AND j.worker_id = w.id)",
	1, {UUIDARRAYOID}
};

/*
 * Without shared memory another session is live when its process is: same pid,
 * same start.  A start that the caller may not see counts as the same.
 */
static LiStatement sessions_statement = {
	"SELECT w.id FROM linkedin_ingest.workers AS w JOIN pg_stat_activity AS a ON a.pid = w.pid"
	" WHERE coalesce(a.backend_start, w.started_at) = w.started_at"
	" AND w.pid <> pg_backend_pid()",
	0
};

#endif							/* LI_QUEUE_SQL_H */
