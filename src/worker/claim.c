/*-------------------------------------------------------------------------
 *
 * claim.c
 *		One look at the queue: may we work, who is gone, what is due.
 *
 * Lanes (provider, model, role, creator) are looked at as a whole: one that is
 * blocked, throttled or without a key is left out, and not one of its rows is
 * read.  The rest share the room there is, the highest priority first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "faults.h"
#include "settings.h"
#include "sql.h"
#include "worker/blocks.h"
#include "worker/budgets.h"
#include "worker/engine_private.h"
#include "worker/home.h"
#include "worker/limits.h"

#define BUSY_LANE_WAIT_MS	100
#define NAME_WAIT_MS		1000
#define NO_ROOM_WAIT_MS		100		/* at least, until an account's limits are looked at again */
#define RESERVED_WAIT_MS	250		/* until calls under way may have left some of a budget */

static LiStatement pause_statement = {
	"SELECT coalesce(reason, '') FROM linkedin_ingest.pause",
	0
};

/* ---------- whether to work at all ---------- */

static void
set_pause(LiEngine *engine, const char *reason)
{
	if (strcmp(engine->pause_reason, reason) == 0 &&
		engine->slot->state == (reason[0] ? LI_STATE_PAUSED : LI_STATE_RUNNING))
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
 * Whether this database's jobs may be touched.  A database without any job,
 * ended ones included, is not paused: it becomes at home with its first one.
 */
static bool
may_work(LiEngine *engine, bool has_jobs, bool with_rescue)
{
	char	   *problem = NULL;

	if (li_sql_read(&pause_statement, NULL, NULL) > 0)
	{
		char	   *reason = li_sql_text(engine->step, 0, 1);

		set_pause(engine, reason[0] ? psprintf("paused: %s", reason) : "paused by pause_worker()");
		return false;
	}
	if (has_jobs || with_rescue)
		problem = li_home_problem();
	set_pause(engine, problem && (has_jobs || li_queue_has_jobs()) ? problem : "");
	return problem == NULL;
}

/* ---------- rescue ---------- */

static bool
is_among(List *uuids, const pg_uuid_t *id)
{
	ListCell   *cell;

	foreach(cell, uuids)
		if (memcmp(lfirst(cell), id, UUID_LEN) == 0)
			return true;
	return false;
}

/* Those of the owners that are gone. */
static List *
dead_workers(LiEngine *engine)
{
	List	   *owners = li_queue_owners(engine->step);
	List	   *sessions = li_preloaded() ? NIL : li_queue_live_sessions(engine->step);
	List	   *dead = NIL;
	ListCell   *cell;

	MemoryContextSwitchTo(engine->step);
	foreach(cell, owners)
		if (!li_incarnation_is_live(lfirst(cell)) && !is_among(sessions, lfirst(cell)))
			dead = lappend(dead, lfirst(cell));
	return dead;
}

/* Takes over from colleagues that are gone; returns notices to send. */
static List *
rescue(LiEngine *engine)
{
	List	   *dead = dead_workers(engine);
	List	   *notices = NIL;
	int			n;

	if (dead == NIL)
		return NIL;
	n = li_queue_rescue(dead, &notices, engine->step);
	li_queue_forget_workers(dead);
	if (n > 0)
	{
		LI_FAULT("in-rescue");
		engine->look = true;	/* their lanes were looked at before */
		ereport(LOG, (errmsg("linkedin_ingest: rescued %d jobs of workers that are gone", n)));
	}
	return notices;
}

/* ---------- claim ---------- */

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

/* Room for calls of one model of an account, shared by its lanes. */
typedef struct ModelRoom
{
	LiProviderRow *provider;
	const char *model;
	int			room;
} ModelRoom;

/* Takes off what waits for its turn already; what is left, and when to look again. */
static int
room_left(LiEngine *engine, const LiProviderRow *provider, const char *model, TimestampTz now)
{
	int64		wait_ms = 0;
	int			room = li_limits_room(provider, model, &wait_ms);
	dlist_iter	iter;

	if (room < PG_INT32_MAX)
		dlist_foreach(iter, &engine->waiting)
		{
			LiRun	   *run = dlist_container(LiWork, node, iter.cur)->run;

			if (memcmp(run->provider->account, provider->account, LI_ACCOUNT_LEN) == 0 &&
				(model == NULL || strcmp(run->claim->job.model, model) == 0))
				room--;
		}
	if (room <= 0)
		look_at(engine, TimestampTzPlusMilliseconds(now, Max(wait_ms, NO_ROOM_WAIT_MS)), now);
	return Max(room, 0);
}

/*
 * How many calls may go to the provider's name.  As long as it is not known that
 * is one: if the look-up hangs or fails, that one is charged for it, the other
 * jobs wait, and those of other providers have the room.
 */
static int
room_of_name(LiEngine *engine, const LiProviderRow *provider, TimestampTz now)
{
	switch (li_http_name_state(engine->pool, provider->endpoint.base_url))
	{
		case LI_NAME_KNOWN:
			break;
		case LI_NAME_NEW:
			return 1;
		case LI_NAME_PENDING:
			look_at(engine, TimestampTzPlusMilliseconds(now, NAME_WAIT_MS), now);
			return 0;
	}
	return PG_INT32_MAX;
}

/*
 * Is there room for calls of the lane?  The account's is in its provider row,
 * once per look; the model's is in a ModelRoom that all lanes of the model share,
 * which follow each other.
 */
static bool
has_room(LiEngine *engine, LiLane *lane, LiProviderRow *provider, ModelRoom **latest,
		 TimestampTz now)
{
	ModelRoom  *of_model = *latest;

	if (provider->room < 0)
	{
		int			of_name = room_of_name(engine, provider, now);

		provider->room = room_left(engine, provider, NULL, now);
		provider->room = Min(provider->room, of_name);
	}
	if (provider->room == 0)
		return false;
	if (of_model == NULL || of_model->provider != provider ||
		strcmp(of_model->model, lane->model) != 0)
	{
		of_model = palloc(sizeof(ModelRoom));
		of_model->provider = provider;
		of_model->model = lane->model;
		of_model->room = room_left(engine, provider, lane->model, now);
		*latest = of_model;
	}
	lane->room = &of_model->room;
	return of_model->room > 0;
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

/* Midnight in UTC, when budgets begin anew. */
static TimestampTz
next_day(TimestampTz now)
{
	return (now / USECS_PER_DAY + 1) * USECS_PER_DAY;
}

/*
 * Which of the lanes may be claimed from now: due, not blocked, not
 * throttled.  A lane that may only be probed gets its one job here.
 */
static List *
open_lanes(LiEngine *engine, List *lanes, int room, List **probes)
{
	TimestampTz now = GetCurrentTimestamp();
	ModelRoom  *of_model = NULL;
	List	   *open = NIL;
	ListCell   *cell;

	foreach(cell, engine->accounts->providers)
		((LiProviderRow *) lfirst(cell))->room = -1;	/* not known yet */
	foreach(cell, lanes)
	{
		LiLane	   *lane = lfirst(cell);
		LiProviderRow *provider = li_accounts_provider(engine->accounts, lane->provider);
		TimestampTz again = 0;
		const char *role = lane->role[0] ? lane->role : NULL;

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
		switch (li_budgets_look(engine->accounts, provider, lane->model, role))
		{
			case LI_BUDGET_OPEN:
				break;
			case LI_BUDGET_RESERVED:
				look_at(engine, TimestampTzPlusMilliseconds(now, RESERVED_WAIT_MS), now);
				continue;
			case LI_BUDGET_EXHAUSTED:
				look_at(engine, next_day(now), now);
				continue;
		}
		if (!has_room(engine, lane, provider, &of_model, now))
			continue;
		switch (li_account_gate(provider, lane->model, now, &again))
		{
			case LI_GATE_OPEN:
				open = lappend(open, lane);
				break;
			case LI_GATE_PROBE:
				if (list_length(*probes) < room &&
					li_account_begin_probe(provider, lane->model))
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
			lane->quota = Min((part + lanes_left - 1) / lanes_left, room);
			if (provider != NULL)
			{
				lane->quota = Min(lane->quota, Min(provider->room, *lane->room));
				provider->room -= lane->quota;
				*lane->room -= lane->quota;
			}
			lanes_left--;
			part -= lane->quota;
			room -= lane->quota;
		}
	}
}

/*
 * Without the lanes that had a share, or can have none because their account or
 * model has no more room; nobody has a share afterwards.
 */
static List *
drop_served(LiEngine *engine, List *lanes)
{
	List	   *rest = NIL;
	ListCell   *cell;

	foreach(cell, lanes)
	{
		LiLane	   *lane = lfirst(cell);
		LiProviderRow *provider = li_accounts_provider(engine->accounts, lane->provider);

		if (lane->quota == 0 && (provider == NULL || (provider->room > 0 && *lane->room > 0)))
			rest = lappend(rest, lane);
		lane->quota = 0;
	}
	return list_length(rest) < list_length(lanes) ? rest : NIL;
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

static bool
has_probe(LiEngine *engine)
{
	dlist_head *lists[] = {&engine->claimed, &engine->waiting, &engine->open, &engine->ended};
	dlist_iter	iter;
	int			i;

	for (i = 0; i < lengthof(lists); i++)
		dlist_foreach(iter, lists[i])
			if (dlist_container(LiWork, node, iter.cur)->run->probe)
				return true;
	return false;
}

/* Whether there may be a newer configuration than the one that is loaded. */
static bool
has_new_config(const LiEngine *engine)
{
	return li_database_is_changing() ||
		(pg_atomic_read_u32(&engine->slot->wake) & LI_WAKE_CONFIG);
}

static void
load_accounts(LiEngine *engine)
{
	LiAccounts *fresh;

	PushActiveSnapshot(GetTransactionSnapshot());	/* as of now, not of the look */
	fresh = li_accounts_load(engine->step);
	PopActiveSnapshot();
	li_budgets_load(fresh);
	MemoryContextSetParent(fresh->cxt, engine->cxt);	/* what throws is behind us */
	li_limits_configure(fresh);
	li_limits_report_overflow();

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
void
li_engine_beat(LiEngine *engine)
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
void
li_engine_claim(LiEngine *engine, bool with_rescue)
{
	int			room = Min(li_batch_size, engine->capacity - engine->in_flight);
	List	   *lanes;
	List	   *open;
	List	   *probes = NIL;
	List	   *claims = NIL;
	List	   *notices = NIL;
	ListCell   *cell;
	bool		due;

	if (engine->limit >= 0)
		room = Min(room, engine->limit);
	engine->look = false;
	engine->next_look_ms = 0;
	if (!has_probe(engine))
		li_accounts_drop_probes();
	if (!li_engine_begin(engine))
		return;
	if (engine->accounts == NULL || has_new_config(engine))
		load_accounts(engine);

	lanes = li_queue_lanes(engine->step);
	if (!may_work(engine, lanes != NIL, with_rescue))
		room = 0;
	else if (with_rescue)
		notices = rescue(engine);

	MemoryContextSwitchTo(engine->step);
	if (room > 0 && lanes != NIL)
	{
		open = open_lanes(engine, lanes, room, &probes);
		due = open != NIL || probes != NIL;
		room -= Min(room, list_length(probes));
		do
		{
			share_out(engine, open, room);
			claims = li_queue_claim(lanes, &engine->slot->incarnation, engine->step);
			MemoryContextSwitchTo(engine->step);
			/* All rows of a level locked by somebody: the next level's turn. */
			open = drop_served(engine, open);
		} while (claims == NIL && open != NIL);
		/* a job may rely on a change that was committed with it, or just before */
		if (claims != NIL && has_new_config(engine))
			load_accounts(engine);
		if (claims != NIL)
			li_engine_beat(engine);
		else if (due)
			engine->next_look_ms = li_monotonic_ms() + BUSY_LANE_WAIT_MS;
	}
	if (claims != NIL)
		LI_FAULT("before-claim-commit");
	li_engine_commit(engine);
	engine->unsettled = true;
	if (claims != NIL)
		LI_FAULT("after-claim-commit");

	if (notices != NIL)
	{
		li_engine_keep_notices(engine, notices);
		ConditionVariableBroadcast(&li_shared->job_ended);
	}
	/* Only committed claims are ours. */
	foreach(cell, claims)
	{
		LiClaim    *one = lfirst(cell);

		MemoryContextSetParent(one->cxt, engine->cxt);
		li_engine_add(engine, &engine->claimed,
			   li_work_create(one, engine->accounts, li_job_kind, is_probe(&probes, one)));
	}
	engine->unsettled = false;
	foreach(cell, probes)		/* nobody was there to try */
	{
		LiLane	   *lane = lfirst(cell);

		LiProviderRow *provider = li_accounts_provider(engine->accounts, lane->provider);

		li_account_end_probe(provider, "", false);
		li_account_end_probe(provider, lane->model, false);
	}
	if (engine->limit >= 0)
		engine->limit = Max(engine->limit - list_length(claims), 0);
	if (claims != NIL)
		engine->look = true;
	list_free(claims);
}
