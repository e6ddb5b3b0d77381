/*-------------------------------------------------------------------------
 *
 * engine.c
 *		Claim, ask, record: one cycle, wherever it runs.
 *
 * A background worker turns the cycle for ever, run_once() until its jobs are
 * done.  Each step is a short transaction of its own (claim; render, read
 * only; record), and none is open while a model thinks.
 *
 * A job moves from list to list, and only after the step that moves it has
 * succeeded:
 *
 *		claimed		its claim is committed, the question not yet sent
 *		open		its call is in flight
 *		ended		its call has ended, the outcome not yet recorded
 *
 * So an error in any step (a lock time-out, a full disk) loses nothing: the
 * caller reports it, waits and turns the cycle again, which goes on where it
 * stopped.  What is in flight stays in flight.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "http/pool.h"
#include "settings.h"
#include "sql.h"
#include "worker/engine.h"
#include "worker/home.h"
#include "worker/work.h"

#define NOTICE_INTERVAL_MS	50
#define BUSY_LANE_WAIT_MS	100

struct LiEngine
{
	MemoryContext cxt;			/* the engine's own */
	MemoryContext step;			/* reset after each step */
	const LiTxn *txn;
	LiSlot	   *slot;
	LiHttpPool *pool;
	WaitEventSet *wait;
	LiAccounts *accounts;		/* NULL: to be loaded */

	dlist_head	claimed;
	dlist_head	open;
	dlist_head	ended;
	int			in_flight;		/* jobs in all three */
	int			limit;			/* jobs that may still be claimed; -1: any number */

	bool		look;			/* look at the queue in this cycle */
	uint64		next_poll_ms;	/* monotonic */
	uint64		next_look_ms;	/* monotonic; 0: nothing known to come due */
	uint64		next_beat_ms;	/* of the table row */
	bool		has_row;		/* in "workers" */
	bool		blocks_restored;
	bool		config_changed; /* what is blocked is worth a try */
	char		pause_reason[LI_REASON_LEN];	/* empty: it runs */

	List	   *notices;		/* payloads to send */
	uint64		notices_due_ms;
};

static LiStatement pause_statement = {
	"SELECT coalesce(reason, '') FROM linkedin_ingest.pause",
	0
};

static const LiTaskKind *job_kind;

/* Names the kind of task that rows of scoring_jobs are.  From _PG_init. */
void
li_engine_register(const LiTaskKind *kind)
{
	job_kind = kind;
}

/* ---------- life ---------- */

LiEngine *
li_engine_create(MemoryContext parent, const LiTxn *txn, LiSlot *slot)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "linkedin_ingest engine",
											  ALLOCSET_DEFAULT_SIZES);
	LiEngine   *engine = MemoryContextAllocZero(cxt, sizeof(LiEngine));

	engine->cxt = cxt;
	engine->step = AllocSetContextCreate(cxt, "linkedin_ingest step", ALLOCSET_DEFAULT_SIZES);
	engine->txn = txn;
	engine->slot = slot;
	engine->limit = -1;
	engine->look = true;
	dlist_init(&engine->claimed);
	dlist_init(&engine->open);
	dlist_init(&engine->ended);

	engine->pool = li_http_pool_create(li_max_in_flight);
	if (engine->pool == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not set up HTTP transfers")));
	engine->wait = CreateWaitEventSet(cxt, 3);
	AddWaitEventToSet(engine->wait, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(engine->wait, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(engine->wait, WL_SOCKET_READABLE, li_http_pool_fd(engine->pool), NULL, NULL);
	return engine;
}

static void
free_works(dlist_head *list)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, list)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		dlist_delete(iter.cur);
		li_work_free(work);
	}
}

/*
 * Aborts every call and frees all.  Jobs that are still held stay processing
 * in the table: hand them back first, or leave them to the rescue.
 */
