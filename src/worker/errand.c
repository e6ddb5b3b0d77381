/*-------------------------------------------------------------------------
 *
 * errand.c
 *		A session asks a provider for its models, through the worker.
 *
 * The second kind of task.  It has no row: a session waits for the answer and
 * does with it what it likes.  So question and answer pass through shared
 * memory, in one of a few places:
 *
 *		free -> asked (by the session) -> taken (by a worker of its database)
 *			 -> done (answered, or said why not) -> free (by the session)
 *
 * Either side may vanish at any time.  The session frees its place however it
 * leaves, and a place has a number that each use raises, so a worker that
 * comes late finds the place free or another's and drops the answer.  A worker
 * that leaves puts its places back to "asked" for its successor: the request
 * costs nothing and changes nothing, so it may be made twice.  Whatever goes
 * wrong, the session's own deadline ends the wait.
 *
 * The transfer runs in the engine's pool among those of the jobs, so here too
 * nothing is held while the provider thinks.  It counts for nobody's limit and
 * blocks nothing: a key may do well without the right to list models.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/memutils.h"

#include "llm/models.h"
#include "settings.h"
#include "worker/engine_private.h"
#include "worker/errand.h"

#define MAX_PLACES		4		/* errands of the whole server at a time */
#define ANSWER_BYTES	(64 * 1024) /* some 2,000 models */
#define LEEWAY_MS		500		/* the transfer ends before the session's patience */
#define LOOK_MS			1000	/* a session looks at its places at least so often */

typedef enum PlaceState
{
	PLACE_FREE,
	PLACE_ASKED,
	PLACE_TAKEN,
	PLACE_DONE
} PlaceState;

/* Under LiShared.lock. */
typedef struct Place
{
	PlaceState	state;
	uint64		number;			/* of the errand */
	Oid			database;
	int			taker;			/* pid of the worker that has taken it */
	uint64		deadline_ms;	/* monotonic */
	char		provider[NAMEDATALEN];
	char		code[32];		/* empty: it was answered */
	char		message[LI_REASON_LEN];
	int			len;
	char		lines[ANSWER_BYTES];	/* as li_models_read() writes them */
} Place;

typedef struct Places
{
	ConditionVariable changed;	/* an errand is done, or a place free */
	uint64		last_number;
	Place		place[MAX_PLACES];
} Places;

/* An errand that this worker has taken. */
typedef struct Errand
{
	dlist_node	node;			/* in LiEngine.errands */
	MemoryContext cxt;			/* holds this, the accounts and the request */
	Place	   *place;
	uint64		number;
	uint64		deadline_ms;
	char		provider[NAMEDATALEN];
	LiAccounts *accounts;
	LiHttpRequest request;
	LiHttpCall *call;
} Errand;

/* What a session wants to know of one provider. */
typedef struct Ask
{
	char	   *provider;
	Place	   *place;			/* ours until we free it; NULL: not yet, or no more */
	bool		done;
	const char *code;			/* NULL: answered */
	const char *message;
	const char *lines;
} Ask;

typedef struct Asks
{
	Ask		   *ask;
	int			n;
} Asks;

static Places *places;			/* NULL: the library is not preloaded */
static shmem_request_hook_type previous_request_hook;
static shmem_startup_hook_type previous_startup_hook;

PG_FUNCTION_INFO_V1(linkedin_ingest_list_models);

/* ---------- shared memory ---------- */

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Places)));
}

