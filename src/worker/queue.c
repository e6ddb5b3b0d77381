/*-------------------------------------------------------------------------
 *
 * queue.c
 *		Claiming, recording, rescuing and handing back jobs.
 *
 * The only C file with SQL on scoring_jobs and scoring_attempts.
 *
 * A claim is a lease: one statement sets the job processing with a new claim
 * number and token, and is committed before any byte is sent.  Every later
 * write repeats id, claim number and token; zero rows mean that the claim was
 * lost, and the answer is dropped, not stored twice.  The claim charges an
 * attempt; whatever turns out not to be the job's fault gives it back in the
 * statement that records it, so that a crash stays charged.
 *
 * The claim costs the same whatever lies in the queue: lanes are found by
 * skipping from one to the next in the partial index (lane, priority, run_at,
 * id), and within a lane and priority rows are read from the front.  Jobs of
 * blocked lanes and of the future are never walked.
 *
 * Every statement is a look-up in an index, and the planner settings of
 * extension.c keep it so whatever the statistics say.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "lib/stringinfo.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "sql.h"
#include "uuid.h"
#include "worker/queue.h"

#define RESCUE_BATCH 1000

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

static LiStatement claim_statement = {
	"UPDATE linkedin_ingest.scoring_jobs AS j"
	" SET status = 'processing', claim_no = j.claim_no + 1, claim_token = gen_random_uuid(),"
	" worker_id = $4, attempts = j.attempts + 1, started_at = clock_timestamp()"
	" WHERE j.id = ANY (ARRAY ("
	"  SELECT due.id FROM unnest($1, $2, $3) AS q(lane, priority, quota)"
	"  CROSS JOIN LATERAL ("
	"   SELECT p.id FROM linkedin_ingest.scoring_jobs AS p"
	"   WHERE p.status = 'pending' AND p.lane = q.lane AND p.priority = q.priority"
	"   AND p.run_at <= $5"
	"   ORDER BY p.run_at, p.id LIMIT q.quota FOR NO KEY UPDATE SKIP LOCKED) AS due))"
	" RETURNING j.id, j.claim_no, j.claim_token, j.attempts, j.max_attempts, j.started_at,"
	" j.profile_id, j.role, j.stage, j.template_id, j.template_version, j.prompt,"
	" j.provider, j.model, j.max_tokens, j.temperature, j.samples",
	5, {TEXTARRAYOID, INT2ARRAYOID, INT4ARRAYOID, UUIDOID, TIMESTAMPTZOID}
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
	" first_byte_at, finished_at, parsed)"
	" SELECT r.id, coalesce((SELECT max(a.attempt) FROM linkedin_ingest.scoring_attempts AS a"
	"  WHERE a.job_id = r.id), 0) + 1, r.claim_no, r.kind, r.sample, r.charged,"
	"  pg_backend_pid(), r.provider, r.model, r.http_status, r.outcome, r.error_code,"
	"  r.error_message, r.request_id, r.prompt_tokens, r.completion_tokens, " COST ","
	"  r.claimed_at, r.sent_at, r.first_byte_at, r.finished_at, r.parsed::jsonb"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
	"  $18, $19, $20, $21, $22, $23) AS r(id, claim_no, kind, sample, charged, provider, model,"
	"  http_status, outcome, error_code, error_message, request_id, prompt_tokens,"
	"  cached_tokens, completion_tokens, input_price, cached_price, output_price, claimed_at,"
	"  sent_at, first_byte_at, finished_at, parsed)"
	" RETURNING job_id, attempt",
	23, {UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BOOLARRAYOID, TEXTARRAYOID,
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID,
		NUMERICARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID}
};

/* The same columns, for a call whose open row was committed before it was sent. */
static LiStatement close_statement = {
	"UPDATE linkedin_ingest.scoring_attempts AS a SET charged = r.charged,"
	" http_status = r.http_status, outcome = r.outcome, error_code = r.error_code,"
	" error_message = r.error_message, request_id = r.request_id,"
	" prompt_tokens = r.prompt_tokens, completion_tokens = r.completion_tokens,"
	" cost_usd = " COST ", sent_at = r.sent_at, first_byte_at = r.first_byte_at,"
	" finished_at = r.finished_at, parsed = r.parsed::jsonb, recorded_at = clock_timestamp()"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
	"  $18, $19, $20, $21, $22, $23) AS r(id, claim_no, kind, sample, charged, provider, model,"
	"  http_status, outcome, error_code, error_message, request_id, prompt_tokens,"
	"  cached_tokens, completion_tokens, input_price, cached_price, output_price, claimed_at,"
	"  sent_at, first_byte_at, finished_at, parsed)"
	" WHERE a.job_id = r.id AND a.claim_no = r.claim_no AND a.outcome IS NULL"
	" AND a.sample = r.sample",
	23, {UUIDARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INT4ARRAYOID, BOOLARRAYOID, TEXTARRAYOID,
		TEXTARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		INT4ARRAYOID, INT4ARRAYOID, INT4ARRAYOID, NUMERICARRAYOID, NUMERICARRAYOID,
		NUMERICARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
		TIMESTAMPTZARRAYOID, TEXTARRAYOID}
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
	"  WHERE j.id = ANY (ARRAY ("
	"   SELECT p.id FROM linkedin_ingest.scoring_jobs AS p"
	"   WHERE p.status = 'processing' AND p.worker_id = ANY ($1)"
	"   LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED))"
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
 * A call whose claim was lost, by a cancel for one: it was made all the same.
 * Who took the claim may have written the row already.
 */
static LiStatement late_statement = {
	"WITH r AS (SELECT $9 AS prompt_tokens, $10 AS cached_tokens, $11 AS completion_tokens,"
	"  $12 AS input_price, $13 AS cached_price, $14 AS output_price),"
	" closed AS ("
	" UPDATE linkedin_ingest.scoring_attempts AS a SET outcome = 'cancelled',"
	"  error_code = 'cancelled', http_status = $7, request_id = $8,"
	"  prompt_tokens = r.prompt_tokens, completion_tokens = r.completion_tokens,"
	"  cost_usd = " COST ", sent_at = $6, finished_at = $15, recorded_at = clock_timestamp()"
	"  FROM r WHERE a.job_id = $1 AND a.claim_no = $2 AND a.sample = $4 AND a.outcome IS NULL"
	"  RETURNING a.job_id)"
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
	"  WHERE a.job_id = $1 AND a.claim_no = $2 AND a.sample = $4)",
	15, {UUIDOID, INT4OID, TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, TEXTOID,
		INT4OID, INT4OID, INT4OID, NUMERICOID, NUMERICOID, NUMERICOID, TIMESTAMPTZOID}
};

/* Which rows may be written now; the order is the same for all who write many. */
static LiStatement lock_statement = {
	"SELECT j.id FROM linkedin_ingest.scoring_jobs AS j WHERE j.id = ANY ($1)"
	" ORDER BY j.id FOR NO KEY UPDATE SKIP LOCKED",
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

static LiStatement processing_statement = {
	"SELECT FROM linkedin_ingest.scoring_jobs WHERE status = 'processing' LIMIT 1", 0
};

/* Valid answers of earlier claims, of the model that the job has now. */
static LiStatement samples_statement = {
	"SELECT a.sample, a.parsed::text FROM linkedin_ingest.scoring_attempts AS a"
	" WHERE a.job_id = $1 AND a.model = $2 AND a.parsed IS NOT NULL ORDER BY a.attempt",
	2, {UUIDOID, TEXTOID}
};

static LiStatement cached_statement = {
	"SELECT j.parsed_score::text FROM linkedin_ingest.scoring_jobs AS j"
	" WHERE j.cache_key = $1 AND j.status = 'completed' AND j.profile_id = $2"
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

/* ---------- columns of parameters ---------- */

/* A column under construction; rows are appended in the order of the records. */
typedef struct Column
{
	Oid			type;
	int			n;
	Datum	   *values;
	bool	   *nulls;
} Column;

static void
columns_init(Column *columns, const LiStatement *statement, int rows)
{
	int			i;

	for (i = 0; i < statement->nargs; i++)
	{
		columns[i].type = get_element_type(statement->types[i]);
		columns[i].n = 0;
		columns[i].values = palloc0(sizeof(Datum) * (rows + 1));
		columns[i].nulls = palloc0(sizeof(bool) * (rows + 1));
	}
}

static void
put(Column *column, Datum value, bool isnull)
{
	column->values[column->n] = value;
	column->nulls[column->n] = isnull;
	column->n++;
}

static void
put_int(Column *column, int value)
{
	put(column, Int32GetDatum(value), false);
}

static void
put_int_unless(Column *column, int value, int missing)
{
	put(column, Int32GetDatum(value), value == missing);
}

static void
put_bool(Column *column, bool value)
{
	put(column, BoolGetDatum(value), false);
}

static void
put_text(Column *column, const char *value)
{
	put(column, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static void
put_uuid(Column *column, const pg_uuid_t *value)
{
	put(column, UUIDPGetDatum(value), false);
}

static void
put_uuid_text(Column *column, const char *value)
{
	put(column, value ? DirectFunctionCall1(uuid_in, CStringGetDatum(value)) : (Datum) 0,
		value == NULL);
}

static Datum
numeric_from(const char *value)
{
	if (value == NULL)
		return (Datum) 0;
	return DirectFunctionCall3(numeric_in, CStringGetDatum(value),
							   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
}

static void
put_numeric(Column *column, const char *value)
{
	put(column, numeric_from(value), value == NULL);
}

static void
put_time(Column *column, TimestampTz value)
{
	put(column, TimestampTzGetDatum(value), value == 0);
}

static uint64
run_columns(LiStatement *statement, Column *columns)
{
	Datum		values[LI_SQL_MAX_ARGS];
	int			i;

	for (i = 0; i < statement->nargs; i++)
		values[i] = li_sql_array(columns[i].type, columns[i].values, columns[i].nulls,
								 columns[i].n);
	return li_sql_run(statement, values, NULL);
}

static Datum
uuid_array(List *uuids)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(uuids) + 1));
	ListCell   *cell;
	int			n = 0;

	foreach(cell, uuids)
		values[n++] = UUIDPGetDatum((pg_uuid_t *) lfirst(cell));
	return li_sql_array(UUIDOID, values, NULL, n);
}

static pg_uuid_t *
copy_uuid(MemoryContext cxt, Datum value)
{
	pg_uuid_t  *copy = MemoryContextAlloc(cxt, sizeof(pg_uuid_t));

	memcpy(copy, DatumGetUUIDP(value), sizeof(pg_uuid_t));
	return copy;
}

/* ---------- claim ---------- */

/*
 * Every (lane, priority) with pending jobs, with the time of its first job:
 * one look into the index for each, however many jobs there are.
 */
List *
li_queue_lanes(MemoryContext out)
{
	uint64		n = li_sql_read(&lanes_statement, NULL, NULL);
	List	   *lanes = NIL;
	uint64		i;
	MemoryContext old;

	for (i = 0; i < n; i++)
	{
		LiLane	   *lane = MemoryContextAllocZero(out, sizeof(LiLane));

		lane->lane = li_sql_text(out, i, 1);
		lane->priority = DatumGetInt16(li_sql_value(i, 2, 0));
		lane->first_run_at = DatumGetTimestampTz(li_sql_value(i, 3, 0));
		lane->provider = li_sql_text(out, i, 4);
		lane->model = li_sql_text(out, i, 5);
		lane->role = li_sql_text(out, i, 6);
		lane->created_by = li_sql_text(out, i, 7);
		old = MemoryContextSwitchTo(out);
		lanes = lappend(lanes, lane);
		MemoryContextSwitchTo(old);
	}
	return lanes;
}

static LiClaim *
read_claim(uint64 row, MemoryContext out)
{
	MemoryContext cxt = AllocSetContextCreate(out, "linkedin_ingest job",
											  ALLOCSET_DEFAULT_SIZES);
	LiClaim    *claim = MemoryContextAllocZero(cxt, sizeof(LiClaim));
	LiJob	   *job = &claim->job;

	claim->cxt = cxt;
	memcpy(&claim->id, DatumGetUUIDP(li_sql_value(row, 1, 0)), sizeof(pg_uuid_t));
	claim->claim_no = DatumGetInt32(li_sql_value(row, 2, 0));
	memcpy(&claim->token, DatumGetUUIDP(li_sql_value(row, 3, 0)), sizeof(pg_uuid_t));
	claim->attempts = DatumGetInt32(li_sql_value(row, 4, 0));
	claim->max_attempts = DatumGetInt32(li_sql_value(row, 5, 0));
	claim->claimed_at = DatumGetTimestampTz(li_sql_value(row, 6, 0));
	job->id = li_sql_text(cxt, row, 1);
	job->profile_id = li_sql_text(cxt, row, 7);
	job->role = li_sql_text(cxt, row, 8);
	job->stage = li_sql_text(cxt, row, 9);
	job->template_id = li_sql_text(cxt, row, 10);
	job->template_version = DatumGetInt32(li_sql_value(row, 11, Int32GetDatum(0)));
	job->prompt = li_sql_text(cxt, row, 12);
	job->provider = li_sql_text(cxt, row, 13);
	job->model = li_sql_text(cxt, row, 14);
	job->max_tokens = DatumGetInt32(li_sql_value(row, 15, 0));
	job->temperature = li_sql_text(cxt, row, 16);
	job->samples = DatumGetInt32(li_sql_value(row, 17, 0));
	return claim;
}

/* Claims up to each lane's quota of due jobs; a list of LiClaim. */
List *
li_queue_claim(List *lanes, const pg_uuid_t *worker, MemoryContext out)
{
	int			rows = list_length(lanes);
	Datum	   *names = palloc(sizeof(Datum) * (rows + 1));
	Datum	   *priorities = palloc(sizeof(Datum) * (rows + 1));
	Datum	   *quotas = palloc(sizeof(Datum) * (rows + 1));
	Datum		values[5];
	List	   *claims = NIL;
	ListCell   *cell;
	uint64		n;
	uint64		i;
	int			lane_count = 0;

	foreach(cell, lanes)
	{
		LiLane	   *lane = lfirst(cell);

		if (lane->quota <= 0)
			continue;
		names[lane_count] = CStringGetTextDatum(lane->lane);
		priorities[lane_count] = Int16GetDatum(lane->priority);
		quotas[lane_count] = Int32GetDatum(lane->quota);
		lane_count++;
	}
	if (lane_count == 0)
		return NIL;

	values[0] = li_sql_array(TEXTOID, names, NULL, lane_count);
	values[1] = li_sql_array(INT2OID, priorities, NULL, lane_count);
	values[2] = li_sql_array(INT4OID, quotas, NULL, lane_count);
	values[3] = UUIDPGetDatum(worker);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	n = li_sql_run(&claim_statement, values, NULL);
	for (i = 0; i < n; i++)
	{
		LiClaim    *claim = read_claim(i, out);
		MemoryContext old = MemoryContextSwitchTo(out);

		claims = lappend(claims, claim);
		MemoryContextSwitchTo(old);
	}
	return claims;
}

/* Fills parsed[sample] with what is on record, in the claim's context. */
void
li_queue_samples(const LiClaim *claim, const char **parsed)
{
	Datum		values[2];
	uint64		n;
	uint64		i;

	values[0] = UUIDPGetDatum(&claim->id);
	values[1] = CStringGetTextDatum(claim->job.model);
	n = li_sql_read(&samples_statement, values, NULL);
	for (i = 0; i < n; i++)
	{
		int			sample = DatumGetInt32(li_sql_value(i, 1, 0));

		if (sample >= 1 && sample <= claim->job.samples)
			parsed[sample] = li_sql_text(claim->cxt, i, 2);
	}
}

/*
 * The answer of the newest completed job that asked the same about the same
 * person within the last ttl seconds, in the claim's context; NULL: none.
 */
const char *
li_queue_cached(const LiClaim *claim, const char *cache_key, int ttl_s)
{
	Datum		values[3];

	values[0] = CStringGetTextDatum(cache_key);
	values[1] = DirectFunctionCall1(uuid_in, CStringGetDatum(claim->job.profile_id));
	values[2] = TimestampTzGetDatum(TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
																-(int64) ttl_s * 1000));
	if (li_sql_read(&cached_statement, values, NULL) == 0)
		return NULL;
	return li_sql_text(claim->cxt, 0, 1);
}

/* ---------- record ---------- */

/* Parameters of a one-row statement. */
typedef struct Parameters
{
	int			n;
	Datum		values[LI_SQL_MAX_ARGS];
	char		nulls[LI_SQL_MAX_ARGS];
} Parameters;

static void
add(Parameters *p, Datum value, bool isnull)
{
	p->values[p->n] = value;
	p->nulls[p->n++] = isnull ? 'n' : ' ';
}

static void
add_text(Parameters *p, const char *value)
{
	add(p, value ? CStringGetTextDatum(value) : (Datum) 0, value == NULL);
}

static void
add_int_unless(Parameters *p, int value, int missing)
{
	add(p, Int32GetDatum(value), value == missing);
}

static void
add_numeric(Parameters *p, const char *value)
{
	add(p, numeric_from(value), value == NULL);
}

static void
add_texts(Parameters *p, const char *const *items)
{
	Datum	   *values;
	int			n = 0;
	int			i;

	while (items != NULL && items[n] != NULL)
		n++;
	values = palloc(sizeof(Datum) * (n + 1));
	for (i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(items[i]);
	add(p, li_sql_array(TEXTOID, values, NULL, n), n == 0);
}

/* The job's row; says in the record whether the claim still held. */
static void
record_job(LiRecord *r)
{
	const LiCallRecord *call = r->call;
	const LiResult *result = r->result;
	Parameters	p;

	p.n = 0;
	add(&p, UUIDPGetDatum(&r->claim->id), false);
	add(&p, Int32GetDatum(r->claim->claim_no), false);
	add(&p, UUIDPGetDatum(&r->claim->token), false);
	add_text(&p, r->status);
	add(&p, TimestampTzGetDatum(r->run_at), r->run_at == 0);
	add(&p, Int32GetDatum(r->give_back ? 1 : 0), false);
	add(&p, BoolGetDatum(r->retryable), false);
	add_int_unless(&p, call ? call->http_status : 0, 0);
	add_text(&p, r->error_code);
	add_text(&p, r->error_message);
	add_text(&p, r->request);
	add_text(&p, r->reply);
	add_text(&p, result ? result->parsed_score : NULL);
	add_numeric(&p, result ? result->overall_score : NULL);
	add_text(&p, result ? result->recommended_role : NULL);
	add(&p, BoolGetDatum(result ? result->needs_review : false), false);
	add_texts(&p, result ? result->review_reasons : NULL);
	add_int_unless(&p, call ? call->prompt_tokens : -1, -1);
	add_int_unless(&p, call ? call->cached_tokens : -1, -1);
	add_int_unless(&p, call ? call->completion_tokens : -1, -1);
	add_numeric(&p, call ? call->input_price : NULL);
	add_numeric(&p, call ? call->cached_price : NULL);
	add_numeric(&p, call ? call->output_price : NULL);
	add_text(&p, r->cache_key);
	add(&p, BoolGetDatum(r->cached), false);
	Assert(p.n == record_statement.nargs);

	r->stored = li_sql_run(&record_statement, p.values, p.nulls) > 0;
}

/* The attempt row of a call whose claim was lost. */
void
li_queue_record_late(const LiClaim *claim, const LiCallRecord *call)
{
	Parameters	p;

	p.n = 0;
	add(&p, UUIDPGetDatum(&claim->id), false);
	add(&p, Int32GetDatum(claim->claim_no), false);
	add_text(&p, call->kind);
	add(&p, Int32GetDatum(call->sample), false);
	add(&p, TimestampTzGetDatum(claim->claimed_at), false);
	add(&p, TimestampTzGetDatum(call->sent_at), call->sent_at == 0);
	add_int_unless(&p, call->http_status, 0);
	add_text(&p, call->request_id);
	add_int_unless(&p, call->prompt_tokens, -1);
	add_int_unless(&p, call->cached_tokens, -1);
	add_int_unless(&p, call->completion_tokens, -1);
	add_numeric(&p, call->input_price);
	add_numeric(&p, call->cached_price);
	add_numeric(&p, call->output_price);
	add(&p, TimestampTzGetDatum(call->finished_at ? call->finished_at :
								GetCurrentTimestamp()), false);
	Assert(p.n == late_statement.nargs);
	li_sql_run(&late_statement, p.values, p.nulls);
}

static void
put_call(Column *c, const LiRecord *r, const LiCallRecord *call)
{
	put_uuid(&c[0], &r->claim->id);
	put_int(&c[1], r->claim->claim_no);
	put_text(&c[2], call->kind);
	put_int(&c[3], call->sample);
	put_bool(&c[4], call->charged);
	put_text(&c[5], r->claim->job.provider);
	put_text(&c[6], r->claim->job.model);
	put_int_unless(&c[7], call->http_status, 0);
	put_text(&c[8], call->outcome);
	put_text(&c[9], call->error_code);
	put_text(&c[10], call->error_message);
	put_text(&c[11], call->request_id);
	put_int_unless(&c[12], call->prompt_tokens, -1);
	put_int_unless(&c[13], call->cached_tokens, -1);
	put_int_unless(&c[14], call->completion_tokens, -1);
	put_numeric(&c[15], call->input_price);
	put_numeric(&c[16], call->cached_price);
	put_numeric(&c[17], call->output_price);
	put_time(&c[18], r->claim->claimed_at);
	put_time(&c[19], call->sent_at);
	put_time(&c[20], call->first_byte_at);
	put_time(&c[21], call->finished_at);
	put_text(&c[22], call->parsed);
}

/* Attempt rows: new ones, ones that were open, and open ones for what follows. */
static void
record_attempts(List *records)
{
	Column		fresh[LI_SQL_MAX_ARGS];
	Column		open[LI_SQL_MAX_ARGS];
	ListCell   *cell;

	columns_init(fresh, &attempts_statement, list_length(records));
	columns_init(open, &close_statement, list_length(records));
	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);

		if (r->stored && r->call != NULL)
			put_call(r->call->open_attempt > 0 ? open : fresh, r, r->call);
	}
	if (fresh[0].n > 0)
		run_columns(&attempts_statement, fresh);
	if (open[0].n > 0)
		run_columns(&close_statement, open);

	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);

		if (r->stored && r->next != NULL)
		{
			columns_init(fresh, &attempts_statement, 1);
			put_call(fresh, r, r->next);
			run_columns(&attempts_statement, fresh);
			r->next_attempt = DatumGetInt32(li_sql_value(0, 2, 0));
		}
	}
}