void
li_engine_destroy(LiEngine *engine)
{
	free_works(&engine->claimed);
	free_works(&engine->open);
	free_works(&engine->ended);
	li_accounts_release(engine->accounts);
	FreeWaitEventSet(engine->wait);
	li_http_pool_destroy(engine->pool);
	pg_atomic_write_u32(&engine->slot->in_flight, 0);
	MemoryContextDelete(engine->cxt);
}

/* At most so many jobs more are claimed. */
void
li_engine_set_limit(LiEngine *engine, int jobs)
{
	engine->limit = jobs;
}

int
li_engine_in_flight(const LiEngine *engine)
{
	return engine->in_flight;
}

/* Nothing held, and the last look found nothing to claim. */
bool
li_engine_is_idle(const LiEngine *engine)
{
	return engine->in_flight == 0 && !engine->look;
}

/* Why it claims nothing; empty when it does. */
const char *
li_engine_pause_reason(const LiEngine *engine)
{
	return engine->pause_reason;
}

static void
add_to(LiEngine *engine, dlist_head *list, LiWork *work)
{
	dlist_push_tail(list, &work->node);
	engine->in_flight++;
	pg_atomic_write_u32(&engine->slot->in_flight, engine->in_flight);
}

/* The work has left the engine. */
static void
drop(LiEngine *engine, LiWork *work)
{
	dlist_delete(&work->node);
	li_work_free(work);
	engine->in_flight--;
	pg_atomic_write_u32(&engine->slot->in_flight, engine->in_flight);
}

static void
move_to(dlist_head *list, LiWork *work)
{
	dlist_delete(&work->node);
	dlist_push_tail(list, &work->node);
}

/*
 * Both leave the step's memory context current.  SPI calls in between leave
 * their own behind, which goes with the transaction: what outlives it is
 * allocated after switching back.
 */
static bool
begin(LiEngine *engine)
{
	bool		begun = engine->txn->begin();

	MemoryContextSwitchTo(engine->step);
	return begun;
}

static void
commit(LiEngine *engine)
{
	engine->txn->commit();
	MemoryContextSwitchTo(engine->step);
}

/*
 * Runs a step in a subtransaction of the current transaction.  Returns NULL,
 * or the error it threw, everything it wrote undone.
 */
static ErrorData *
attempt(void (*step) (void *), void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		step(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	return error;
}

/* ---------- whether to work at all ---------- */

static void
set_pause(LiEngine *engine, const char *reason)
{
	if (strcmp(engine->pause_reason, reason) == 0)
		return;
	strlcpy(engine->pause_reason, reason, sizeof(engine->pause_reason));
	li_slot_set_state(engine->slot, reason[0] ? LI_STATE_PAUSED : LI_STATE_RUNNING, reason);
	if (engine->slot->kind == LI_SLOT_WORKER)
	{
		if (reason[0])
			ereport(LOG, (errmsg("linkedin_ingest worker pauses: %s", reason)));
		else
			ereport(LOG, (errmsg("linkedin_ingest worker goes on")));
	}
}

/*
 * Whether this database's jobs may be touched.  An empty queue is no reason to
 * call a database paused: it becomes at home with its first job.
 */
static bool
may_work(LiEngine *engine, bool has_jobs)
{
	char	   *problem;

	if (li_sql_read(&pause_statement, NULL, NULL) > 0)
	{
		char	   *reason = li_sql_text(engine->step, 0, 1);

		set_pause(engine, reason[0] ? psprintf("paused: %s", reason) : "paused by pause_worker()");
		return false;
	}
	problem = li_home_problem();
	set_pause(engine, problem && (has_jobs || li_queue_is_processing()) ? problem : "");
	return problem == NULL;
}

/* ---------- rescue ---------- */

static List *
live_workers(LiEngine *engine)
{
	List	   *live;
	MemoryContext old;
	int			i;

	if (!li_preloaded())
		live = li_queue_live_workers(engine->step);
	else
		live = NIL;
	old = MemoryContextSwitchTo(engine->step);
	li_shared_lock(LW_SHARED);
	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot	   *slot = &li_shared->slots[i];

		if (slot->database == MyDatabaseId && li_slot_is_live(slot))
		{
			pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

			*id = slot->incarnation;
			live = lappend(live, id);
		}
	}
	li_shared_unlock();
	MemoryContextSwitchTo(old);
	return live;
}

