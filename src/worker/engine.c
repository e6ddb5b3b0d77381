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
 *		claimed		its claim is committed, the question not yet rendered
 *		waiting		rendered; the account has no room for a call yet
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

#include <sys/resource.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/latch.h"
#include "storage/pmsignal.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "faults.h"
#include "settings.h"
#include "worker/engine_private.h"
#include "worker/errand.h"

#define NOTICE_INTERVAL_MS	50
#define LOCKED_WAIT_MS		100		/* until a locked row is tried again */
#define MAX_CONNECTIONS		10000	/* the most that max_in_flight may be */
#define EXTRA_FDS			64	/* epoll, look-ups, latches, libraries */


const LiTaskKind *li_job_kind;

/* Names the kind of task that rows of scoring_jobs are.  From _PG_init. */
void
li_engine_register(const LiTaskKind *kind)
{
	li_job_kind = kind;
}

/* ---------- life ---------- */

/*
 * How many requests may be open at once: the setting, within what the limit on
 * open files leaves beside the files of the server (max_safe_fds).  The soft
 * limit is raised as far as the hard one allows.  A clipped value is said once.
 */
static int
capacity(void)
{
	static int	told = 0;
	struct rlimit limit;
	rlim_t		need = (rlim_t) max_safe_fds + li_max_in_flight + EXTRA_FDS;
	int			room;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return li_max_in_flight;
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < need)
	{
		struct rlimit wanted = limit;

		wanted.rlim_cur = limit.rlim_max == RLIM_INFINITY ? need : Min(need, limit.rlim_max);
		if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
			limit = wanted;
	}
	if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
		return li_max_in_flight;

	room = Max((int) limit.rlim_cur - max_safe_fds - EXTRA_FDS, 1);
	if (told != li_max_in_flight)
		ereport(LOG,
				(errmsg("linkedin_ingest.max_in_flight is clipped from %d to %d by the limit on open files",
						li_max_in_flight, room),
				 errhint("Raise the limit of the server's process, or lower max_files_per_process.")));
	told = li_max_in_flight;
	return room;
}

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
	dlist_init(&engine->waiting);
	dlist_init(&engine->open);
	dlist_init(&engine->ended);
	dlist_init(&engine->errands);

	engine->capacity = capacity();
	engine->pool = li_http_pool_create(MAX_CONNECTIONS);
	if (engine->pool == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not set up HTTP transfers")));
#if PG_VERSION_NUM >= 170000
	engine->wait = CreateWaitEventSet(NULL, 3);
#else
	engine->wait = CreateWaitEventSet(cxt, 3);
#endif
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
	free_works(&engine->waiting);
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

/* The next cycle does what a poll does. */
void
li_engine_poll_soon(LiEngine *engine)
{
	engine->next_poll_ms = 0;
}

int
li_engine_in_flight(const LiEngine *engine)
{
	return engine->in_flight;
}

/* Whether calls are made, or their outcome is to be recorded. */
bool
li_engine_is_calling(LiEngine *engine)
{
	return !dlist_is_empty(&engine->open) || !dlist_is_empty(&engine->ended);
}

/*
 * Whether an error came between a commit and the lists' learning of it (no
 * memory, for one): what is held is no longer known here, only in the table.
 */
bool
li_engine_is_unsettled(const LiEngine *engine)
{
	return engine->unsettled;
}

/* Those of them that are rendered and may not be sent yet. */
int
li_engine_waiting(LiEngine *engine)
{
	int			n = 0;
	dlist_iter	iter;

	dlist_foreach(iter, &engine->waiting)
		n++;
	return n;
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

void
li_engine_add(LiEngine *engine, dlist_head *list, LiWork *work)
{
	dlist_push_tail(list, &work->node);
	engine->in_flight++;
	pg_atomic_write_u32(&engine->slot->in_flight, engine->in_flight);
}

/* The work has left the engine. */
void
li_engine_drop(LiEngine *engine, LiWork *work)
{
	dlist_delete(&work->node);
	li_work_free(work);
	engine->in_flight--;
	pg_atomic_write_u32(&engine->slot->in_flight, engine->in_flight);
}

void
li_engine_move(dlist_head *list, LiWork *work)
{
	dlist_delete(&work->node);
	dlist_push_tail(list, &work->node);
}

/* Both leave the step's memory context current. */
bool
li_engine_begin(LiEngine *engine)
{
	bool		begun = engine->txn->begin();

	MemoryContextSwitchTo(engine->step);
	return begun;
}

void
li_engine_commit(LiEngine *engine)
{
	engine->txn->commit();
	MemoryContextSwitchTo(engine->step);
	/* Nor does it once the postmaster is dead; that may be told nowhere else. */
	if (!PostmasterIsAlive())
		proc_exit(1);
}

/*
 * Runs a step in a subtransaction of the current transaction.  Returns NULL,
 * or the error it threw, everything it wrote undone.
 */
ErrorData *
li_engine_attempt(void (*step) (void *), void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	uint32		holdoff = InterruptHoldoffCount;
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
		InterruptHoldoffCount = holdoff;	/* an error sets it to 0 */
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	if (error != NULL && (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
						  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION))
		ReThrowError(error);	/* meant for the whole, not for the step */
	return error;
}

/* Whether an error says nothing about the row: to be tried again later. */
bool
li_engine_is_transient(const ErrorData *error)
{
	return ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/* ---------- notices ---------- */

/* Notices of what the current step has ended; sent once it is committed. */
void
li_engine_keep_notices(LiEngine *engine, List *payloads)
{
	MemoryContext old = MemoryContextSwitchTo(engine->cxt);
	ListCell   *cell;

	if (li_notify)
		foreach(cell, payloads)
			engine->notices = lappend(engine->notices, pstrdup(lfirst(cell)));
	MemoryContextSwitchTo(old);
}

/* A failure costs the notices. */
void
li_engine_flush_notices(LiEngine *engine)
{
	List	   *notices = engine->notices;

	if (notices == NIL)
		return;
	engine->notices = NIL;
	engine->notices_due_ms = li_monotonic_ms() + NOTICE_INTERVAL_MS;
	if (li_engine_begin(engine))
	{
		li_queue_notify(notices);
		LI_FAULT("before-notify-commit");
		li_engine_commit(engine);
	}
	list_free_deep(notices);
}

/* ---------- render and send ---------- */

static void
open_step(void *arg)
{
	li_work_open(arg);
	LI_FAULT("in-render");
}

/*
 * A job whose first call has its open row was rendered by a cycle that failed
 * afterwards.  It is left alone: lines of its samples may be on their way.  Any
 * other begins anew.
 */
static bool
is_to_render(const LiWork *work)
{
	return work->made.open_attempt == 0;
}

static bool
has_to_render(LiEngine *engine)
{
	dlist_iter	iter;

	dlist_foreach(iter, &engine->claimed)
		if (is_to_render(dlist_container(LiWork, node, iter.cur)))
			return true;
	return false;
}

/*
 * Renders the questions of all claimed jobs in one read-only transaction, each
 * in a subtransaction: what one bad row throws costs that row.
 */
static bool
render(LiEngine *engine)
{
	dlist_mutable_iter iter;

	if (!has_to_render(engine))
		return true;
	if (!li_engine_begin(engine))
		return false;
	XactReadOnly = true;
	dlist_foreach_modify(iter, &engine->claimed)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);
		ErrorData  *error;

		if (!is_to_render(work))
			continue;
		error = li_engine_attempt(open_step, work);
		if (error != NULL)
		{
			if (li_engine_is_transient(error))
				ReThrowError(error);
			memset(&work->outcome, 0, sizeof(LiOutcome));
			work->outcome.class = LI_RETRY;
			work->outcome.code = "config_error";
			work->outcome.retry_after_ms = -1;
			work->outcome.message =
				MemoryContextStrdup(work->run->claim->cxt,
									psprintf("the question could not be rendered (SQLSTATE %s)",
											 unpack_sql_state(error->sqlerrcode)));
		}
		pg_atomic_write_u64(&engine->slot->beat_ms, li_monotonic_ms());
	}
	li_engine_commit(engine);
	LI_FAULT("after-render");
	return true;
}

/*
 * Not when it was replaced while it waited, nor on its way out: then a commit
 * does not wait for a synchronous standby any more, and a call must not be made
 * that the standby would know nothing of.
 */
static bool
may_call(const LiEngine *engine)
{
	return !engine->slot->superseded && !ProcDiePending;
}

/*
 * Sends the question if its account has room for a call; else it waits, in the
 * order of arrival, or has ended early.
 */
void
li_engine_send(LiEngine *engine, LiWork *work)
{
	bool		ready = work->outcome.class == LI_OK && !work->answered;
	LiProviderRow *provider = work->run->provider;
	uint64		now = li_monotonic_ms();
	uint64		not_before = ready ? Max(provider->next_send_ms, work->next_try_ms) : 0;
	int64		wait_ms = not_before > now ? not_before - now : 0;
	bool		whole_account = false;

	if (ready && !may_call(engine))
		return;					/* it stays, and is handed back */
	LI_FAULT("before-send");
	if (ready && wait_ms == 0 && li_work_admit(work, &wait_ms, &whole_account) &&
		li_work_send(work, engine->pool))
	{
		li_engine_move(&engine->open, work);
		LI_FAULT("after-send");
		return;
	}
	if (ready && work->outcome.class == LI_OK && wait_ms > 0)
	{
		/* who comes later does not go first, save by another limit */
		if (whole_account)
			provider->next_send_ms = now + wait_ms;
		if (engine->next_send_ms == 0 || now + wait_ms < engine->next_send_ms)
			engine->next_send_ms = now + wait_ms;
		li_engine_move(&engine->waiting, work);
		return;
	}
	li_work_end_early(work);
	li_engine_move(&engine->ended, work);
}

/* Nothing new is begun: the worker is paused, or on its way out. */
static bool
begins_nothing(const LiEngine *engine)
{
	return engine->pause_reason[0] != '\0' ||
		(engine->limit == 0 && engine->slot->kind == LI_SLOT_WORKER);
}

/*
 * Those that wait for room, first come, first served: each is tried once, and
 * those that go on waiting keep their order.
 */
static void
send_waiting(LiEngine *engine)
{
	int			n = li_engine_waiting(engine);

	if (n == 0 || engine->slot->superseded)
		return;
	if (!begins_nothing(engine) &&
		(engine->next_send_ms == 0 || engine->next_send_ms > li_monotonic_ms()))
		return;
	engine->next_send_ms = 0;
	while (n-- > 0)
	{
		LiWork	   *work = dlist_head_element(LiWork, node, &engine->waiting);

		if (begins_nothing(engine) && !li_work_is_again(work))
			li_work_put_back(work, "not sent: the worker takes no more jobs");
		li_engine_send(engine, work);
	}
}

/* A line that begins now. */
void
li_engine_take_off(LiEngine *engine, LiWork *work)
{
	li_engine_add(engine, &engine->claimed, work);
	li_engine_send(engine, work);
}

/*
 * Jobs with samples: the attempt rows of all calls that are about to be made
 * are committed, then the further lines take off.
 */
static bool
begin_samples(LiEngine *engine)
{
	List	   *works = NIL;
	List	   *records = NIL;
	ListCell   *work_cell;
	ListCell   *record_cell;
	LiWork	   *lost = NULL;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->claimed)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);
		int			lines = li_work_samples_to_begin(work);
		int			i;

		for (i = 0; i < lines; i++)
		{
			/* beyond the room there is, a line begins when another has ended */
			if (i > 0 && engine->in_flight + list_length(records) >= engine->capacity)
				break;
			works = lappend(works, work);
			records = lappend(records, li_work_begin_sample(work));
		}
	}
	if (records == NIL)
		return true;
	if (!li_engine_begin(engine))
		return false;
	(void) li_queue_record(records, engine->step);
	LI_FAULT("before-open-commit");
	li_engine_commit(engine);
	engine->unsettled = true;
	LI_FAULT("after-open-commit");

	forboth(work_cell, works, record_cell, records)
	{
		LiWork	   *work = lfirst(work_cell);
		LiRecord   *record = lfirst(record_cell);
		LiCallRecord call;

		if (work == lost || record->locked)
			continue;			/* locked: once more in the next cycle */
		if (!record->stored)
		{
			lost = work;		/* cancelled meanwhile: nobody is called */
			li_engine_drop(engine, work);
			continue;
		}
		call = *record->next;
		call.open_attempt = record->next_attempt;
		if (call.sample == work->sample)
			work->made = call;
		else
		{
			work->run->going++;
			li_engine_take_off(engine, li_work_fork(work, call.sample, &call));
		}
	}
	engine->unsettled = false;
	return true;
}

