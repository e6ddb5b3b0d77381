/*-------------------------------------------------------------------------
 *
 * shared_state.c
 *		Shared memory: slots, databases, accounts.
 *
 * It holds only what another process may read: numbers, short texts, a
 * process number whose latch may be set.  Never a descriptor, a pointer or a
 * handle.  A latch is set through the process number: when the process is
 * gone, somebody else is woken for nothing, which is harmless.
 *
 * One lock guards everything that is more than one word.  It is taken for
 * moments, never while waiting and never across anything that may throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <time.h>

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "uuid.h"
#include "worker/shared_state.h"

#define TRANCHE_NAME "linkedin_ingest"
#define MAX_MODELS		32		/* remembered for one account */
#define IDLE_ACCOUNT_MS	120000	/* after which an account may be forgotten */

LiShared   *li_shared;
int			li_my_slot = -1;

static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

static void
initialize(LiShared *shared)
{
	int			i;

	memset(shared, 0, sizeof(LiShared));
	ConditionVariableInit(&shared->job_ended);
	ConditionVariableInit(&shared->slot_freed);
	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot	   *slot = &shared->slots[i];

		pg_atomic_init_u32(&slot->wake, 0);
		pg_atomic_init_u64(&slot->beat_ms, 0);
		pg_atomic_init_u32(&slot->in_flight, 0);
		pg_atomic_init_u64(&slot->completed, 0);
		pg_atomic_init_u64(&slot->failed, 0);
		pg_atomic_init_u64(&slot->retried, 0);
		pg_atomic_init_u64(&slot->deferred, 0);
		pg_atomic_init_u64(&slot->stale, 0);
	}
}

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(LiShared)));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