static void
startup_shmem(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	places = ShmemInitStruct("linkedin_ingest errands", sizeof(Places), &found);
	if (!found)
	{
		memset(places, 0, sizeof(Places));
		ConditionVariableInit(&places->changed);
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Called from _PG_init. */
void
li_errand_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}

/* ---------- the worker ---------- */

/* The first errand of this database that nobody has taken. */
static bool
find_asked(Errand *found)
{
	bool		is_there = false;
	int			i;

	li_shared_lock(LW_SHARED);
	for (i = 0; i < MAX_PLACES && !is_there; i++)
	{
		Place	   *place = &places->place[i];

		if (place->state != PLACE_ASKED || place->database != MyDatabaseId)
			continue;
		found->place = place;
		found->number = place->number;
		found->deadline_ms = place->deadline_ms;
		strlcpy(found->provider, place->provider, sizeof(found->provider));
		is_there = true;
	}
	li_shared_unlock();
	return is_there;
}

/* False: its session has left, or a colleague was quicker. */
static bool
take(const Errand *errand)
{
	Place	   *place = errand->place;
	bool		taken;

	li_shared_lock(LW_EXCLUSIVE);
	taken = place->state == PLACE_ASKED && place->number == errand->number;
	if (taken)
	{
		place->state = PLACE_TAKEN;
		place->taker = MyProcPid;
	}
	li_shared_unlock();
	return taken;
}

/* The caller holds the lock. */
static bool
is_ours(const Errand *errand)
{
	return errand->place->state == PLACE_TAKEN &&
		errand->place->number == errand->number && errand->place->taker == MyProcPid;
}

/* Tells the session; "code" is NULL for an answer.  Dropped when it has left. */
static void
finish(const Errand *errand, const char *code, const char *message,
	   const char *lines, int len)
{
	Place	   *place = errand->place;

	if (len > ANSWER_BYTES)
	{
		code = "response_too_large";
		message = "the list of models is too long";
		len = 0;
	}
	li_shared_lock(LW_EXCLUSIVE);
	if (is_ours(errand))
	{
		strlcpy(place->code, code ? code : "", sizeof(place->code));
		strlcpy(place->message, message ? message : "", sizeof(place->message));
		memcpy(place->lines, lines, len);
		place->len = len;
		place->state = PLACE_DONE;
	}
	li_shared_unlock();
	ConditionVariableBroadcast(&places->changed);
}

static void
free_errand(Errand *errand)
{
	if (errand->call != NULL)
		li_http_call_free(errand->call);
	li_accounts_release(errand->accounts);
	MemoryContextDelete(errand->cxt);
}

/* Builds the request; returns why there can be none, or NULL. */
static const char *
prepare(Errand *errand)
{
	const LiProviderRow *provider = li_accounts_provider(errand->accounts, errand->provider);
	const char *fault;
	int64		left = (int64) errand->deadline_ms - (int64) li_monotonic_ms() - LEEWAY_MS;

	if (provider == NULL)
		return "the worker does not see the provider: commit it first";
	if (provider->problem != NULL)
		return provider->problem;
	fault = li_models_build(provider->dialect, &provider->endpoint, &errand->request);
	if (fault != NULL)
		return fault;
	errand->request.connect_timeout_ms = provider->connect_timeout_ms;
	errand->request.timeout_ms = (int) Max(Min(provider->request_timeout_ms, left), 1);
	errand->request.max_response = (size_t) li_max_response_size * 1024;
	errand->request.ca_file = provider->ca_file;
	errand->request.allow_private = li_allow_private_endpoints;
	return NULL;
}

/*
 * Takes what was found and sends it.  False: not now.  What may throw comes
 * before it is taken; until then its memory goes with the step.
 */
static bool
take_up(LiEngine *engine, const Errand *found)
{
	MemoryContext cxt = AllocSetContextCreate(engine->step, "linkedin_ingest errand",
											  ALLOCSET_SMALL_SIZES);
	Errand	   *errand = MemoryContextAllocZero(cxt, sizeof(Errand));
	MemoryContext old;
	const char *fault;

	*errand = *found;
	errand->cxt = cxt;
	if (!li_engine_begin(engine))
		return false;
	errand->accounts = li_accounts_load(cxt);
	li_engine_commit(engine);
	old = MemoryContextSwitchTo(cxt);
	fault = prepare(errand);
	MemoryContextSwitchTo(old);

	if (!take(errand))
	{
		free_errand(errand);
		return true;
	}
	if (fault == NULL)
	{
		errand->call = li_http_start(engine->pool, &errand->request, errand);
		if (errand->call != NULL)
		{
			MemoryContextSetParent(cxt, engine->cxt);
			dlist_push_tail(&engine->errands, &errand->node);
			return true;
		}
		finish(errand, "connection_failed",
			   "the call could not be started: out of memory or descriptors", "", 0);
	}
	else
		finish(errand, "config_error", fault, "", 0);
	free_errand(errand);
	return true;
}

/* Ends the calls whose session has left. */
static void
drop_abandoned(LiEngine *engine)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->errands)
	{
		Errand	   *errand = dlist_container(Errand, node, iter.cur);
		bool		wanted;

		li_shared_lock(LW_SHARED);
		wanted = is_ours(errand);
		li_shared_unlock();
		if (!wanted)
		{
			dlist_delete(iter.cur);
			free_errand(errand);
		}
	}
}