static void
send_claimed(LiEngine *engine)
{
	dlist_mutable_iter iter;

	if (!may_call(engine) || !begin_samples(engine))
		return;
	dlist_foreach_modify(iter, &engine->claimed)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		if (li_work_samples_to_begin(work) == 0)
			li_engine_send(engine, work);
	}
}

/* ---------- read ---------- */

/* Lets transfers proceed and judges those that have ended. */
static void
receive(LiEngine *engine)
{
	LiHttpCall *call;

	if (li_http_drive(engine->pool))
		engine->look = true;	/* its jobs may go */
	while ((call = li_http_next_done(engine->pool)) != NULL)
	{
		LiWork	   *work;

		if (li_errand_answered(engine, call))
			continue;
		work = li_http_call_owner(call);
		li_work_judge(work);
		li_engine_move(&engine->ended, work);
		LI_FAULT("answered");
		if (!dlist_is_empty(&engine->waiting))
		{
			/* its place may be somebody's turn */
			work->run->provider->next_send_ms = 0;
			engine->next_send_ms = li_monotonic_ms();
		}
	}
	send_waiting(engine);
}

/* ---------- cancel ---------- */

/* Drops jobs that were cancelled or taken away; their calls are aborted. */
static void
drop_lost(LiEngine *engine)
{
	dlist_head *lists[] = {&engine->waiting, &engine->open};
	List	   *claims = NIL;
	List	   *lost;
	dlist_mutable_iter iter;
	int			i;

	for (i = 0; i < lengthof(lists); i++)
		dlist_foreach_modify(iter, lists[i])
			claims = lappend(claims, dlist_container(LiWork, node, iter.cur)->run->claim);
	if (claims == NIL || !li_engine_begin(engine))
		return;
	lost = li_queue_lost(claims, engine->step);
	for (i = 0; i < lengthof(lists) && lost != NIL; i++)
		dlist_foreach_modify(iter, lists[i])
		{
			LiWork	   *work = dlist_container(LiWork, node, iter.cur);

			if (list_member_ptr(lost, work->run->claim) &&
				(work->called || work->made.open_attempt > 0))
				(void) li_queue_record_late(work->run->claim, &work->made);
		}
	LI_FAULT("before-drop-commit");
	li_engine_commit(engine);

	for (i = 0; i < lengthof(lists) && lost != NIL; i++)
		dlist_foreach_modify(iter, lists[i])
		{
			LiWork	   *work = dlist_container(LiWork, node, iter.cur);

			if (list_member_ptr(lost, work->run->claim))
			{
				li_engine_drop(engine, work);
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
	{
		engine->config_changed = true;
		engine->capacity = capacity();
	}
	if (polled)
		engine->next_poll_ms = now + li_poll_interval;
	if (polled || wake || (engine->next_look_ms != 0 && now >= engine->next_look_ms))
		engine->look = true;

	/* What an earlier cycle that failed has left behind. */
	if (render(engine))
		send_claimed(engine);

	receive(engine);
	/* not before: an answer that is there goes on record with what it cost */
	if (wake & LI_WAKE_CHANGED || polled)
		drop_lost(engine);
	li_engine_record(engine);
	/* without room too: a pause, the extension's end, a colleague's end */
	if (engine->look && engine->limit != 0 && may_call(engine) &&
		(engine->in_flight < engine->capacity || polled ||
		 (wake & (LI_WAKE_CONFIG | LI_WAKE_RESCUE))))
	{
		li_engine_claim(engine, polled || (wake & LI_WAKE_RESCUE));
		if (render(engine))
			send_claimed(engine);
		if (li_http_drive(engine->pool))
			engine->look = true;
	}
	else if (engine->limit == 0)
		engine->look = false;
	li_errands_run(engine);
	if (polled)
		li_engine_tell_endings(engine);
	if (li_monotonic_ms() >= engine->notices_due_ms)	/* not more often than so */
		li_engine_flush_notices(engine);
	assert_nothing_held(engine);

	MemoryContextSwitchTo(old);
	MemoryContextReset(engine->step);

	if (engine->look && engine->in_flight < engine->capacity)
		return 0;
	until = engine->next_poll_ms;
	if (engine->next_look_ms != 0)
		until = Min(until, engine->next_look_ms);
	if (engine->next_send_ms != 0)
		until = Min(until, engine->next_send_ms);
	if (engine->notices != NIL)
		until = Min(until, engine->notices_due_ms);
	if (!dlist_is_empty(&engine->ended))
		until = Min(until, li_monotonic_ms() + LOCKED_WAIT_MS);
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

	/* A wait for a lock inside a cycle may have eaten the latch. */
	if ((InterruptPending && InterruptHoldoffCount == 0) || ConfigReloadPending ||
		pg_atomic_read_u32(&engine->slot->wake) != 0)
		return;
	n = WaitEventSetWait(engine->wait, timeout_ms, events, lengthof(events),
						 li_wait_event(engine->in_flight > 0 ? LI_WAIT_CALLS : LI_WAIT_JOBS));
	for (i = 0; i < n; i++)
		if (events[i].events & WL_LATCH_SET)
			ResetLatch(MyLatch);
}

/* Ends every transfer; the jobs stay held. */
void
li_engine_abort(LiEngine *engine)
{
	dlist_head *lists[] = {&engine->open, &engine->ended};
	dlist_iter	iter;
	int			i;

	for (i = 0; i < lengthof(lists); i++)
		dlist_foreach(iter, lists[i])
		{
			LiWork	   *work = dlist_container(LiWork, node, iter.cur);

			li_work_abort(work);
			li_work_committed(work);
		}
	li_errands_drop(engine);
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

	if (engine->in_flight == 0 && !engine->unsettled)
		return true;
	li_engine_abort(engine);
	LI_FAULT("before-hand-back");
	if (!li_engine_begin(engine))
		return false;
	dlist_foreach_modify(iter, &engine->open)
		sent = lappend(sent, &dlist_container(LiWork, node, iter.cur)->run->claim->id);
	dlist_foreach_modify(iter, &engine->ended)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		if (work->called)		/* answered, and not recorded */
			sent = lappend(sent, &work->run->claim->id);
	}
	n = li_queue_hand_back(&engine->slot->incarnation, sent);
	LI_FAULT("before-hand-back-commit");
	li_engine_commit(engine);
	LI_FAULT("after-hand-back-commit");
	if (n >= 0)
		engine->in_flight = 0;
	return n >= 0;
}
