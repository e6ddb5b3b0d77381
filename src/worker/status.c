/*-------------------------------------------------------------------------
 *
 * status.c
 *		SQL functions over shared memory, and waiting for a job.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include <curl/curl.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sql.h"
#include "worker/blocks.h"
#include "worker/budgets.h"
#include "worker/limits.h"
#include "worker/queue.h"
#include "worker/shared_state.h"
#include "worker/wakeup.h"

#define UNPRELOADED_POLL_MS 200
#define DEFAULT_WAIT_MS		60000	/* as in worker.sql */

PG_FUNCTION_INFO_V1(linkedin_ingest_is_preloaded);
PG_FUNCTION_INFO_V1(linkedin_ingest_build_info);
PG_FUNCTION_INFO_V1(linkedin_ingest_worker_slots);
PG_FUNCTION_INFO_V1(linkedin_ingest_worker_reason);
PG_FUNCTION_INFO_V1(linkedin_ingest_live_workers);
PG_FUNCTION_INFO_V1(linkedin_ingest_account_states);
PG_FUNCTION_INFO_V1(linkedin_ingest_budget_refuses);
PG_FUNCTION_INFO_V1(linkedin_ingest_clear_block);
PG_FUNCTION_INFO_V1(linkedin_ingest_wait_for_job);
PG_FUNCTION_INFO_V1(linkedin_ingest_count_jobs_now);

static void
emit(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = value == NULL || value[0] == '\0';
	return *isnull ? (Datum) 0 : CStringGetTextDatum(value);
}

static Datum
time_or_null(TimestampTz value, bool *isnull)
{
	*isnull = value == 0;
	return TimestampTzGetDatum(value);
}

/* is_preloaded() -> boolean */
Datum
linkedin_ingest_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(li_preloaded());
}

/* build_info() -> (library_version, build_commit, libcurl) */
Datum
linkedin_ingest_build_info(PG_FUNCTION_ARGS)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	InitMaterializedSRF(fcinfo, 0);
	values[0] = CStringGetTextDatum(LI_VERSION);
	values[1] = text_or_null(LI_BUILD_COMMIT, &nulls[1]);
	values[2] = CStringGetTextDatum(curl_version_info(CURLVERSION_NOW)->version);
	emit(fcinfo, values, nulls);
	return (Datum) 0;
}

/* worker_slots() -> one row per worker and run_once session of this database */
Datum
linkedin_ingest_worker_slots(PG_FUNCTION_ARGS)
{
	static const char *const states[] = {"starting", "running", "paused"};
	uint64		now = li_monotonic_ms();
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot		slot;
		Datum		values[15];
		bool		nulls[15] = {false};
		Interval   *age;

		li_shared_lock(LW_SHARED);
		memcpy(&slot, &li_shared->slots[i], sizeof(LiSlot));
		li_shared_unlock();
		/* what other databases do is theirs to see */
		if (slot.kind == LI_SLOT_FREE || slot.pid == 0 || slot.database != MyDatabaseId)
			continue;

		age = palloc0(sizeof(Interval));
		age->time = (int64) (now - Min(now, pg_atomic_read_u64(&slot.beat_ms))) * 1000;
		values[0] = ObjectIdGetDatum(slot.database);
		values[1] = Int32GetDatum(slot.pid);
		values[2] = UUIDPGetDatum(&slot.incarnation);
		values[3] = CStringGetTextDatum(slot.kind == LI_SLOT_WORKER ? "worker" : "session");
		values[4] = CStringGetTextDatum(states[slot.state]);
		values[5] = text_or_null(slot.superseded ? "replaced: it gave no sign of life" : slot.reason,
								 &nulls[5]);
		values[6] = time_or_null(slot.started_at, &nulls[6]);
		values[7] = Int32GetDatum((int32) pg_atomic_read_u32(&slot.in_flight));
		values[8] = Int64GetDatum((int64) pg_atomic_read_u64(&slot.completed));
		values[9] = Int64GetDatum((int64) pg_atomic_read_u64(&slot.failed));
		values[10] = Int64GetDatum((int64) pg_atomic_read_u64(&slot.retried));
		values[11] = Int64GetDatum((int64) pg_atomic_read_u64(&slot.deferred));
		values[12] = Int64GetDatum((int64) pg_atomic_read_u64(&slot.stale));
		values[13] = text_or_null(slot.last_error, &nulls[13]);
		values[14] = IntervalPGetDatum(age);
		emit(fcinfo, values, nulls);
	}
	return (Datum) 0;
}