static void
record_spend(List *records)
{
	Column		c[LI_SQL_MAX_ARGS];
	ListCell   *cell;

	columns_init(c, &spend_statement, list_length(records));
	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);

		/* paid is paid, whether the job still wants it or not */
		if (r->locked || r->call == NULL || r->call->sent_at == 0)
			continue;
		put_text(&c[0], r->claim->job.provider);
		put_text(&c[1], r->claim->job.model);
		put_text(&c[2], r->claim->job.role);
		put_uuid_text(&c[3], r->claim->job.template_id);
		put_int_unless(&c[4], r->call->prompt_tokens, -1);
		put_int_unless(&c[5], r->call->cached_tokens, -1);
		put_int_unless(&c[6], r->call->completion_tokens, -1);
		put_numeric(&c[7], r->call->input_price);
		put_numeric(&c[8], r->call->cached_price);
		put_numeric(&c[9], r->call->output_price);
	}
	if (c[0].n > 0)
		run_columns(&spend_statement, c);
}

static bool
is_terminal(const char *status)
{
	return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0;
}

static bool
has_uuid(uint64 rows, const pg_uuid_t *id)
{
	uint64		i;

	for (i = 0; i < rows; i++)
		if (memcmp(DatumGetUUIDP(li_sql_value(i, 1, 0)), id, UUID_LEN) == 0)
			return true;
	return false;
}

