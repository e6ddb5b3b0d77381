/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		Which databases need a worker; starts, watches, backs off.
 *
 * One process for the server.  It is connected to no database, which lets it
 * read pg_database and still keeps nobody from dropping or copying one.  Who
 * has the extension cannot be seen from there, so at the start of the server a
 * worker looks into each database, one at a time, and leaves again where there
 * is nothing.  From then on only events count: the commit of CREATE EXTENSION
 * marks its database, CREATE DATABASE and a reload of the configuration cause
 * a new look.  Templates are left alone, or CREATE DATABASE would fail.
 *
 * A worker that exits, or gives no sign of life for lease_interval, is
 * replaced; after an exit with a pause that doubles, after crashes that repeat
 * not at all (crash_guard.c).  A launcher that was itself restarted finds the
 * workers in their slots.
 *
 * The states of a database (LiDatabase):
 *
 *		probe --(worker finds the extension)--> present
 *		present --(worker finds none)--> absent
 *		absent --(CREATE EXTENSION commits)--> present
 *		present --(worker left on request)--> probe
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "utils/varlena.h"

#include "faults.h"
#include "settings.h"
#include "worker/crash_guard.h"
#include "worker/launcher.h"
#include "worker/shared_state.h"

#define NO_SLOT_PAUSE_MS	10000
#define START_TIMEOUT_MS	60000
#define WAIT_CLASS_MASK		0xFF000000
#define STEADY_MS			60000	/* a worker that lived so long did not crash */

/* A database as pg_database has it. */
typedef struct Listed
{
	Oid			oid;
	char		name[NAMEDATALEN];
} Listed;

static BackgroundWorkerHandle *handles[LI_MAX_SLOTS];
static MemoryContext list_cxt;
static List *listed;
static LiSlot *reserved;		/* its worker is not registered yet */

/* Called from _PG_init while libraries are preloaded. */
void
li_launcher_init(void)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, "linkedin_ingest", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "li_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "linkedin_ingest launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "linkedin_ingest launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

static void
launcher_exit(int code, Datum arg)
{
	if (reserved != NULL)
		li_slot_release(reserved, LI_EXIT_LEFT);
	li_shared->launcher_pgprocno = -1;
	li_shared->launcher_pid = 0;
}

/* ---------- databases ---------- */

static bool
is_wanted(const char *name)
{
	List	   *names;
	ListCell   *cell;
	char	   *setting = pstrdup(li_databases);
	bool		wanted = false;

	if (!SplitIdentifierString(setting, ',', &names))
		return false;
	if (names == NIL)
		wanted = true;
	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			wanted = true;
	list_free(names);
	pfree(setting);
	return wanted;
}

/* Reads pg_database: those that allow connections and are no template. */
static void
read_list(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	MemoryContextReset(list_cxt);
	listed = NIL;
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database db = (Form_pg_database) GETSTRUCT(tuple);
		Listed	   *entry;
		MemoryContext old;

		/* -2 marks one whose DROP DATABASE was interrupted */
		if (!db->datallowconn || db->datistemplate || db->datconnlimit == -2)
			continue;
		old = MemoryContextSwitchTo(list_cxt);
		entry = palloc(sizeof(Listed));
		entry->oid = db->oid;
		strlcpy(entry->name, NameStr(db->datname), sizeof(entry->name));
		listed = lappend(listed, entry);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
}

static const char *
name_of(Oid oid)
{
	ListCell   *cell;

	foreach(cell, listed)
	{
		Listed	   *entry = lfirst(cell);

		if (entry->oid == oid)
			return entry->name;
	}
	return NULL;
}

static int
count_workers(Oid database)
{
	int			n = 0;
	int			i;

	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot	   *slot = &li_shared->slots[i];

		if (slot->kind == LI_SLOT_WORKER && slot->database == database && !slot->superseded)
			n++;
	}
	return n;
}

/*
 * Brings shared memory in line with pg_database and the settings.  Workers that
 * are too many or have another role leave; what is missing is started anew.
 */