/* worker_reason() -> text: why no worker runs in this database; null: one does or will */
Datum
linkedin_ingest_worker_reason(PG_FUNCTION_ARGS)
{
	const char *reason = NULL;
	char		copy[LI_REASON_LEN] = "";
	LiDatabase *db;

	if (!li_preloaded())
		reason = "the library is not preloaded: add linkedin_ingest to shared_preload_libraries and restart the server";
	else if (RecoveryInProgress())
		reason = "the server is a standby";
	else if (li_shared->launcher_pid == 0)
		reason = "the launcher is not running";
	else
	{
		li_shared_lock(LW_SHARED);
		db = li_database_find(MyDatabaseId, false);
		if (db == NULL)
			reason = "the launcher has not seen this database yet, or linkedin_ingest.databases leaves it out";
		else if (db->leaving > 0)
			reason = "a command wants the database to itself";
		else if (db->reason[0])
		{
			strlcpy(copy, db->reason, sizeof(copy));
			reason = copy;
		}
		else if (db->state == LI_DB_ABSENT)
			reason = "the extension was not there when the worker looked";
		else if (db->crashes > 0 && db->next_start_ms > li_monotonic_ms())
			reason = "the worker crashed and is started again after a pause; see the server log";
		li_shared_unlock();
	}
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}

/* live_workers() -> ids of the workers and sessions that may own jobs here */
Datum
linkedin_ingest_live_workers(PG_FUNCTION_ARGS)
{
	pg_uuid_t	slots[LI_MAX_SLOTS];
	List	   *sessions = NIL;
	ListCell   *cell;
	MemoryContext cxt;
	bool		isnull = false;
	int			n = 0;
	int			i;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	cxt = CurrentMemoryContext;
	if (!li_preloaded())
	{
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		sessions = li_queue_live_sessions(cxt);
		SPI_finish();
	}
	li_shared_lock(LW_SHARED);
	for (i = 0; i < LI_MAX_SLOTS; i++)
		if (li_shared->slots[i].database == MyDatabaseId && li_slot_is_live(&li_shared->slots[i]))
			slots[n++] = li_shared->slots[i].incarnation;
	li_shared_unlock();
	for (i = 0; i < n; i++)
	{
		Datum		value = UUIDPGetDatum(&slots[i]);

		emit(fcinfo, &value, &isnull);
	}
	foreach(cell, sessions)
	{
		Datum		value = UUIDPGetDatum((pg_uuid_t *) lfirst(cell));

		emit(fcinfo, &value, &isnull);
	}
	return (Datum) 0;
}

/* ---------- accounts ---------- */

static void
emit_account(FunctionCallInfo fcinfo, const LiProviderRow *provider, const LiAccount *entry,
			 const char *model)
{
	Datum		values[15];
	bool		nulls[15] = {false};
	int			in_flight;
	LiAccount	copy = entry ? *entry : (LiAccount) {0};
	uint64		now = li_monotonic_ms();
	double		per_second = li_pace_now(&copy.pace, now);
	int64		full_ms = Max(li_bucket_wait_ms(&copy.requests, now),
							  li_bucket_wait_ms(&copy.tokens, now));
	char		hash[LI_ACCOUNT_LEN * 2 + 1];
	const char *code = entry && entry->blocked ? entry->code : NULL;
	const char *message = entry && entry->blocked ? entry->message : NULL;

	li_shared_lock(LW_SHARED);
	in_flight = li_limits_in_flight(&copy);
	li_shared_unlock();
	hex_encode(provider->account, LI_ACCOUNT_LEN, hash);
	hash[LI_ACCOUNT_LEN * 2] = '\0';
	if (provider->problem != NULL && model[0] == '\0')
	{
		code = "config_error";
		message = provider->problem;
	}
	values[0] = CStringGetTextDatum(provider->name);
	values[1] = CStringGetTextDatum(model);
	values[2] = CStringGetTextDatum(hash);
	values[3] = BoolGetDatum(provider->key_found);
	values[4] = text_or_null(code, &nulls[4]);
	values[5] = text_or_null(message, &nulls[5]);
	values[6] = time_or_null(entry && entry->blocked ? entry->blocked_at : 0, &nulls[6]);
	values[7] = time_or_null(entry && entry->blocked ? entry->next_probe_at : 0, &nulls[7]);
	values[8] = time_or_null(entry && entry->throttled_until > GetCurrentTimestamp() ?
							 entry->throttled_until : 0, &nulls[8]);
	values[9] = Int32GetDatum(in_flight);
	values[10] = Int32GetDatum(entry ? entry->requests_limit.per_minute : 0);
	nulls[10] = DatumGetInt32(values[10]) == 0;
	values[11] = Int32GetDatum(entry ? entry->tokens_limit.per_minute : 0);
	nulls[11] = DatumGetInt32(values[11]) == 0;
	values[12] = BoolGetDatum(entry != NULL && entry->broken);
	nulls[13] = isinf(per_second);
	if (!nulls[13])
		values[13] = DirectFunctionCall2(numeric_round,
										 DirectFunctionCall1(float8_numeric,
															 Float8GetDatum(per_second)),
										 Int32GetDatum(1));
	/* a moment's wait is how a limit is kept, and no news */
	values[14] = time_or_null(full_ms > 1000 ?
							  TimestampTzPlusMilliseconds(GetCurrentTimestamp(), full_ms) : 0,
							  &nulls[14]);
	emit(fcinfo, values, nulls);
}

/*
 * account_states() -> one row per provider (model '') and one per blocked or
 * limited model of it, from shared memory; without preload from provider_blocks.
 */