/*
 * Locks the jobs without waiting.  A row that somebody else has locked (a
 * cancel_job() that is not committed yet) must not hold up the rest, so it is
 * marked and left for later; one that does not exist is not locked.
 */
static void
lock_jobs(List *records)
{
	List	   *ids = NIL;
	List	   *missing = NIL;
	ListCell   *cell;
	Datum		array;
	uint64		n;

	foreach(cell, records)
		ids = lappend(ids, unconstify(pg_uuid_t *, &((LiRecord *) lfirst(cell))->claim->id));
	array = uuid_array(ids);
	n = li_sql_run(&lock_statement, &array, NULL);
	if (n == (uint64) list_length(records))
	{
		foreach(cell, records)
			((LiRecord *) lfirst(cell))->locked = false;
		return;
	}
	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);

		r->locked = !has_uuid(n, &r->claim->id);
		if (r->locked)
			missing = lappend(missing, unconstify(pg_uuid_t *, &r->claim->id));
	}
	array = uuid_array(missing);
	n = li_sql_read(&exist_statement, &array, NULL);
	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);

		r->locked = r->locked && has_uuid(n, &r->claim->id);
	}
}

static List *
add_notice(List *notices, const char *job, const char *status, MemoryContext out)
{
	MemoryContext old = MemoryContextSwitchTo(out);

	notices = lappend(notices, psprintf("{\"job_id\": \"%s\", \"status\": \"%s\"}", job, status));
	MemoryContextSwitchTo(old);
	return notices;
}

