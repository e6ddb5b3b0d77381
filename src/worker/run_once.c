/*-------------------------------------------------------------------------
 *
 * run_once.c
 *		PROCEDURE run_once: the engine in the caller's session.
 *
 * For servers that do not preload the library, and for tests.  The same code
 * as in the worker, with other ways to begin and end a transaction: a
 * procedure cannot start one, it commits the one it is in and finds itself in
 * the next.  So it has to be called outside a transaction block.
 *
 * The session takes a slot, so that a worker beside it knows it to be alive.
 * Ctrl-C gives the jobs back, uncharged, before the cancel takes effect.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "faults.h"
#include "worker/engine.h"
#include "worker/extension.h"
#include "worker/shared_state.h"
#include "worker/wakeup.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_run_once);

static bool
session_begin(void)
{
	li_engine_settings(GUC_ACTION_LOCAL);
	li_engine_durable();
	/* SKIP LOCKED and "one row changed" mean what they say at this level only. */
	if (!FirstSnapshotSet)
		XactIsoLevel = XACT_READ_COMMITTED;
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

static void
session_commit(void)
{
	PopActiveSnapshot();
	SPI_commit();
}

static const LiTxn session_txn = {session_begin, session_commit};

typedef struct Session
{
	LiSlot	   *slot;
	LiEngine   *engine;
} Session;

/* For every way out: a normal end, an error, the end of the process. */
static void
end_session(int code, Datum arg)
{
	Session    *session = (Session *) DatumGetPointer(arg);

	li_wakeup_mute(false);
	if (session->engine != NULL)
		li_engine_destroy(session->engine);
	li_slot_release(session->slot, LI_EXIT_LEFT);
}

static void
run(Session *session, int max_jobs)
{
	li_slot_occupy(session->slot);
	li_slot_set_state(session->slot, LI_STATE_RUNNING, "");
	session->engine = li_engine_create(TopMemoryContext, &session_txn, session->slot);
	li_engine_set_limit(session->engine, max_jobs);
	SPI_commit();				/* out of the snapshot that CALL has taken */

	for (;;)
	{
		uint32		wake = pg_atomic_exchange_u32(&session->slot->wake, 0);
		int			sleep_ms = li_engine_cycle(session->engine, wake);

		LI_FAULT("run-once");
		if (li_engine_is_idle(session->engine))
			break;
		if (QueryCancelPending || ProcDiePending)
		{
			HOLD_INTERRUPTS();
			li_engine_hand_back(session->engine);
			RESUME_INTERRUPTS();
			CHECK_FOR_INTERRUPTS();
			/* its wait for a synchronous standby has swallowed the cancel */
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("canceling statement due to user request")));
		}
		CHECK_FOR_INTERRUPTS();
		if (sleep_ms > 0)
			li_engine_wait(session->engine, sleep_ms);
	}
	li_engine_flush_notices(session->engine);
}

/* CALL run_once(max_jobs) */
Datum
linkedin_ingest_run_once(PG_FUNCTION_ARGS)
{
	Session		session = {0};
	char		paused[LI_REASON_LEN] = "";

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("run_once cannot run inside a transaction block"),
				 errdetail("It commits between claiming, asking and recording."),
				 errhint("CALL it on its own.")));
	if (PG_ARGISNULL(0) || PG_GETARG_INT32(0) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_jobs must be at least 1"),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "max_jobs")));

	session.slot = li_slot_reserve(LI_SLOT_SESSION, MyDatabaseId);
	if (session.slot == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many sessions run run_once at the same time"),
				 errhint("Try again when one of them has ended.")));

	PG_ENSURE_ERROR_CLEANUP(end_session, PointerGetDatum(&session));
	{
		if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		li_wakeup_mute(true);
		run(&session, PG_GETARG_INT32(0));
		strlcpy(paused, li_engine_pause_reason(session.engine), sizeof(paused));
		SPI_finish();
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_session, PointerGetDatum(&session));
	end_session(0, PointerGetDatum(&session));

	if (paused[0])
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("jobs do not run here now"),
				 errdetail("%s", paused),
				 errhint("SELECT linkedin_ingest.resume_worker();")));
	PG_RETURN_VOID();
}
