/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The background worker of one database: process, signals, way out.
 *
 * It turns the engine's cycle and sleeps on one wait event set that sees its
 * latch, the death of the postmaster and, through the transfers' own epoll
 * descriptor, every socket.
 *
 * SIGTERM is "die": it also interrupts a wait for a lock.  Whatever the reason
 * for leaving, one exit callback hands back what is in flight, uncharged; it
 * is registered after the connection was made, so it runs before the backend
 * gives up its transactions.  A second one, registered before, frees the slot
 * at the very end.
 *
 * An error in a cycle is reported and the cycle turned again after a pause
 * that doubles: what is in flight stays in flight.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "faults.h"
#include "settings.h"
#include "sql.h"
#include "worker/crash_guard.h"
#include "worker/engine.h"
#include "worker/extension.h"
#include "worker/shared_state.h"
#include "worker/wakeup.h"
#include "worker/worker.h"

#define MAX_ERROR_PAUSE_MS	60000
#define LOCK_TIMEOUT_MS		10000
#define ERROR_PAUSE_MS		500

#define OTHER_VERSION \
	"the library is not of the extension's version; run ALTER EXTENSION linkedin_ingest UPDATE, or restart the server if that is done"

static LiSlot *my_slot;
static LiEngine *engine;
static LiExit exit_reason = LI_EXIT_CRASH;
static bool handing_back;
static bool other_version;		/* told already */

/* ---------- transactions ---------- */

/*
 * A library must not run statements on tables of another version.  It stays
 * and looks again when the extension is altered, and with every poll.
 */
static void
stand_by(void)
{
	if (other_version)
		return;
	other_version = true;
	li_slot_set_state(my_slot, LI_STATE_PAUSED, OTHER_VERSION);
	li_database_present(my_slot->database);
	ereport(LOG, (errmsg("linkedin_ingest worker pauses: %s", OTHER_VERSION)));
}

/*
 * Leaves for good when the extension is gone.  A share lock on it is kept to
 * the end of the transaction, so that DROP EXTENSION waits for that moment and
 * no longer.
 */
static bool
worker_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	li_engine_durable();
	if (handing_back)			/* must wait for nobody; queue.c looks for the tables */
		return true;
	my_slot->created_seen = li_database_created(my_slot->database);
	switch (li_extension_lock())
	{
		case LI_EXTENSION_PRESENT:
			other_version = false;	/* the next look at the queue says "running" */
			return true;
		case LI_EXTENSION_ABSENT:
			exit_reason = LI_EXIT_ABSENT;
			break;
		case LI_EXTENSION_OTHER_VERSION:
			stand_by();
			break;
	}
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (exit_reason == LI_EXIT_ABSENT && !handing_back)
		proc_exit(0);
	return false;
}

static void
worker_commit(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
}

static const LiTxn worker_txn = {worker_begin, worker_commit};

/* ---------- exit ---------- */

/* Runs first: gives the jobs back while transactions still work. */
static void
hand_back_at_exit(int code, Datum arg)
{
	if (engine == NULL)
		return;
	li_engine_abort(engine);
	if (my_slot->superseded)
		return;					/* they are not ours any more */
	handing_back = true;
	AbortOutOfAnyTransaction();
	/* A synchronous standby must not hold up the shutdown. */
	SetConfigOption("synchronous_commit", "local", PGC_USERSET, PGC_S_OVERRIDE);
	li_engine_hand_back(engine);
}

/* Runs last: the slot is free for another. */
static void
release_at_exit(int code, Datum arg)
{
	li_crash_guard_leave();
	li_slot_release(my_slot, exit_reason);
}

/* ---------- start ---------- */

/*
 * The settings of a process whose statements all are look-ups in indexes; they
 * beat ALTER DATABASE SET.
 */
static void
fix_settings(void)
{
	li_engine_settings(GUC_ACTION_SET);
	SetConfigOption("lock_timeout", psprintf("%dms", Min(LOCK_TIMEOUT_MS, li_lease_interval / 4)),
					PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
}

static void
refuse_to_start(const char *reason)
{
	li_database_set_reason(my_slot->database, reason);
	ereport(FATAL,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("linkedin_ingest worker cannot start: %s", reason),
			 errhint("Check linkedin_ingest.worker_role; grant_access(role, 'worker') gives it what it needs.")));
}

/*
 * Takes the configured role; until then the process is the bootstrap
 * superuser.  A role that lacks a privilege is told so now and not with the
 * first job.
 */
static void
become_worker_role(void)
{
	static LiStatement lacking = {
		"SELECT linkedin_ingest.lacking($1, 'worker')", 1, {NAMEOID}
	};
	NameData	name;
	Datum		value = NameGetDatum(&name);
	Oid			role;
	char	   *lack = NULL;

	if (li_worker_role[0] == '\0')
		return;
	StartTransactionCommand();
	role = get_role_oid(li_worker_role, true);
	CommitTransactionCommand();
	if (!OidIsValid(role))
		refuse_to_start("linkedin_ingest.worker_role does not exist");
	namestrcpy(&name, li_worker_role);
	if (worker_begin())
	{
		if (li_sql_read(&lacking, &value, NULL) > 0)
			lack = li_sql_text(TopMemoryContext, 0, 1);
		worker_commit();
	}
	if (lack != NULL)
		refuse_to_start(psprintf("linkedin_ingest.worker_role lacks %s", lack));

	StartTransactionCommand();
	SetSessionAuthorization(role, superuser_arg(role));
	CommitTransactionCommand();
}

/* ---------- main loop ---------- */

/*
 * Told to stop: with shutdown_grace the calls in flight may still end, but
 * nothing new is begun.  Interrupts are held meanwhile, or the first look at
 * them would end the process.
 */