static void
rescue(LiEngine *engine)
{
	List	   *live = live_workers(engine);
	int			n = li_queue_rescue(live);

	if (n > 0)
	{
		li_queue_forget_workers(live);
		ereport(LOG, (errmsg("linkedin_ingest: rescued %d jobs of workers that are gone", n)));
	}
}

/* ---------- claim ---------- */

static int
provider_in_flight(LiEngine *engine, const char *provider)
{
	dlist_head *lists[3] = {&engine->claimed, &engine->open, &engine->ended};
	int			n = 0;
	int			i;
	dlist_iter	iter;

	for (i = 0; i < 3; i++)
		dlist_foreach(iter, lists[i])
			if (strcmp(dlist_container(LiWork, node, iter.cur)->claim->job.provider, provider) == 0)
				n++;
	return n;
}

static void
look_at(LiEngine *engine, TimestampTz when, TimestampTz now)
{
	uint64		ms;

	if (when <= now || TIMESTAMP_IS_NOEND(when))
		return;
	ms = li_monotonic_ms() + (when - now) / 1000 + 1;
	if (engine->next_look_ms == 0 || ms < engine->next_look_ms)
		engine->next_look_ms = ms;
}

static const char *
fair_key(const LiLane *lane)
{
	switch ((LiFairBy) li_fair_by)
	{
		case LI_FAIR_BY_ROLE:
			return lane->role;
		case LI_FAIR_BY_CREATED_BY:
			return lane->created_by;
		case LI_FAIR_BY_NONE:
			break;
	}
	return "";
}

/*
 * Which of the lanes may be claimed from now: due, not blocked, not
 * throttled.  A lane that may only be probed gets its one job here.
 */
static List *
open_lanes(LiEngine *engine, List *lanes, List **probes)
{
	TimestampTz now = GetCurrentTimestamp();
	List	   *open = NIL;
	ListCell   *cell;

	foreach(cell, lanes)
	{
		LiLane	   *lane = lfirst(cell);
		LiProviderRow *provider = li_accounts_provider(engine->accounts, lane->provider);
		TimestampTz again = 0;

		if (lane->first_run_at > now)
		{
			look_at(engine, lane->first_run_at, now);
			continue;
		}
		if (provider == NULL)	/* its jobs fail for that */
		{
			open = lappend(open, lane);
			continue;
		}
		if (provider->problem != NULL)
			continue;
		if (provider->max_in_flight > 0 &&
			provider_in_flight(engine, provider->name) >= provider->max_in_flight)
			continue;
		switch (li_account_gate(provider, lane->model, now, &again))
		{
			case LI_GATE_OPEN:
				open = lappend(open, lane);
				break;
			case LI_GATE_PROBE:
				if (li_account_begin_probe(provider, lane->model))
				{
					lane->quota = 1;
					*probes = lappend(*probes, lane);
				}
				break;
			case LI_GATE_CLOSED:
				look_at(engine, again, now);
				break;
		}
	}
	return open;
}

/*
 * Shares "room" among the open lanes: the highest priority first, within it
 * equal parts for each fair_by key, within a key equal parts for each lane.
 * What a lane leaves unused is given out in the next cycle, which follows at
 * once.
 */