/* Looks for errands and sends them; part of each cycle. */
void
li_errands_run(LiEngine *engine)
{
	Errand		found = {0};

	if (places == NULL || engine->slot->kind != LI_SLOT_WORKER)
		return;
	drop_abandoned(engine);
	if (engine->slot->superseded || engine->pause_reason[0])
		return;
	while (find_asked(&found) && take_up(engine, &found))
		li_http_drive(engine->pool);
}

/* Whether a call that has ended is an errand's; if so the session is told. */
bool
li_errand_answered(LiEngine *engine, LiHttpCall *call)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &engine->errands)
	{
		Errand	   *errand = dlist_container(Errand, node, iter.cur);
		MemoryContext old;
		StringInfoData lines;
		LiOutcome	outcome;

		if (errand->call != call)
			continue;
		old = MemoryContextSwitchTo(errand->cxt);
		initStringInfo(&lines);
		outcome = li_models_read(li_http_call_response(call), &lines);
		finish(errand, outcome.code, outcome.message, lines.data, lines.len);
		MemoryContextSwitchTo(old);
		dlist_delete(iter.cur);
		free_errand(errand);
		return true;
	}
	return false;
}

/* The worker leaves: another may take them. */
void
li_errands_drop(LiEngine *engine)
{
	while (!dlist_is_empty(&engine->errands))
	{
		Errand	   *errand = dlist_container(Errand, node, dlist_pop_head_node(&engine->errands));

		li_shared_lock(LW_EXCLUSIVE);
		if (is_ours(errand))
			errand->place->state = PLACE_ASKED;
		li_shared_unlock();
		free_errand(errand);
	}
}

/* ---------- the session ---------- */

/* The caller holds the lock. */
static Place *
find_free(void)
{
	int			i;

	for (i = 0; i < MAX_PLACES; i++)
		if (places->place[i].state == PLACE_FREE)
			return &places->place[i];
	return NULL;
}

/* Puts questions to where there is room; whether there is anything new. */
static bool
put_questions(Asks *asks, uint64 deadline_ms)
{
	bool		put = false;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	for (i = 0; i < asks->n; i++)
	{
		Ask		   *ask = &asks->ask[i];
		Place	   *place;

		if (ask->done || ask->place != NULL)
			continue;
		place = find_free();
		if (place == NULL)
			break;
		place->state = PLACE_ASKED;
		place->number = ++places->last_number;
		place->database = MyDatabaseId;
		place->taker = 0;
		place->deadline_ms = deadline_ms;
		strlcpy(place->provider, ask->provider, sizeof(place->provider));
		ask->place = place;
		put = true;
	}
	li_shared_unlock();
	return put;
}

/* Frees the place of a question, answered or not. */
static void
leave_place(Ask *ask)
{
	bool		taken = false;

	if (ask->place == NULL)
		return;
	li_shared_lock(LW_EXCLUSIVE);
	taken = ask->place->state == PLACE_TAKEN;
	ask->place->state = PLACE_FREE;
	li_shared_unlock();
	ask->place = NULL;
	ConditionVariableBroadcast(&places->changed);
	if (taken)					/* its call need not go on */
		li_wake_database(MyDatabaseId, LI_WAKE_JOBS);
}

/* For every way out: the end, an error, a cancel, the end of the process. */
static void
leave(int code, Datum arg)
{
	Asks	   *asks = (Asks *) DatumGetPointer(arg);
	int			i;

	ConditionVariableCancelSleep();
	for (i = 0; i < asks->n; i++)
		leave_place(&asks->ask[i]);
}