static void
refresh(void)
{
	static char *role = NULL;
	bool		role_changed = role != NULL && strcmp(role, li_worker_role) != 0;
	ListCell   *cell;
	int			i;

	if (role != NULL)
		pfree(role);
	role = MemoryContextStrdup(TopMemoryContext, li_worker_role);
	li_shared->launcher_refresh = false;
	read_list();

	li_shared_lock(LW_EXCLUSIVE);
	foreach(cell, listed)
		(void) li_database_find(((Listed *) lfirst(cell))->oid, true);
	for (i = 0; i < LI_MAX_DATABASES; i++)
	{
		LiDatabase *db = &li_shared->databases[i];

		if (db->state != LI_DB_FREE && db->leaving == 0 && name_of(db->oid) == NULL)
			db->state = LI_DB_FREE;
		if (role_changed)
		{
			db->crashes = 0;
			db->next_start_ms = 0;
		}
	}
	li_shared_unlock();

	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot	   *slot = &li_shared->slots[i];
		const char *name = slot->kind == LI_SLOT_WORKER ? name_of(slot->database) : NULL;

		if (slot->kind == LI_SLOT_WORKER &&
			(name == NULL || !is_wanted(name) || role_changed ||
			 count_workers(slot->database) > li_workers_per_database))
			li_wake_database(slot->database, LI_WAKE_LEAVE);
	}
}

/* ---------- workers ---------- */

/*
 * Whether the process waits for a lock or a standby: then it is not hung, and
 * a successor would wait just so.
 */
static bool
waits_for_others(const LiSlot *slot)
{
	uint32		event = slot->pgprocno < 0 ? 0 :
		ProcGlobal->allProcs[slot->pgprocno].wait_event_info;

	return (event & WAIT_CLASS_MASK) == PG_WAIT_LOCK || event == WAIT_EVENT_SYNC_REP;
}

/* Frees the slots of workers that ended without a word, marks the hung ones. */
static void
watch_slots(void)
{
	uint64		now = li_monotonic_ms();
	int			i;

	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot	   *slot = &li_shared->slots[i];
		pid_t		pid;
		bool		gone;

		if (slot->kind != LI_SLOT_WORKER)
		{
			if (handles[i] != NULL)
			{
				pfree(handles[i]);
				handles[i] = NULL;
			}
			continue;
		}
		if (handles[i] != NULL)
			gone = GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED;
		else if (slot->pid != 0)
			gone = kill(slot->pid, 0) != 0;
		else					/* started by a predecessor, and never came */
			gone = now > pg_atomic_read_u64(&slot->beat_ms) + START_TIMEOUT_MS;
		if (gone && slot->kind == LI_SLOT_WORKER)
		{
			li_slot_release(slot, LI_EXIT_CRASH);
			continue;
		}

		if (slot->pid != 0 && !slot->superseded &&
			now > pg_atomic_read_u64(&slot->beat_ms) + li_lease_interval &&
			!waits_for_others(slot))
		{
			slot->superseded = true;
			ereport(LOG,
					(errmsg("linkedin_ingest worker with PID %d gave no sign of life for %d s and is replaced",
							slot->pid, li_lease_interval / 1000)));
		}
	}
}

static bool
a_probe_is_under_way(void)
{
	int			i;

	for (i = 0; i < LI_MAX_DATABASES; i++)
	{
		LiDatabase *db = &li_shared->databases[i];

		if (db->state == LI_DB_PROBE && count_workers(db->oid) > 0)
			return true;
	}
	return false;
}