static void
share_out(LiEngine *engine, List *lanes, int room)
{
	int			top = PG_INT16_MIN;
	List	   *keys = NIL;
	ListCell   *cell;
	ListCell   *key_cell;

	foreach(cell, lanes)
		top = Max(top, ((LiLane *) lfirst(cell))->priority);
	foreach(cell, lanes)
	{
		LiLane	   *lane = lfirst(cell);
		bool		known = false;

		if (lane->priority != top)
			continue;
		foreach(key_cell, keys)
			if (strcmp(lfirst(key_cell), fair_key(lane)) == 0)
				known = true;
		if (!known)
			keys = lappend(keys, unconstify(char *, fair_key(lane)));
	}

	foreach(key_cell, keys)
	{
		int			keys_left = list_length(keys) - foreach_current_index(key_cell);
		int			part = (room + keys_left - 1) / keys_left;
		int			lanes_left = 0;

		foreach(cell, lanes)
		{
			LiLane	   *lane = lfirst(cell);

			if (lane->priority == top && strcmp(lfirst(key_cell), fair_key(lane)) == 0)
				lanes_left++;
		}
		foreach(cell, lanes)
		{
			LiLane	   *lane = lfirst(cell);
			LiProviderRow *provider = li_accounts_provider(engine->accounts, lane->provider);

			if (lane->priority != top || strcmp(lfirst(key_cell), fair_key(lane)) != 0)
				continue;
			lane->quota = (part + lanes_left - 1) / lanes_left;
			if (provider != NULL && provider->max_in_flight > 0)
				lane->quota = Min(lane->quota, provider->max_in_flight -
								  provider_in_flight(engine, provider->name));
			lane->quota = Min(lane->quota, room);
			lanes_left--;
			part -= lane->quota;
			room -= lane->quota;
		}
	}
}

/* Whether the claim came from a lane that is probed; the lane is used up. */
static bool
is_probe(List **probes, const LiClaim *claim)
{
	ListCell   *cell;

	foreach(cell, *probes)
	{
		LiLane	   *lane = lfirst(cell);

		if (strcmp(lane->provider, claim->job.provider) == 0 &&
			strcmp(lane->model, claim->job.model) == 0)
		{
			*probes = list_delete_cell(*probes, cell);
			return true;
		}
	}
	return false;
}

static void
load_accounts(LiEngine *engine)
{
	LiAccounts *fresh = li_accounts_load(engine->cxt);

	li_accounts_release(engine->accounts);
	engine->accounts = fresh;
	if (!engine->blocks_restored)
		li_accounts_restore_blocks(fresh);
	engine->blocks_restored = true;
	if (engine->config_changed)
		li_accounts_probe_now(fresh);
	engine->config_changed = false;
}

/* The row in "workers": written with a first claim, then now and then. */
static void
beat(LiEngine *engine)
{
	uint64		now = li_monotonic_ms();

	if (engine->has_row && now < engine->next_beat_ms)
		return;
	li_queue_beat(&engine->slot->incarnation, engine->slot->started_at);
	engine->has_row = true;
	engine->next_beat_ms = now + li_lease_interval / 4;
}

/*
 * One look at the queue in one transaction: rescue when asked, then claim as
 * much as there is room for.
 */