Datum
linkedin_ingest_account_states(PG_FUNCTION_ARGS)
{
	MemoryContext cxt;
	LiAccounts *accounts;
	LiAccount  *entries;
	ListCell   *cell;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	cxt = CurrentMemoryContext;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	accounts = li_accounts_load(cxt);
	if (!li_preloaded())
	{
		memset(li_shared->accounts, 0, sizeof(li_shared->accounts));
		li_accounts_restore_blocks(accounts);
	}
	SPI_finish();

	entries = palloc(sizeof(li_shared->accounts));
	li_shared_lock(LW_SHARED);
	memcpy(entries, li_shared->accounts, sizeof(li_shared->accounts));
	li_shared_unlock();

	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);
		LiAccount  *whole = NULL;

		for (i = 0; i < LI_MAX_ACCOUNTS; i++)
			if (entries[i].used && entries[i].model[0] == '\0' &&
				memcmp(entries[i].hash, provider->account, LI_ACCOUNT_LEN) == 0)
				whole = &entries[i];
		emit_account(fcinfo, provider, whole, "");
		for (i = 0; i < LI_MAX_ACCOUNTS; i++)
			if (entries[i].used && entries[i].model[0] != '\0' &&
				(entries[i].blocked || entries[i].requests.per_second > 0 ||
				 entries[i].tokens.per_second > 0) &&
				memcmp(entries[i].hash, provider->account, LI_ACCOUNT_LEN) == 0)
				emit_account(fcinfo, provider, &entries[i], entries[i].model);
	}
	li_accounts_release(accounts);
	return (Datum) 0;
}

/* budget_refuses(of_role, name, daily_budget, model) -> boolean, from shared memory */
Datum
linkedin_ingest_budget_refuses(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(li_budget_refuses(PG_GETARG_BOOL(0), text_to_cstring(PG_GETARG_TEXT_PP(1)),
									 PG_GETARG_FLOAT8(2),
									 text_to_cstring(PG_GETARG_TEXT_PP(3))));
}

/* clear_block(provider, model): lifts it in shared memory, wakes the workers */
Datum
linkedin_ingest_clear_block(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *model = text_to_cstring(PG_GETARG_TEXT_PP(1));
	MemoryContext cxt = CurrentMemoryContext;
	LiAccounts *accounts;
	LiProviderRow *provider;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	accounts = li_accounts_load(cxt);
	SPI_finish();
	provider = li_accounts_provider(accounts, name);
	if (provider != NULL)
		li_account_unblock(provider, model);
	li_accounts_release(accounts);
	li_wakeup_at_commit(LI_WAKE_CONFIG | LI_WAKE_JOBS);
	PG_RETURN_VOID();
}

/* count_jobs_now(profile_ids, since) -> bigint, read with the latest snapshot */
Datum
linkedin_ingest_count_jobs_now(PG_FUNCTION_ARGS)
{
	int64		count;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	count = li_queue_count_now(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1));
	SPI_finish();
	PG_RETURN_INT64(count);
}

/* ---------- waiting ---------- */

static int64
interval_ms(const Interval *interval)
{
	return interval->time / 1000 + ((int64) interval->day + (int64) interval->month * 30) *
		24 * 3600 * 1000;
}

static void
no_such_job(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NO_DATA_FOUND),
			 errmsg("there is no job with this id"),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "job_id")));
}

/*
 * wait_for_job(job_id, timeout) -> text, the job's state at the end
 *
 * A null timeout is the default.  Reads with the latest snapshot whatever the isolation level, or a
 * transaction in REPEATABLE READ would wait for ever.
 */
Datum
linkedin_ingest_wait_for_job(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *job = PG_ARGISNULL(0) ? NULL : PG_GETARG_UUID_P(0);
	int64		timeout = PG_ARGISNULL(1) ? DEFAULT_WAIT_MS : interval_ms(PG_GETARG_INTERVAL_P(1));
	uint64		deadline = li_monotonic_ms() + Max(timeout, 0);
	MemoryContext cxt = CurrentMemoryContext;
	char	   *state;

	if (job == NULL)
		no_such_job();
	if (li_preloaded())
		ConditionVariablePrepareToSleep(&li_shared->job_ended);
	for (;;)
	{
		bool		own;
		int64		left;

		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		state = li_queue_state(job, cxt, &own);
		SPI_finish();
		if (state == NULL)
			no_such_job();
		if (own)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("the job was written by this transaction, the worker cannot see it yet"),
					 errhint("COMMIT first."),
					 err_generic_string(PG_DIAG_COLUMN_NAME, "job_id")));
		left = (int64) (deadline - li_monotonic_ms());
		if (left <= 0 || (strcmp(state, "pending") != 0 && strcmp(state, "processing") != 0))
			break;

		CHECK_FOR_INTERRUPTS();
		if (li_preloaded())
			ConditionVariableTimedSleep(&li_shared->job_ended, Min(left, 60000),
										li_wait_event(LI_WAIT_JOB_END));
		else
		{
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 Min(left, UNPRELOADED_POLL_MS), li_wait_event(LI_WAIT_JOB_END));
			ResetLatch(MyLatch);
		}
	}
	if (li_preloaded())
		ConditionVariableCancelSleep();
	PG_RETURN_TEXT_P(cstring_to_text(state));
}
