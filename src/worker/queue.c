/*-------------------------------------------------------------------------
 *
 * queue.c
 *		Claiming, recording, rescuing and handing back jobs.
 *
 * The only C file with SQL on scoring_jobs and scoring_attempts; the statements
 * are in queue_sql.h.
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
#include "worker/queue_sql.h"

#define RESCUE_BATCH 1000

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
	Datum	   *firsts = palloc(sizeof(Datum) * (rows + 1));
	Datum		values[6];
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
		firsts[lane_count] = TimestampTzGetDatum(lane->first_run_at);
		lane_count++;
	}
	if (lane_count == 0)
		return NIL;

	values[0] = li_sql_array(TEXTOID, names, NULL, lane_count);
	values[1] = li_sql_array(INT2OID, priorities, NULL, lane_count);
	values[2] = li_sql_array(INT4OID, quotas, NULL, lane_count);
	values[3] = UUIDPGetDatum(worker);
	values[4] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[5] = li_sql_array(TIMESTAMPTZOID, firsts, NULL, lane_count);
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

/* Fills parsed[sample] with the answers on record to the same question, in the claim's context. */
void
li_queue_samples(const LiClaim *claim, const char *cache_key, const char **parsed)
{
	Datum		values[2];
	uint64		n;
	uint64		i;

	values[0] = UUIDPGetDatum(&claim->id);
	values[1] = CStringGetTextDatum(cache_key);
	n = li_sql_read(&samples_statement, values, NULL);
	for (i = 0; i < n; i++)
	{
		int			sample = DatumGetInt32(li_sql_value(i, 1, 0));

		if (sample >= 1 && sample <= claim->job.samples)
			parsed[sample] = li_sql_text(claim->cxt, i, 2);
	}
}

/*
 * The answer of the newest completed job that asked the model the same about
 * the same person within the last ttl seconds, in the claim's context; NULL:
 * none.  An answer that was taken from here itself makes none younger.
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

/*
 * The attempt row of a call whose claim was lost.  Returns false when it is
 * there already with what the answer cost: it must not be billed twice.
 */
bool
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
	return DatumGetBool(li_sql_value(0, 1, BoolGetDatum(true)));
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
	put_text(&c[23], call->parsed ? r->cache_key : NULL);
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

		/* paid is paid, whether the job still wants the answer or not */
		if (r->locked || r->billed || r->call == NULL || r->call->sent_at == 0 ||
			(!r->stored && r->call->http_status == 0))
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

		r->stored = r->billed = false;
		if (!r->locked)
			record_job(r);
		if (!r->locked && !r->stored && r->call != NULL)
			r->billed = !li_queue_record_late(r->claim, r->call);
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

/* Whether there is any job, in whatever state. */
bool
li_queue_has_jobs(void)
{
	return li_sql_read(&any_statement, NULL, NULL) > 0;
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