static void
claim(LiEngine *engine, bool with_rescue)
{
	int			room = Min(li_batch_size, li_max_in_flight - engine->in_flight);
	List	   *lanes;
	List	   *open;
	List	   *probes = NIL;
	List	   *claims = NIL;
	ListCell   *cell;
	bool		due;

	if (engine->limit >= 0)
		room = Min(room, engine->limit);
	engine->look = false;
	engine->next_look_ms = 0;
	if (!begin(engine))
		return;
	/*
	 * A job that this snapshot shows may rely on a change of the providers
	 * that was committed before it: such a change has set the flag by now.
	 */
	if (engine->accounts == NULL ||
		(pg_atomic_read_u32(&engine->slot->wake) & LI_WAKE_CONFIG))
		load_accounts(engine);

	lanes = li_queue_lanes(engine->step);
	if ((lanes != NIL || with_rescue) && !may_work(engine, lanes != NIL))
		room = 0;
	else if (with_rescue)
		rescue(engine);

	MemoryContextSwitchTo(engine->step);
	if (room > 0 && lanes != NIL)
	{
		open = open_lanes(engine, lanes, &probes);
		share_out(engine, open, room - Min(room, list_length(probes)));
		due = open != NIL || probes != NIL;
		if (due)
			claims = li_queue_claim(lanes, &engine->slot->incarnation, engine->cxt);
		if (claims != NIL)
			beat(engine);
		else if (due)
			engine->next_look_ms = li_monotonic_ms() + BUSY_LANE_WAIT_MS;
	}
	commit(engine);

	/* Only committed claims are ours. */
	foreach(cell, claims)
	{
		LiClaim    *one = lfirst(cell);

		add_to(engine, &engine->claimed,
			   li_work_create(one, engine->accounts, job_kind, is_probe(&probes, one)));
	}
	foreach(cell, probes)		/* nobody was there to try */
	{
		LiLane	   *lane = lfirst(cell);

		li_account_put_off(li_accounts_provider(engine->accounts, lane->provider), "");
		li_account_put_off(li_accounts_provider(engine->accounts, lane->provider), lane->model);
	}
	if (engine->limit >= 0)
		engine->limit -= list_length(claims);
	if (claims != NIL)
		engine->look = true;
	list_free(claims);
}

/* ---------- render and send ---------- */

static void
open_step(void *arg)
{
	li_work_open(arg);
}

/*
 * Renders the questions of all claimed jobs in one read-only transaction, each
 * in a subtransaction: what one bad row throws costs that row.
 */
static void
render(LiEngine *engine)
{
	dlist_mutable_iter iter;

	if (dlist_is_empty(&engine->claimed) || !begin(engine))
		return;
	XactReadOnly = true;
	dlist_foreach_modify(iter, &engine->claimed)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);
		ErrorData  *error = attempt(open_step, work);

		if (error != NULL)
		{
			memset(&work->outcome, 0, sizeof(LiOutcome));
			work->outcome.class = LI_RETRY;
			work->outcome.code = "config_error";
			work->outcome.retry_after_ms = -1;
			work->outcome.message =
				MemoryContextStrdup(work->claim->cxt,
									psprintf("the question could not be rendered (SQLSTATE %s)",
											 unpack_sql_state(error->sqlerrcode)));
		}
	}
	commit(engine);
}

static void
send_or_end(LiEngine *engine, LiWork *work)
{
	if (work->outcome.class == LI_OK && li_work_send(work, engine->pool))
	{
		move_to(&engine->open, work);
		return;
	}
	if (work->outcome.class == LI_OK)
	{
		work->outcome.class = LI_RETRY;
		work->outcome.code = "connection_failed";
		work->outcome.message = "the call could not be started: out of memory or descriptors";
		work->outcome.retry_after_ms = -1;
	}
	move_to(&engine->ended, work);
}

static void
send_claimed(LiEngine *engine)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->claimed)
		send_or_end(engine, dlist_container(LiWork, node, iter.cur));
}

/* ---------- read ---------- */

/* Lets transfers proceed and judges those that have ended. */
static void
receive(LiEngine *engine)
{
	LiHttpCall *call;

	li_http_drive(engine->pool);
	while ((call = li_http_next_done(engine->pool)) != NULL)
	{
		LiWork	   *work = li_http_call_owner(call);

		li_work_judge(work);
		move_to(&engine->ended, work);
	}
}

/* ---------- record ---------- */

typedef struct Recording
{
	List	   *works;			/* LiWork, one per record */
	List	   *records;		/* LiRecord */
} Recording;

