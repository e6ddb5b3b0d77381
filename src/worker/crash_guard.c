/*-------------------------------------------------------------------------
 *
 * crash_guard.c
 *		A worker that crashes again and again is not started any more.
 *
 * When a worker crashes (SIGSEGV, SIGABRT, the kernel's out-of-memory killer)
 * PostgreSQL ends every session and starts anew.  A worker that is started and
 * crashes each time would take the whole server with it for ever, so after
 * MAX_CRASHES crashes within CRASH_WINDOW_MS its database gets none until
 * somebody asks for it.
 *
 * PostgreSQL's shared memory is made anew after a crash, so the count cannot
 * be there.  It is in a mapping of our own that the postmaster makes while it
 * loads the library, keeps, and hands to each process that it forks.  It holds
 * numbers only.  A restart of the server begins with an empty one.
 *
 * Who crashed is known exactly: a worker notes that it runs and takes the note
 * back on its way out, also when the postmaster ends it by SIGQUIT because
 * another process crashed.  A note that the next launcher finds is a crash.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libpq/pqsignal.h"

#include "worker/crash_guard.h"
#include "worker/shared_state.h"

/* More than a job's tries: one that kills its worker has ended by then. */
#define MAX_CRASHES		8
#define CRASH_WINDOW_MS	(5 * 60 * 1000)

typedef struct Crashes
{
	Oid			database;		/* InvalidOid: unused */
	bool		told;			/* the log says that it is stopped */
	uint64		at_ms[MAX_CRASHES]; /* monotonic, the newest first; 0: none */
} Crashes;

typedef struct Guard
{
	Oid			running[LI_MAX_SLOTS];	/* of the worker in that slot */
	Crashes		crashes[LI_MAX_DATABASES];	/* the launcher's; others only clear */
} Guard;

static Guard *guard;			/* NULL: there is no memory for it, nothing is guarded */
static volatile Oid *my_note;

/* Called from _PG_init while libraries are preloaded. */
void
li_crash_guard_init(void)
{
	void	   *memory = mmap(NULL, sizeof(Guard), PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		ereport(LOG,
				(errmsg("linkedin_ingest: no memory to count crashes of workers: %m")));
	else
		guard = memory;			/* zeros */
}

/* As SignalHandlerForCrashExit: the server goes down, but not by our fault. */
static void
quit(SIGNAL_ARGS)
{
	*my_note = InvalidOid;
	_exit(2);
}

void
li_crash_guard_enter(int slot, Oid database)
{
	if (guard == NULL)
		return;
	my_note = &guard->running[slot];
	pqsignal(SIGQUIT, quit);
	*my_note = database;
}

void
li_crash_guard_leave(void)
{
	if (my_note != NULL)
		*my_note = InvalidOid;
}

static Crashes *
find(Oid database)
{
	int			i;

	for (i = 0; guard != NULL && i < LI_MAX_DATABASES; i++)
		if (guard->crashes[i].database == database)
			return &guard->crashes[i];
	return NULL;
}

static bool
is_too_many(const Crashes *crashes)
{
	uint64		oldest = crashes->at_ms[MAX_CRASHES - 1];

	return oldest != 0 && crashes->at_ms[0] < oldest + CRASH_WINDOW_MS;
}

static void
count(Oid database)
{
	Crashes    *crashes = find(database);

	if (crashes == NULL)
		crashes = find(InvalidOid);
	if (crashes == NULL)		/* as many databases have crashed as there may be */
		return;
	crashes->database = database;
	if (is_too_many(crashes))
		return;					/* it is kept out; this was a second worker beside it */
	memmove(&crashes->at_ms[1], &crashes->at_ms[0], sizeof(uint64) * (MAX_CRASHES - 1));
	crashes->at_ms[0] = li_monotonic_ms();
}

/* Counts the workers that crashed since the last look.  When the launcher starts. */
void
li_crash_guard_collect(void)
{
	int			i;

	for (i = 0; guard != NULL && i < LI_MAX_SLOTS; i++)
		if (OidIsValid(guard->running[i]) && li_shared->slots[i].kind != LI_SLOT_WORKER)
		{
			count(guard->running[i]);
			guard->running[i] = InvalidOid;
		}
}

/* Whether the database is to get no worker; says so once in the log. */
bool
li_crash_guard_stops(Oid database, const char *name)
{
	Crashes    *crashes = find(database);

	if (crashes == NULL || !is_too_many(crashes))
		return false;
	if (!crashes->told)
		ereport(LOG,
				(errmsg("linkedin_ingest: the worker of database \"%s\" crashed %d times within %d minutes and is not started again",
						name, MAX_CRASHES, CRASH_WINDOW_MS / 60000),
				 errdetail("Each crash of a worker ends all sessions of the server."),
				 errhint("Look above for how it ended.  SELECT linkedin_ingest.resume_worker() in that database, or a reload of the configuration, starts it again.")));
	crashes->told = true;
	return true;
}

void
li_crash_guard_forget(Oid database)
{
	int			i;

	for (i = 0; guard != NULL && i < LI_MAX_DATABASES; i++)
		if (!OidIsValid(database) || guard->crashes[i].database == database)
			memset(&guard->crashes[i], 0, sizeof(Crashes));
}