/* Settles who waits for the ended jobs; adds notices of those cancelled by it. */
static List *
settle_dependents(List *ended, List *notices, MemoryContext out)
{
	Datum		ids = uuid_array(ended);
	uint64		n = li_sql_run(&dependents_statement, &ids, NULL);
	uint64		i;

	for (i = 0; i < n; i++)
		notices = add_notice(notices, li_sql_text(out, i, 1), "cancelled", out);
	return notices;
}

/*
 * Writes one step of each job: its row, the attempt, the bill, the latest
 * score, its dependents.  A job may stand in the list once.  Sets "stored"
 * and "next_attempt" of each record; returns the notices (payload texts) of
 * all jobs that ended by it, to be sent after the commit.
 */
List *
li_queue_record(List *records, MemoryContext out)
{
	List	   *completed = NIL;
	List	   *ended = NIL;
	List	   *notices = NIL;
	ListCell   *cell;

	lock_jobs(records);
	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);

		r->stored = false;
		if (!r->locked)
			record_job(r);
		if (!r->locked && !r->stored && r->call != NULL)
			li_queue_record_late(r->claim, r->call);
	}
	record_attempts(records);
	record_spend(records);

	foreach(cell, records)
	{
		LiRecord   *r = lfirst(cell);
		pg_uuid_t  *id = unconstify(pg_uuid_t *, &r->claim->id);

		if (!r->stored || !is_terminal(r->status))
			continue;
		ended = lappend(ended, id);
		if (strcmp(r->status, "completed") == 0)
			completed = lappend(completed, id);
		notices = add_notice(notices, r->claim->job.id, r->status, out);
	}
	if (completed != NIL)
	{
		Datum		ids = uuid_array(completed);

		li_sql_run(&latest_statement, &ids, NULL);
	}
	if (ended != NIL)
		notices = settle_dependents(ended, notices, out);
	return notices;
}