/* What the outcome means for the account; returns whether a block changed. */
static void
apply_to_account(LiEngine *engine, LiWork *work)
{
	LiOutcome  *outcome = &work->outcome;
	const char *model = outcome->blocks_model ? work->claim->job.model : "";

	if (work->provider == NULL || !work->called)
		return;
	switch (outcome->class)
	{
		case LI_OPEN:
			li_account_block(work->provider, model, outcome->code, outcome->message);
			li_account_put_off(work->provider, outcome->blocks_model ? "" : work->claim->job.model);
			ereport(LOG,
					(errmsg("linkedin_ingest: provider \"%s\"%s%s is blocked: %s",
							work->provider->name, model[0] ? ", model " : "", model,
							outcome->code),
					 errdetail("%s", outcome->message ? outcome->message : "")));
			break;
		case LI_DEFER:
			if (outcome->retry_after_ms > 0)
				li_account_throttle(work->provider,
									TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
																outcome->retry_after_ms));
			/* FALLTHROUGH */
		case LI_RETRY:
			li_account_put_off(work->provider, "");
			li_account_put_off(work->provider, work->claim->job.model);
			break;
		default:
			if (work->probe)
			{
				bool		was = li_account_unblock(work->provider, "");

				if (li_account_unblock(work->provider, work->claim->job.model) || was)
				{
					engine->look = true;
					li_wake_all(LI_WAKE_JOBS);
					ereport(LOG,
							(errmsg("linkedin_ingest: provider \"%s\" answers again",
									work->provider->name)));
				}
			}
			break;
	}
}

static void
save_block(LiWork *work)
{
	if (work->provider == NULL || !work->called)
		return;
	if (work->outcome.class == LI_OPEN)
		li_accounts_save_block(work->provider,
							   work->outcome.blocks_model ? work->claim->job.model : "");
	else if (work->probe && work->outcome.class != LI_DEFER && work->outcome.class != LI_RETRY)
	{
		li_accounts_delete_block(work->provider, "");
		li_accounts_delete_block(work->provider, work->claim->job.model);
	}
}

static void
record_step(void *arg)
{
	Recording  *recording = arg;
	ListCell   *cell;

	li_queue_record(recording->records);
	foreach(cell, recording->works)
		save_block(lfirst(cell));
}

/*
 * What cannot be stored must not be asked for again and again: the job fails
 * with the code of the error, its answer is dropped.
 */
static void
record_as_failed(LiWork *work, LiRecord *record, const ErrorData *error)
{
	record->status = "failed";
	record->error_code = "invalid_json";
	record->error_message =
		MemoryContextStrdup(work->claim->cxt,
							psprintf("the result could not be stored (SQLSTATE %s)",
									 unpack_sql_state(error->sqlerrcode)));
	record->retryable = false;
	record->run_at = 0;
	record->request = record->reply = NULL;
	record->result = NULL;
	record->next = NULL;
	work->made.outcome = "fail";
	work->made.error_code = record->error_code;
	work->made.error_message = record->error_message;
	work->made.request_id = NULL;
}

/* The batch failed: row by row, so that a poison row costs one row. */
static void
record_singly(Recording *all)
{
	ListCell   *work_cell;
	ListCell   *record_cell;

	forboth(work_cell, all->works, record_cell, all->records)
	{
		Recording	one = {list_make1(lfirst(work_cell)), list_make1(lfirst(record_cell))};
		ErrorData  *error = attempt(record_step, &one);

		if (error == NULL)
			continue;
		/* Not the row's fault: nothing is recorded, the cycle comes again. */
		if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES ||
			error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
			error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED)
			ReThrowError(error);
		record_as_failed(lfirst(work_cell), lfirst(record_cell), error);
		error = attempt(record_step, &one);
		if (error != NULL)
			ReThrowError(error);
	}
}

static void
count(LiEngine *engine, const LiRecord *record, const LiWork *work)
{
	LiSlot	   *slot = engine->slot;

	if (!record->stored)
		pg_atomic_fetch_add_u64(&slot->stale, 1);
	else if (strcmp(record->status, "completed") == 0)
		pg_atomic_fetch_add_u64(&slot->completed, 1);
	else if (strcmp(record->status, "failed") == 0)
		pg_atomic_fetch_add_u64(&slot->failed, 1);
	else if (strcmp(record->status, "pending") == 0)
		pg_atomic_fetch_add_u64(work->outcome.class == LI_RETRY ? &slot->retried : &slot->deferred, 1);
	if (record->error_code != NULL)
		strlcpy(slot->last_error, record->error_code, sizeof(slot->last_error));
}

