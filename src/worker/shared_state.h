/*-------------------------------------------------------------------------
 *
 * shared_state.h
 *		What the processes of this extension know of each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SHARED_STATE_H
#define LI_SHARED_STATE_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "utils/uuid.h"

#include "worker/bucket.h"

#define LI_MAX_SLOTS		128
#define LI_MAX_DATABASES	256
#define LI_MAX_ACCOUNTS		256
#define LI_MAX_BUDGETS		512
#define LI_MAX_REFUSALS		8
#define LI_ACCOUNT_LEN		16
#define LI_REASON_LEN		256

/* Why a worker is woken; bits of LiSlot.wake. */
#define LI_WAKE_JOBS		0x01	/* jobs were queued */
#define LI_WAKE_CHANGED		0x02	/* jobs were changed: look for cancelled ones */
#define LI_WAKE_LEAVE		0x04	/* leave the database */
#define LI_WAKE_RESCUE		0x08	/* a colleague is gone */
#define LI_WAKE_CONFIG		0x10	/* providers, pause or home changed */

typedef enum LiSlotKind
{
	LI_SLOT_FREE,
	LI_SLOT_WORKER,				/* a background worker */
	LI_SLOT_SESSION				/* a session inside run_once() */
} LiSlotKind;

typedef enum LiSlotState
{
	LI_STATE_STARTING,
	LI_STATE_RUNNING,
	LI_STATE_PAUSED
} LiSlotState;

/* Why a worker left its slot; what the launcher does next. */
typedef enum LiExit
{
	LI_EXIT_CRASH,				/* nothing was said: back off, then again */
	LI_EXIT_ABSENT,				/* no extension in the database */
	LI_EXIT_LEFT				/* asked to leave */
} LiExit;

/*
 * One process that may own jobs.  Written by its owner, except "superseded"
 * and "wake"; the text fields and the identity under LiShared.lock.
 */
typedef struct LiSlot
{
	LiSlotKind	kind;
	LiSlotState state;
	LiExit		exit;
	bool		superseded;		/* it hung; its jobs belong to another now */
	uint32		created_seen;	/* LiDatabase.created before its latest look */
	Oid			database;
	int			pid;			/* 0: not started yet */
	int			pgprocno;
	pg_uuid_t	incarnation;
	TimestampTz started_at;
	pg_atomic_uint32 wake;
	pg_atomic_uint64 beat_ms;	/* monotonic */
	pg_atomic_uint32 in_flight;
	pg_atomic_uint64 completed;
	pg_atomic_uint64 failed;
	pg_atomic_uint64 retried;
	pg_atomic_uint64 deferred;
	pg_atomic_uint64 stale;
	char		reason[LI_REASON_LEN];
	char		last_error[64];
} LiSlot;

typedef enum LiDatabaseState
{
	LI_DB_FREE,					/* unused entry */
	LI_DB_PROBE,				/* unknown: a worker has to look */
	LI_DB_PRESENT,				/* has the extension */
	LI_DB_ABSENT				/* has it not */
} LiDatabaseState;

/* One database; under LiShared.lock. */
typedef struct LiDatabase
{
	LiDatabaseState state;
	Oid			oid;
	int			leaving;		/* utility commands that want us out */
	int			crashes;		/* in a row */
	uint32		created;		/* counts CREATE EXTENSION */
	int			changing;		/* transactions that commit new providers just now */
	int			endings_told_on;	/* day of the latest log line on models that end */
	uint64		next_start_ms;	/* monotonic */
	char		reason[LI_REASON_LEN];	/* why no worker runs; empty: none */
} LiDatabase;

/*
 * A limit per minute as a database has it configured; the narrowest counts as
 * long as a worker of its database lives.  0: none.
 */
typedef struct LiLimit
{
	int			per_minute;
	Oid			database;
} LiLimit;

/*
 * An account (kind, base_url, organization, key as a hash), or one model of
 * it.  Shared by all databases of the server; under LiShared.lock.
 */