static void
drain(void)
{
	uint64		deadline = li_monotonic_ms() + li_shutdown_grace;

	HOLD_INTERRUPTS();
	li_engine_set_limit(engine, 0);
	while (li_engine_is_calling(engine) && li_monotonic_ms() < deadline &&
		   !(pg_atomic_read_u32(&my_slot->wake) & LI_WAKE_LEAVE))
	{
		int			sleep_ms = li_engine_cycle(engine, 0);

		LI_FAULT("draining");
		if (ProcSignalBarrierPending)
			ProcessProcSignalBarrier();
		li_engine_wait(engine, Min(sleep_ms, 100));
	}
	RESUME_INTERRUPTS();
}

/*
 * Reports the error of a cycle; returns how long to pause.  A lock that is not
 * to be had is no fault: somebody rewrites a table.  That is said once, and the
 * pause stays short, or the worker would sleep on when the lock is free.
 */
static int
report_error(int pause_ms)
{
	if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
	{
		if (pause_ms == 0)
			ereport(LOG,
					(errmsg("linkedin_ingest worker waits: its tables are locked")));
		return ERROR_PAUSE_MS;
	}
	EmitErrorReport();
	return Min(Max(pause_ms * 2, ERROR_PAUSE_MS), MAX_ERROR_PAUSE_MS);
}

/*
 * One cycle; returns how long to sleep.  An error is reported here and turned
 * into a pause.
 */
static int
guarded_cycle(uint32 wake, int *error_pause_ms)
{
	MemoryContext cxt = CurrentMemoryContext;
	volatile int sleep_ms = 0;

	PG_TRY();
	{
		sleep_ms = li_engine_cycle(engine, wake);
		*error_pause_ms = 0;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		HOLD_INTERRUPTS();
		*error_pause_ms = report_error(*error_pause_ms);
		AbortOutOfAnyTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
		if (li_engine_is_unsettled(engine))
			proc_exit(1);		/* hands back what it has lost sight of */
		li_engine_poll_soon(engine);	/* what the cycle was to look at is not done */
		sleep_ms = *error_pause_ms;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(cxt);
	return sleep_ms;
}

/*
 * Replaced.  The answers that have come meanwhile were paid for: they are read
 * and go on record, as late ones where the replacement has the jobs already.
 */
static void
last_words(void)
{
	int			pause_ms = 0;

	if (engine == NULL)
		return;
	li_engine_set_limit(engine, 0);
	(void) guarded_cycle(LI_WAKE_CHANGED, &pause_ms);
}

static void
handle_interrupts(uint32 *wake)
{
	if (ProcDiePending)
	{
		if (li_shutdown_grace > 0)
			drain();
		proc_exit(0);			/* no FATAL in the log for an ordinary end */
	}
	QueryCancelPending = false; /* there is no query to cancel */
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		*wake |= LI_WAKE_CONFIG;
	}
	if (*wake & LI_WAKE_LEAVE)
	{
		exit_reason = LI_EXIT_LEFT;
		proc_exit(0);
	}
	if (my_slot->superseded)
	{
		last_words();
		exit_reason = LI_EXIT_LEFT; /* its successor is there already */
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("linkedin_ingest worker was replaced because it gave no sign of life")));
	}
}

static void
report_activity(void)
{
	char		text[LI_REASON_LEN + 32];

	if (my_slot->state == LI_STATE_PAUSED)
		snprintf(text, sizeof(text), "paused: %s", my_slot->reason);
	else if (li_engine_in_flight(engine) > 0)
	{
		int			waiting = li_engine_waiting(engine);

		snprintf(text, sizeof(text), waiting > 0 ? "%d jobs in flight, %d more wait for room in the limits" :
				 "%d jobs in flight", li_engine_in_flight(engine) - waiting, waiting);
	}
	else
		strlcpy(text, "waiting for jobs", sizeof(text));
	pgstat_report_activity(li_engine_in_flight(engine) > 0 ? STATE_RUNNING : STATE_IDLE, text);
}

void
li_worker_main(Datum slot_number)
{
	int			error_pause_ms = 0;
	uint32		pending_wake = 0;

	my_slot = &li_shared->slots[DatumGetInt32(slot_number)];
	before_shmem_exit(release_at_exit, 0);

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	li_crash_guard_enter(DatumGetInt32(slot_number), my_slot->database);
	BackgroundWorkerUnblockSignals();

	li_slot_occupy(my_slot);
	LI_FAULT("worker-start");
	if (li_database_is_wanted(my_slot->database))
	{
		exit_reason = LI_EXIT_LEFT;
		proc_exit(0);
	}
	BackgroundWorkerInitializeConnectionByOid(my_slot->database, InvalidOid, 0);
	LI_FAULT("worker-connected");
	fix_settings();
	become_worker_role();
	li_wakeup_mute(true);

	/* Is there anything to serve? */
	if (worker_begin())
	{
		worker_commit();
		li_slot_set_state(my_slot, LI_STATE_RUNNING, "");
		li_database_present(my_slot->database);
	}
	engine = li_engine_create(TopMemoryContext, &worker_txn, my_slot);
	before_shmem_exit(hand_back_at_exit, 0);
	pending_wake = LI_WAKE_RESCUE;

	for (;;)
	{
		uint32		wake = pg_atomic_exchange_u32(&my_slot->wake, 0) | pending_wake;
		int			sleep_ms;

		handle_interrupts(&wake);
		sleep_ms = guarded_cycle(wake, &error_pause_ms);
		/* What a failed cycle was to do is still to be done. */
		pending_wake = error_pause_ms > 0 ? wake : 0;
		report_activity();
		if (sleep_ms > 0)
			li_engine_wait(engine, Min(sleep_ms, li_lease_interval / 4));
	}
}