static void
note(LiEngine *engine, const LiRecord *record)
{
	MemoryContext old;

	if (!li_notify || !record->stored ||
		(strcmp(record->status, "completed") != 0 && strcmp(record->status, "failed") != 0))
		return;
	old = MemoryContextSwitchTo(engine->cxt);
	if (engine->notices == NIL)
		engine->notices_due_ms = Max(engine->notices_due_ms, li_monotonic_ms());
	engine->notices = lappend(engine->notices,
							  psprintf("{\"job_id\": \"%s\", \"status\": \"%s\"}",
									   record->claim->job.id, record->status));
	MemoryContextSwitchTo(old);
}

/* Records everything that has ended, in one transaction. */
static void
record(LiEngine *engine)
{
	Recording	all = {NIL, NIL};
	dlist_mutable_iter iter;
	ListCell   *work_cell;
	ListCell   *record_cell;
	bool		ended = false;

	if (dlist_is_empty(&engine->ended))
		return;
	dlist_foreach_modify(iter, &engine->ended)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		all.works = lappend(all.works, work);
		all.records = lappend(all.records, li_work_record(work));
		apply_to_account(engine, work);
	}

	if (!begin(engine))
		return;
	if (attempt(record_step, &all) != NULL)
		record_singly(&all);
	beat(engine);
	commit(engine);

	forboth(work_cell, all.works, record_cell, all.records)
	{
		LiWork	   *work = lfirst(work_cell);
		LiRecord   *one = lfirst(record_cell);

		count(engine, one, work);
		note(engine, one);
		if (one->stored && one->next != NULL)
		{
			work->next.open_attempt = one->next_attempt;
			li_work_settle(work);
			send_or_end(engine, work);
		}
		else
		{
			ended = true;
			drop(engine, work);
		}
	}
	if (ended)
	{
		ConditionVariableBroadcast(&li_shared->job_ended);
		engine->look = engine->look || engine->limit != 0;
	}
}

/* ---------- notices ---------- */

/* At most one transaction per NOTICE_INTERVAL_MS; a failure costs the notices. */
static void
send_notices(LiEngine *engine)
{
	List	   *notices = engine->notices;

	if (notices == NIL || li_monotonic_ms() < engine->notices_due_ms)
		return;
	engine->notices = NIL;
	engine->notices_due_ms = li_monotonic_ms() + NOTICE_INTERVAL_MS;
	if (begin(engine))
	{
		li_queue_notify(notices);
		commit(engine);
	}
	list_free_deep(notices);
}

/* ---------- cancel ---------- */

/* Aborts the calls of jobs that were cancelled or taken away. */
static void
drop_lost(LiEngine *engine)
{
	List	   *claims = NIL;
	List	   *lost;
	dlist_mutable_iter iter;

	if (dlist_is_empty(&engine->open) || !begin(engine))
		return;
	dlist_foreach_modify(iter, &engine->open)
		claims = lappend(claims, dlist_container(LiWork, node, iter.cur)->claim);
	lost = li_queue_lost(claims, engine->step);
	dlist_foreach_modify(iter, &engine->open)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		if (list_member_ptr(lost, work->claim))
			li_queue_record_cancelled(work->claim, &work->made);
	}
	commit(engine);

	dlist_foreach_modify(iter, &engine->open)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		if (list_member_ptr(lost, work->claim))
		{
			if (work->probe && work->provider != NULL)
			{
				li_account_put_off(work->provider, "");
				li_account_put_off(work->provider, work->claim->job.model);
			}
			drop(engine, work);
			engine->look = true;
		}
	}
}

/* ---------- the cycle ---------- */