/*
 * Queues the notices (payload texts); the commit sends them.  For a
 * transaction of its own: its failure must not touch a job.
 */
void
li_queue_notify(List *payloads)
{
	ListCell   *cell;

	foreach(cell, payloads)
		Async_Notify("linkedin_ingest", lfirst(cell));
}

/* ---------- rescue, hand-back, cancel ---------- */

static List *
uuid_rows(uint64 n, MemoryContext out)
{
	MemoryContext old = MemoryContextSwitchTo(out);
	List	   *uuids = NIL;
	uint64		i;

	for (i = 0; i < n; i++)
		uuids = lappend(uuids, copy_uuid(out, li_sql_value(i, 1, 0)));
	MemoryContextSwitchTo(old);
	return uuids;
}

/*
 * Ids of all that may own jobs.  To be read before their liveness: who claims
 * later is not among them, and who has claimed can be seen to live.
 */
List *
li_queue_owners(MemoryContext out)
{
	return uuid_rows(li_sql_read(&owners_statement, NULL, NULL), out);
}

/* Ids of other sessions that are live now, in a server without shared memory. */
List *
li_queue_live_sessions(MemoryContext out)
{
	return uuid_rows(li_sql_run(&sessions_statement, NULL, NULL), out);
}

/* Whether any job is processing. */
bool
li_queue_is_processing(void)
{
	return li_sql_read(&processing_statement, NULL, NULL) > 0;
}