static void
startup_shmem(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	li_shared = ShmemInitStruct(TRANCHE_NAME, sizeof(LiShared), &found);
	if (!found)
	{
		initialize(li_shared);
		li_shared->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Called from _PG_init. */
void
li_shared_init(void)
{
	if (process_shared_preload_libraries_in_progress)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request_shmem;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = startup_shmem;
	}
	else
	{
		li_shared = MemoryContextAllocHuge(TopMemoryContext, sizeof(LiShared));
		initialize(li_shared);
	}
}

void
li_shared_lock(LWLockMode mode)
{
	if (li_shared->lock != NULL)
		LWLockAcquire(li_shared->lock, mode);
}

void
li_shared_unlock(void)
{
	if (li_shared->lock != NULL)
		LWLockRelease(li_shared->lock);
}

/* Until version 16 all waits of extensions have one name. */
uint32
li_wait_event(LiWait wait)
{
#if PG_VERSION_NUM >= 170000
	static const char *const names[] = {
		[LI_WAIT_JOBS] = "LinkedinIngestJobs",
		[LI_WAIT_CALLS] = "LinkedinIngestCalls",
		[LI_WAIT_DATABASES] = "LinkedinIngestDatabases",
		[LI_WAIT_JOB_END] = "LinkedinIngestJobEnd",
		[LI_WAIT_WORKERS_LEAVE] = "LinkedinIngestWorkersLeave"
	};
	static uint32 events[lengthof(names)];

	if (events[wait] == 0)
		events[wait] = WaitEventExtensionNew(names[wait]);
	return events[wait];
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* Milliseconds of the monotonic clock, the same in every process. */
uint64
li_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Takes a free slot for a process that is yet to come (a worker, by the
 * launcher) or is already here (a session).  NULL when all are in use.
 */
LiSlot *
li_slot_reserve(LiSlotKind kind, Oid database)
{
	LiSlot	   *slot = NULL;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	for (i = 0; i < LI_MAX_SLOTS && slot == NULL; i++)
		if (li_shared->slots[i].kind == LI_SLOT_FREE)
			slot = &li_shared->slots[i];
	if (slot != NULL)
	{
		/* what a predecessor that left without a word had reserved */
		for (i = 0; i < LI_MAX_ACCOUNTS; i++)
			li_shared->accounts[i].in_flight[slot - li_shared->slots] = 0;
		for (i = 0; i < LI_MAX_BUDGETS; i++)
			li_shared->budgets[i].reserved[slot - li_shared->slots] = 0;
		slot->kind = kind;
		slot->state = LI_STATE_STARTING;
		slot->exit = LI_EXIT_CRASH;
		slot->superseded = false;
		slot->database = database;
		slot->pid = 0;
		slot->pgprocno = -1;
		memset(&slot->incarnation, 0, sizeof(slot->incarnation));
		slot->started_at = 0;
		slot->reason[0] = '\0';
		slot->last_error[0] = '\0';
		pg_atomic_write_u32(&slot->wake, 0);
		pg_atomic_write_u64(&slot->beat_ms, li_monotonic_ms());
		pg_atomic_write_u32(&slot->in_flight, 0);
		pg_atomic_write_u64(&slot->completed, 0);
		pg_atomic_write_u64(&slot->failed, 0);
		pg_atomic_write_u64(&slot->retried, 0);
		pg_atomic_write_u64(&slot->deferred, 0);
		pg_atomic_write_u64(&slot->stale, 0);
	}
	li_shared_unlock();
	return slot;
}

/* The number whose latch is this process's. */
int
li_my_procno(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProcNumber;
#else
	return MyProc->pgprocno;
#endif
}

/* The process moves in: from now on it can be woken and own jobs. */
void
li_slot_occupy(LiSlot *slot)
{
	pg_uuid_t	incarnation;

	li_uuid_random(&incarnation);
	li_shared_lock(LW_EXCLUSIVE);
	li_my_slot = slot - li_shared->slots;
	slot->pid = MyProcPid;
	slot->pgprocno = li_my_procno();
	slot->incarnation = incarnation;
	slot->started_at = MyStartTimestamp;
	pg_atomic_write_u64(&slot->beat_ms, li_monotonic_ms());
	li_shared_unlock();
}

/*
 * The process moves out.  Colleagues are told, who then rescue what it still
 * owns.  Safe in exit callbacks.
 */
void
li_slot_release(LiSlot *slot, LiExit why)
{
	Oid			database = slot->database;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	/* Refused answers stay counted: by a colleague. */
	if (pg_atomic_read_u64(&slot->stale) > 0)
		for (i = 0; i < LI_MAX_SLOTS; i++)
		{
			LiSlot	   *other = &li_shared->slots[i];

			if (other == slot || other->kind != LI_SLOT_WORKER || other->database != database)
				continue;
			pg_atomic_fetch_add_u64(&other->stale, pg_atomic_exchange_u64(&slot->stale, 0));
			break;
		}
	/* a superseded one has a successor: the state is no longer its business */
	if (slot->kind == LI_SLOT_WORKER && !slot->superseded)
	{
		LiDatabase *db = li_database_find(database, false);

		slot->exit = why;
		if (db != NULL)
		{
			switch (why)
			{
				case LI_EXIT_CRASH:
					/* 0, 1, 2, 4, ... 60 s */
					db->next_start_ms = li_monotonic_ms();
					if (db->crashes > 0)
						db->next_start_ms +=
							Min(UINT64CONST(60000), UINT64CONST(500) << Min(db->crashes, 10));
					db->crashes++;
					break;
				case LI_EXIT_ABSENT:
					/* unless CREATE EXTENSION has committed since it looked */
					db->state = db->created == slot->created_seen ? LI_DB_ABSENT : LI_DB_PROBE;
					db->crashes = 0;
					break;
				case LI_EXIT_LEFT:
					db->state = LI_DB_PROBE;
					db->crashes = 0;
					break;
			}
		}
	}
	slot->kind = LI_SLOT_FREE;
	slot->pid = 0;
	slot->pgprocno = -1;
	li_shared_unlock();

	ConditionVariableBroadcast(&li_shared->slot_freed);
	li_wake_database(database, LI_WAKE_RESCUE);
	li_wake_launcher();
}

/* States what the process does; an empty reason clears it. */
void
li_slot_set_state(LiSlot *slot, LiSlotState state, const char *reason)
{
	li_shared_lock(LW_EXCLUSIVE);
	slot->state = state;
	strlcpy(slot->reason, reason, sizeof(slot->reason));
	li_shared_unlock();
}

/*
 * Whether the slot's process may own jobs.  A slot whose process vanished
 * without a word (the server does not survive that, save for run_once in an
 * unpreloaded server) is not live.  The caller holds the lock.
 */
bool
li_slot_is_live(const LiSlot *slot)
{
	return slot->kind != LI_SLOT_FREE && slot->pid != 0 && !slot->superseded &&
		(slot->pid == MyProcPid || kill(slot->pid, 0) == 0);
}

/*
 * Whether what the slot's process has reserved counts: that of a process that
 * is gone, or hangs and was replaced, does not.  The caller holds the lock.
 */
bool
li_slot_counts(int slot)
{
	return li_shared->slots[slot].kind != LI_SLOT_FREE && !li_shared->slots[slot].superseded;
}

/* Whether a worker or session of this database with that id may own jobs. */
bool
li_incarnation_is_live(const pg_uuid_t *incarnation)
{
	bool		live = false;
	int			i;

	li_shared_lock(LW_SHARED);
	for (i = 0; i < LI_MAX_SLOTS && !live; i++)
	{
		LiSlot	   *slot = &li_shared->slots[i];

		live = slot->database == MyDatabaseId &&
			memcmp(&slot->incarnation, incarnation, UUID_LEN) == 0 && li_slot_is_live(slot);
	}
	li_shared_unlock();
	return live;
}

/*
 * The entry of a database; made when asked for and there is room, else NULL.
 * The caller holds the lock, exclusively to create.
 */
LiDatabase *
li_database_find(Oid oid, bool create)
{
	LiDatabase *unused = NULL;
	int			i;

	for (i = 0; i < LI_MAX_DATABASES; i++)
	{
		LiDatabase *db = &li_shared->databases[i];

		if (db->state != LI_DB_FREE && db->oid == oid)
			return db;
		if (db->state == LI_DB_FREE && unused == NULL)
			unused = db;
	}
	if (create && unused != NULL)
	{
		memset(unused, 0, sizeof(LiDatabase));
		unused->oid = oid;
		unused->state = LI_DB_PROBE;
		return unused;
	}
	return NULL;
}

/* A worker found the extension: the next database may be looked at. */
void
li_database_present(Oid oid)
{
	LiDatabase *db;

	li_shared_lock(LW_EXCLUSIVE);
	db = li_database_find(oid, true);
	if (db != NULL)
	{
		db->state = LI_DB_PRESENT;
		db->reason[0] = '\0';
	}
	li_shared_unlock();
	li_wake_launcher();
}

/* Whether a command wants the database to itself. */
bool
li_database_is_wanted(Oid oid)
{
	LiDatabase *db;
	bool		wanted;

	li_shared_lock(LW_SHARED);
	db = li_database_find(oid, false);
	wanted = db != NULL && db->leaving > 0;
	li_shared_unlock();
	return wanted;
}

/* How often CREATE EXTENSION has been seen to commit. */
uint32
li_database_created(Oid oid)
{
	LiDatabase *db;
	uint32		created;

	li_shared_lock(LW_SHARED);
	db = li_database_find(oid, false);
	created = db ? db->created : 0;
	li_shared_unlock();
	return created;
}

/*
 * A change of the providers becomes visible a moment before the worker is told:
 * in between it is counted here.
 */
void
li_database_count_change(int n)
{
	LiDatabase *db;

	li_shared_lock(LW_EXCLUSIVE);
	db = li_database_find(MyDatabaseId, true);
	if (db != NULL)
		db->changing = Max(db->changing + n, 0);
	li_shared_unlock();
}

bool
li_database_is_changing(void)
{
	LiDatabase *db;
	bool		changing;

	li_shared_lock(LW_SHARED);
	db = li_database_find(MyDatabaseId, false);
	changing = db != NULL && db->changing > 0;
	li_shared_unlock();
	return changing;
}

/* What worker_status says of a database without a worker; empty: nothing. */
void
li_database_set_reason(Oid oid, const char *reason)
{
	LiDatabase *db;

	li_shared_lock(LW_EXCLUSIVE);
	db = li_database_find(oid, true);
	if (db != NULL)
		strlcpy(db->reason, reason, sizeof(db->reason));
	li_shared_unlock();
}

/* Says the entry nothing that would be missed?  An idle bucket is full again. */
static bool
is_idle(const LiAccount *entry, uint64 now)
{
	return !entry->blocked && entry->used_ms + IDLE_ACCOUNT_MS < now &&
		entry->throttled_until <= GetCurrentTimestamp();
}

/*
 * The entry of an account or of one of its models.  NULL when there is none
 * and none is to be made, or the table is full: then the loss is counted, and
 * whoever wanted to block it puts its job off instead.  The caller holds the
 * lock.
 *
 * A caller may name any model: those of one account must not fill the table.
 * Its least recently used one that is not blocked makes room.
 */
LiAccount *
li_account_find(const char *hash, const char *model, bool create)
{
	uint64		now = li_monotonic_ms();
	LiAccount  *unused = NULL;
	LiAccount  *oldest = NULL;
	int			models = 0;
	int			i;

	for (i = 0; i < LI_MAX_ACCOUNTS; i++)
	{
		LiAccount  *entry = &li_shared->accounts[i];

		if (!entry->used)
		{
			if (unused == NULL)
				unused = entry;
			continue;
		}
		if (memcmp(entry->hash, hash, LI_ACCOUNT_LEN) != 0)
			continue;
		if (strcmp(entry->model, model) == 0)
			return entry;
		if (entry->model[0])
		{
			models++;
			if (!entry->blocked && (oldest == NULL || entry->used_ms < oldest->used_ms))
				oldest = entry;
		}
	}
	if (!create)
		return NULL;
	for (i = 0; i < LI_MAX_ACCOUNTS && unused == NULL; i++)
		if (is_idle(&li_shared->accounts[i], now))
			unused = &li_shared->accounts[i];
	if (model[0] && models >= MAX_MODELS)
		unused = oldest;
	if (unused == NULL)
	{
		li_shared->lost_accounts++;
		return NULL;
	}
	memset(unused, 0, sizeof(LiAccount));
	unused->used = true;
	unused->used_ms = now;
	unused->waiter = -1;
	memcpy(unused->hash, hash, LI_ACCOUNT_LEN);
	strlcpy(unused->model, model, sizeof(unused->model));
	return unused;
}

/* Sets the latch of a process by number; nothing can fail here. */
static void
set_latch_of(int pgprocno)
{
	if (pgprocno >= 0)
		SetLatch(&ProcGlobal->allProcs[pgprocno].procLatch);
}

static void
wake_slots(Oid database, uint32 why)
{
	int			i;

	if (!li_preloaded())
		return;
	for (i = 0; i < LI_MAX_SLOTS; i++)
	{
		LiSlot	   *slot = &li_shared->slots[i];

		if (slot->kind == LI_SLOT_FREE || slot->pid == MyProcPid)
			continue;
		if (OidIsValid(database) && slot->database != database)
			continue;
		pg_atomic_fetch_or_u32(&slot->wake, why);
		set_latch_of(slot->pgprocno);
	}
}

/* Wakes the colleagues in one database.  No lock, never throws. */
void
li_wake_database(Oid database, uint32 why)
{
	wake_slots(database, why);
}

/* Wakes the colleagues in all databases. */
void
li_wake_all(uint32 why)
{
	wake_slots(InvalidOid, why);
}

void
li_wake_launcher(void)
{
	if (li_preloaded())
		set_latch_of(li_shared->launcher_pgprocno);
}