/* Law 1: from the first byte sent until the answer is read nothing is held. */
static void
assert_nothing_held(LiEngine *engine)
{
	Assert(!TransactionIdIsValid(MyProc->xid));
	Assert(!TransactionIdIsValid(MyProc->xmin));
	Assert(engine->slot->kind == LI_SLOT_SESSION || !IsTransactionState());
}

/*
 * Does everything that can be done now and returns for how long (ms) there
 * will be nothing to do unless something happens.  Throws what SQL throws;
 * call it again after a pause then, nothing is lost.
 */
int
li_engine_cycle(LiEngine *engine, uint32 wake)
{
	MemoryContext old = MemoryContextSwitchTo(engine->step);
	uint64		now = li_monotonic_ms();
	bool		polled = now >= engine->next_poll_ms;
	uint64		until;
	long		http_timeout;

	pg_atomic_write_u64(&engine->slot->beat_ms, now);

	if (polled || (wake & LI_WAKE_CONFIG))
	{
		li_accounts_release(engine->accounts);
		engine->accounts = NULL;
	}
	if (wake & LI_WAKE_CONFIG)
		engine->config_changed = true;
	if (polled)
		engine->next_poll_ms = now + li_poll_interval;
	if (wake & LI_WAKE_CHANGED || polled)
		drop_lost(engine);
	if (polled || wake || (engine->next_look_ms != 0 && now >= engine->next_look_ms))
		engine->look = true;

	/* What an earlier cycle that failed has left behind. */
	render(engine);
	send_claimed(engine);

	receive(engine);
	record(engine);
	if (engine->look && engine->limit != 0 && engine->in_flight < li_max_in_flight)
	{
		claim(engine, polled || (wake & LI_WAKE_RESCUE));
		render(engine);
		send_claimed(engine);
		li_http_drive(engine->pool);
	}
	else if (engine->limit == 0)
		engine->look = false;
	send_notices(engine);
	assert_nothing_held(engine);

	MemoryContextSwitchTo(old);
	MemoryContextReset(engine->step);

	if (engine->look && engine->in_flight < li_max_in_flight)
		return 0;
	until = engine->next_poll_ms;
	if (engine->next_look_ms != 0)
		until = Min(until, engine->next_look_ms);
	if (engine->notices != NIL)
		until = Min(until, engine->notices_due_ms);
	now = li_monotonic_ms();
	until = until > now ? until - now : 0;
	http_timeout = li_http_pool_timeout(engine->pool);
	if (http_timeout >= 0)
		until = Min(until, (uint64) http_timeout);
	return (int) Min(until, (uint64) PG_INT32_MAX);
}

/* Sleeps until the latch is set, a transfer wants attention, or the time is up. */
void
li_engine_wait(LiEngine *engine, int timeout_ms)
{
	WaitEvent	events[3];
	int			n;
	int			i;

	n = WaitEventSetWait(engine->wait, timeout_ms, events, lengthof(events), PG_WAIT_EXTENSION);
	for (i = 0; i < n; i++)
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
}

/*
 * Aborts every call and gives the jobs back, uncharged.  For the way out:
 * waits for nothing.  Needs no transaction; false when it could not be written
 * (the rescue does it later, charged).
 */
bool
li_engine_hand_back(LiEngine *engine)
{
	List	   *sent = NIL;
	dlist_mutable_iter iter;
	int			n;

	if (engine->in_flight == 0)
		return true;
	dlist_foreach_modify(iter, &engine->open)
		li_work_abort(dlist_container(LiWork, node, iter.cur));
	if (!begin(engine))
		return false;
	dlist_foreach_modify(iter, &engine->open)
		sent = lappend(sent, &dlist_container(LiWork, node, iter.cur)->claim->id);
	n = li_queue_hand_back(&engine->slot->incarnation, sent);
	commit(engine);
	if (n >= 0)
		engine->in_flight = 0;
	return n >= 0;
}