static void
start_worker(LiDatabase *db, const char *name)
{
	BackgroundWorker worker = {0};
	LiSlot	   *slot = li_slot_reserve(LI_SLOT_WORKER, db->oid);
	int			index;
	const char *lack = NULL;

	if (slot == NULL)
		lack = "no free worker slot in shared memory";
	else
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		index = slot - li_shared->slots;
		worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
		worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
		worker.bgw_restart_time = BGW_NEVER_RESTART;
		worker.bgw_notify_pid = MyProcPid;
		worker.bgw_main_arg = Int32GetDatum(index);
		strlcpy(worker.bgw_library_name, "linkedin_ingest", sizeof(worker.bgw_library_name));
		strlcpy(worker.bgw_function_name, "li_worker_main", sizeof(worker.bgw_function_name));
		snprintf(worker.bgw_name, sizeof(worker.bgw_name), "linkedin_ingest worker: %s", name);
		strlcpy(worker.bgw_type, "linkedin_ingest worker", sizeof(worker.bgw_type));
		if (handles[index] != NULL)
			pfree(handles[index]);
		handles[index] = NULL;
		reserved = slot;
		LI_FAULT("launcher-before-start");
		if (!RegisterDynamicBackgroundWorker(&worker, &handles[index]))
		{
			lack = "no free worker slot; raise max_worker_processes";
			li_shared_lock(LW_EXCLUSIVE);
			slot->kind = LI_SLOT_FREE;
			li_shared_unlock();
		}
		reserved = NULL;
		LI_FAULT("launcher-after-start");
		MemoryContextSwitchTo(old);
	}

	if (lack != NULL)
	{
		if (strcmp(db->reason, lack) != 0)
			ereport(LOG,
					(errmsg("linkedin_ingest: no worker for database \"%s\": %s", name, lack)));
		db->next_start_ms = li_monotonic_ms() + NO_SLOT_PAUSE_MS;
		li_database_set_reason(db->oid, lack);
	}
}

/* Starts what is missing; returns the ms until a start is due. */
static long
start_workers(void)
{
	uint64		now = li_monotonic_ms();
	uint64		next = now + Max(li_lease_interval / 2, 500);
	int			i;

	for (i = 0; i < LI_MAX_DATABASES; i++)
	{
		LiDatabase *db = &li_shared->databases[i];
		const char *name;
		int			want;

		if (db->state == LI_DB_FREE || db->state == LI_DB_ABSENT || db->leaving > 0)
			continue;
		name = name_of(db->oid);
		if (name == NULL)		/* it told us before we saw it */
		{
			read_list();
			name = name_of(db->oid);
		}
		if (name == NULL)
		{
			li_database_set_reason(db->oid, "the database is a template or allows no connections");
			continue;
		}
		if (!is_wanted(name))
		{
			li_database_set_reason(db->oid, "linkedin_ingest.databases leaves this database out");
			continue;
		}
		if (li_crash_guard_stops(db->oid, name))
		{
			li_database_set_reason(db->oid, "the worker crashed too often and is not started again; see the server log, then call resume_worker()");
			continue;
		}
		want = db->state == LI_DB_PROBE ? 1 : li_workers_per_database;
		if (count_workers(db->oid) >= want)
		{
			if (db->crashes > 0 && now > db->next_start_ms + STEADY_MS)
				db->crashes = 0;
			continue;
		}
		if (db->next_start_ms > now)
		{
			next = Min(next, db->next_start_ms);
			continue;
		}
		if (db->state == LI_DB_PROBE && a_probe_is_under_way())
			continue;			/* its end wakes us */
		while (count_workers(db->oid) < want && db->next_start_ms <= now)
			start_worker(db, name);
	}
	return (long) (next - now);
}

void
li_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	before_shmem_exit(launcher_exit, 0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	li_shared->launcher_pid = MyProcPid;
	li_shared->launcher_pgprocno = li_my_procno();
	li_crash_guard_collect();
	list_cxt = AllocSetContextCreate(TopMemoryContext, "linkedin_ingest databases",
									 ALLOCSET_SMALL_SIZES);
	pgstat_report_activity(STATE_IDLE, "watching databases");
	refresh();

	for (;;)
	{
		long		timeout_ms;

		/* 0 would mean: never start me again */
		if (ShutdownRequestPending)
			proc_exit(1);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			li_shared->launcher_refresh = true;
			li_crash_guard_forget(InvalidOid);
		}
		if (li_shared->launcher_refresh)
			refresh();
		watch_slots();
		timeout_ms = start_workers();

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 timeout_ms, li_wait_event(LI_WAIT_DATABASES));
		ResetLatch(MyLatch);
	}
}