/* Jobs of these profiles (uuid[]) created since then, as committed by now. */
int64
li_queue_count_now(Datum profiles, Datum since)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[2] = {UUIDARRAYOID, TIMESTAMPTZOID};
	Datum		values[2] = {profiles, since};
	Snapshot	latest;

	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT count(*)"
						   " FROM linkedin_ingest.scoring_jobs AS j"
						   " WHERE j.profile_id = ANY ($1) AND j.created_at > $2", 2, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	}
	latest = RegisterSnapshot(GetLatestSnapshot());
	if (SPI_execute_snapshot(plan, values, NULL, latest, InvalidSnapshot,
							 true, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not count jobs");
	UnregisterSnapshot(latest);
	return DatumGetInt64(li_sql_value(0, 1, Int64GetDatum(0)));
}

/*
 * A job's state as of now, whatever the transaction's snapshot; NULL: there is
 * no such job.  *own: the row was written by the current transaction.
 */
char *
li_queue_state(const pg_uuid_t *job, MemoryContext out, bool *own)
{
	static SPIPlanPtr plan = NULL;
	Oid			types[1] = {UUIDOID};
	Datum		values[1];
	Snapshot	latest;

	*own = false;
	if (plan == NULL)
	{
		plan = SPI_prepare("SELECT j.status, j.xmin"
						   " FROM linkedin_ingest.scoring_jobs AS j WHERE j.id = $1", 1, types);
		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
	}
	values[0] = UUIDPGetDatum(job);
	latest = RegisterSnapshot(GetLatestSnapshot());
	if (SPI_execute_snapshot(plan, values, NULL, latest, InvalidSnapshot,
							 true, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read a job's state");
	UnregisterSnapshot(latest);
	if (SPI_processed == 0)
		return NULL;
	*own = TransactionIdIsCurrentTransactionId(
		DatumGetTransactionId(li_sql_value(0, 2, 0)));
	return li_sql_text(out, 0, 1);
}

/*
 * Takes jobs from workers that are gone; returns how many.
 * They stay charged: a job that kills its worker must not do so for ever.
 * Adds to the notices those of the jobs that failed by it.
 */
int
li_queue_rescue(List *dead, List **notices, MemoryContext out)
{
	Datum		values[2];
	List	   *failed = NIL;
	uint64		n;
	uint64		i;

	values[0] = uuid_array(dead);
	values[1] = Int64GetDatum(RESCUE_BATCH);
	n = li_sql_run(&rescue_statement, values, NULL);
	for (i = 0; i < n; i++)
		if (DatumGetBool(li_sql_value(i, 2, BoolGetDatum(false))))
		{
			failed = lappend(failed, copy_uuid(out, li_sql_value(i, 1, 0)));
			*notices = add_notice(*notices, li_sql_text(out, i, 1), "failed", out);
		}
	if (failed != NIL)
		*notices = settle_dependents(failed, *notices, out);
	return (int) n;
}

/*
 * Gives back, uncharged, every job the worker holds; "sent" lists the ids
 * (pg_uuid_t *) whose call had been sent.  Waits for nothing: rows and a table
 * that somebody else has locked are left to the rescue.  Returns the number of
 * jobs, -1 when the table was locked.
 */
int
li_queue_hand_back(const pg_uuid_t *worker, List *sent)
{
	Oid			schema = get_namespace_oid("linkedin_ingest", true);
	Oid			jobs = OidIsValid(schema) ? get_relname_relid("scoring_jobs", schema) : InvalidOid;
	Oid			attempts = OidIsValid(schema) ? get_relname_relid("scoring_attempts", schema) : InvalidOid;
	Datum		values[2];

	if (!OidIsValid(jobs) || !OidIsValid(attempts) ||
		!ConditionalLockRelationOid(jobs, RowExclusiveLock) ||
		!ConditionalLockRelationOid(attempts, RowExclusiveLock))
		return -1;

	values[0] = UUIDPGetDatum(worker);
	values[1] = uuid_array(sent);
	li_sql_run(&hand_back_statement, values, NULL);
	return (int) DatumGetInt64(li_sql_value(0, 1, Int64GetDatum(0)));
}

/* Which of the claims no longer hold: cancelled, rescued or deleted. */
List *
li_queue_lost(List *claims, MemoryContext out)
{
	Column		c[LI_SQL_MAX_ARGS];
	List	   *lost = NIL;
	ListCell   *cell;
	uint64		n;
	uint64		i;

	columns_init(c, &lost_statement, list_length(claims));
	foreach(cell, claims)
	{
		LiClaim    *claim = lfirst(cell);

		put_uuid(&c[0], &claim->id);
		put_int(&c[1], claim->claim_no);
		put_uuid(&c[2], &claim->token);
	}
	n = run_columns(&lost_statement, c);
	for (i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(out);

		lost = lappend(lost, list_nth(claims, DatumGetInt32(li_sql_value(i, 1, 0)) - 1));
		MemoryContextSwitchTo(old);
	}
	return lost;
}

/* ---------- workers ---------- */

/* Writes the worker's row; for a worker that owns jobs, now and then. */
void
li_queue_beat(const pg_uuid_t *worker, TimestampTz started_at)
{
	Datum		values[3];

	values[0] = UUIDPGetDatum(worker);
	values[1] = TimestampTzGetDatum(started_at);
	values[2] = CStringGetTextDatum(LI_VERSION);
	li_sql_run(&beat_statement, values, NULL);
}

/* Removes the rows of workers that are gone, once they own nothing. */
void
li_queue_forget_workers(List *dead)
{
	Datum		ids = uuid_array(dead);

	li_sql_run(&forget_statement, &ids, NULL);
}