typedef struct LiAccount
{
	bool		used;
	char		hash[LI_ACCOUNT_LEN];
	char		model[208];		/* empty: the whole account */

	uint64		used_ms;		/* monotonic; a call was made or has ended */

	/* of the account as configured; of a model as its answers told */
	LiLimit		requests_limit;
	LiLimit		tokens_limit;
	LiBucket	requests;
	LiBucket	tokens;
	uint64		told_ms;		/* of a model: monotonic, latest time */

	/* of the whole account only */
	uint16		in_flight[LI_MAX_SLOTS];	/* calls of each slot's process */
	int			waiter;			/* slot that waits for a place among them; -1: none */
	uint64		waiter_ms;		/* since then */
	int			failures;		/* in a row */
	bool		broken;			/* breaker open: it does not answer */
	int			tries;			/* calls made since, and not heard of yet */
	uint64		last_try_ms;
	TimestampTz turned_at;		/* latest change of the breaker */
	LiPace		pace;
	LiBucket	paced;
	double		tokens_per_byte;	/* of requests; 0: nothing known yet */
	double		tokens_per_call;	/* as reserved, on average */
	double		recent;			/* calls, each fading away within seconds */
	uint64		recent_ms;

	bool		blocked;
	int			defers;			/* in a row, without an answer between */
	bool		probing;
	int			prober;			/* pid that probes */
	TimestampTz blocked_at;
	TimestampTz next_probe_at;
	TimestampTz throttled_until;
	char		code[32];
	char		message[LI_REASON_LEN];
} LiAccount;

/* A daily budget of one database: of a provider or a role; under LiShared.lock. */
typedef struct LiBudget
{
	bool		used;
	Oid			database;
	bool		of_role;
	uint64		name;			/* hash */
	uint64		seen_ms;		/* monotonic; latest time that it was configured */
	int			day;			/* UTC, since the Unix epoch */
	bool		loaded;			/* spent holds what spend_daily had */
	int			loader;			/* process that reads spend_daily; 0: none */
	double		settled;		/* USD since it began to */
	bool		told;			/* the log says that it is used up */
	double		spent;			/* USD of that day */
	double		reserved[LI_MAX_SLOTS]; /* USD, by calls of each slot's process */
	struct
	{
		uint64		model;		/* hash */
		double		cost;		/* what a refused call might have cost; 0: unused */
	}			refused[LI_MAX_REFUSALS];
	int			next_refused;
} LiBudget;

typedef struct LiShared
{
	LWLock	   *lock;
	ConditionVariable job_ended;	/* some job got a terminal state */
	ConditionVariable slot_freed;	/* some worker left */
	int			launcher_pid;
	int			launcher_pgprocno;
	bool		launcher_refresh;	/* look at the list of databases again */
	int			lost_accounts;	/* met while the table was full */
	int			lost_budgets;	/* likewise */
	LiSlot		slots[LI_MAX_SLOTS];
	LiDatabase	databases[LI_MAX_DATABASES];
	LiAccount	accounts[LI_MAX_ACCOUNTS];
	LiBudget	budgets[LI_MAX_BUDGETS];
} LiShared;

/*
 * Never NULL: a server that did not preload the library gives each session a
 * private one, whose lock is NULL.
 */
extern LiShared *li_shared;

#define li_preloaded() (li_shared->lock != NULL)

/* The slot that this process occupies; -1: none. */
extern int	li_my_slot;

extern void li_shared_init(void);
extern void li_shared_lock(LWLockMode mode);
extern void li_shared_unlock(void);

/* What a process sleeps for, as pg_stat_activity.wait_event from version 17 on. */
typedef enum LiWait
{
	LI_WAIT_JOBS,				/* worker: nothing to do */
	LI_WAIT_CALLS,				/* worker: calls in flight */
	LI_WAIT_DATABASES,			/* launcher */
	LI_WAIT_JOB_END,			/* wait_for_job() */
	LI_WAIT_WORKERS_LEAVE		/* DROP DATABASE and its like */
} LiWait;

extern uint32 li_wait_event(LiWait wait);

extern uint64 li_monotonic_ms(void);
extern int	li_my_procno(void);

extern LiSlot *li_slot_reserve(LiSlotKind kind, Oid database);
extern void li_slot_occupy(LiSlot *slot);
extern void li_slot_release(LiSlot *slot, LiExit why);
extern void li_slot_set_state(LiSlot *slot, LiSlotState state, const char *reason);
extern bool li_slot_is_live(const LiSlot *slot);
extern bool li_slot_counts(int slot);
extern bool li_incarnation_is_live(const pg_uuid_t *incarnation);
extern uint32 li_database_created(Oid oid);
extern void li_database_count_change(int n);
extern bool li_database_is_changing(void);

extern LiDatabase *li_database_find(Oid oid, bool create);
extern void li_database_present(Oid oid);
extern bool li_database_is_wanted(Oid oid);
extern void li_database_set_reason(Oid oid, const char *reason);

extern LiAccount *li_account_find(const char *hash, const char *model, bool create);

extern void li_wake_database(Oid database, uint32 why);
extern void li_wake_all(uint32 why);
extern void li_wake_launcher(void);

#endif							/* LI_SHARED_STATE_H */