/* Fetches the answers that are there; returns how many are still to come. */
static int
fetch_answers(Asks *asks)
{
	int			missing = 0;
	int			i;

	for (i = 0; i < asks->n; i++)
	{
		Ask		   *ask = &asks->ask[i];
		bool		done;

		if (ask->done)
			continue;
		missing++;
		if (ask->place == NULL)
			continue;
		li_shared_lock(LW_SHARED);
		done = ask->place->state == PLACE_DONE;
		li_shared_unlock();
		if (!done)
			continue;
		/* nobody else touches it any more */
		ask->code = ask->place->code[0] ? pstrdup(ask->place->code) : NULL;
		ask->message = pstrdup(ask->place->message);
		ask->lines = pnstrdup(ask->place->lines, ask->place->len);
		ask->done = true;
		missing--;
		leave_place(ask);
	}
	return missing;
}

/* Asks all providers at once and waits. */
static void
wait_for_answers(Asks *asks, uint64 deadline_ms)
{
	ConditionVariablePrepareToSleep(&places->changed);
	for (;;)
	{
		int64		left;

		if (put_questions(asks, deadline_ms))
			li_wake_database(MyDatabaseId, LI_WAKE_JOBS);
		if (fetch_answers(asks) == 0)
			break;
		left = (int64) deadline_ms - (int64) li_monotonic_ms();
		if (left <= 0)
			break;
		CHECK_FOR_INTERRUPTS();
		ConditionVariableTimedSleep(&places->changed, Min(left, LOOK_MS), PG_WAIT_EXTENSION);
	}
}

static void
emit(FunctionCallInfo fcinfo, const Ask *ask, const char *model, const char *date)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[5] = {0};
	bool		nulls[5] = {false, true, true, true, true};

	values[0] = CStringGetTextDatum(ask->provider);
	if (ask->code != NULL)
	{
		values[1] = CStringGetTextDatum(ask->code);
		values[2] = CStringGetTextDatum(ask->message);
		nulls[1] = nulls[2] = false;
	}
	if (model != NULL)
	{
		values[3] = CStringGetTextDatum(model);
		nulls[3] = false;
	}
	if (date != NULL && date[0] != '\0')
	{
		values[4] = DirectFunctionCall1(date_in, CStringGetDatum(date));
		nulls[4] = false;
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* A row for each line "model TAB date". */
static void
emit_lines(FunctionCallInfo fcinfo, const Ask *ask)
{
	char	   *line = pstrdup(ask->lines);
	char	   *end;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1)
	{
		char	   *tab = strchr(line, '\t');

		*end = '\0';
		*tab = '\0';
		emit(fcinfo, ask, line, tab + 1);
	}
}

/*
 * list_models(providers, timeout_ms) -> a row per provider and model, or per
 * provider that gave no list with code and message
 */
Datum
linkedin_ingest_list_models(PG_FUNCTION_ARGS)
{
	int			timeout_ms = PG_GETARG_INT32(1);
	uint64		deadline_ms = li_monotonic_ms() + Max(timeout_ms, 0);
	Datum	   *names;
	bool	   *nulls;
	Asks		asks;
	int			i;

	if (places == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the library is not preloaded")));
	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &asks.n);
	asks.ask = palloc0(sizeof(Ask) * Max(asks.n, 1));
	for (i = 0; i < asks.n; i++)
		asks.ask[i].provider = nulls[i] ? pstrdup("") : TextDatumGetCString(names[i]);

	PG_ENSURE_ERROR_CLEANUP(leave, PointerGetDatum(&asks));
	{
		wait_for_answers(&asks, deadline_ms);
	}
	PG_END_ENSURE_ERROR_CLEANUP(leave, PointerGetDatum(&asks));
	leave(0, PointerGetDatum(&asks));

	for (i = 0; i < asks.n; i++)
	{
		Ask		   *ask = &asks.ask[i];

		if (!ask->done)
		{
			ask->code = "timeout";
			ask->message = psprintf("no answer came within %d ms", timeout_ms);
		}
		if (ask->code != NULL)
			emit(fcinfo, ask, NULL, NULL);
		else
			emit_lines(fcinfo, ask);
	}
	return (Datum) 0;
}
