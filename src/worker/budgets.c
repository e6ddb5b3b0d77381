/*-------------------------------------------------------------------------
 *
 * budgets.c
 *		What a provider and a role may cost in a day.
 *
 * A call is made only if the day's cost, what the calls under way may cost at
 * most, and what it may cost itself stay within the budget of its provider and
 * that of its role.  What it may cost is reserved in shared memory before it is
 * sent, and replaced by what it did cost once that is committed.
 *
 * The day is UTC's, as in spend_daily, and budgets are those of one database.
 * Shared memory learns from spend_daily what was spent before it knew of a
 * budget, and again whenever nothing is under way, so that it cannot drift
 * away from the table.  Models without a price cost nothing here: nobody knows.
 *
 * What is reserved is counted for each slot, so that it ends with its process.
 *
 * A budget that leaves less than a call might cost holds back the jobs of that
 * model; others may still fit.  One that is only reserved is waited for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "sql.h"
#include "worker/budgets.h"

#define ROUNDING	1e-9		/* USD; sums of doubles are not exact */
#define FORGET_MS	600000		/* a budget not configured for so long is forgotten */

/* A fresh snapshot is needed: what others have settled by now must be in it. */
static LiStatement spent_statement = {
	"SELECT true, provider, sum(cost_usd)::float8 FROM linkedin_ingest.spend_daily"
	" WHERE day = (clock_timestamp() AT TIME ZONE 'UTC')::date AND cost_usd IS NOT NULL"
	" GROUP BY provider"
	" UNION ALL"
	" SELECT false, role, sum(cost_usd)::float8 FROM linkedin_ingest.spend_daily"
	" WHERE day = (clock_timestamp() AT TIME ZONE 'UTC')::date AND cost_usd IS NOT NULL"
	" AND role IS NOT NULL GROUP BY role",
	0
};

static int
today(void)
{
	return (int) ((GetCurrentTimestamp() / USECS_PER_DAY) +
				  (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE));
}

static uint64
hash_of(const char *text)
{
	return hash_bytes_extended((const unsigned char *) text, strlen(text), 0);
}

/* USD, by calls of all live processes. */
static double
reserved_of(const LiBudget *budget)
{
	double		sum = 0;
	int			i;

	for (i = 0; i < LI_MAX_SLOTS; i++)
		if (budget->reserved[i] > 0 && li_slot_counts(i))
			sum += budget->reserved[i];
	return sum;
}

/*
 * The entry of a budget, as of today.  NULL: there is none and none is to be
 * made, or no room, which is counted.  The caller holds the lock.
 */
static LiBudget *
find(bool of_role, const char *text, bool create)
{
	uint64		name = hash_of(text);
	uint64		now = li_monotonic_ms();
	int			day = today();
	LiBudget   *unused = NULL;
	int			i;

	for (i = 0; i < LI_MAX_BUDGETS; i++)
	{
		LiBudget   *budget = &li_shared->budgets[i];

		if (unused == NULL && (!budget->used || (budget->seen_ms + FORGET_MS < now &&
												 reserved_of(budget) == 0)))
			unused = budget;
		if (!budget->used || budget->database != MyDatabaseId ||
			budget->of_role != of_role || budget->name != name)
			continue;
		if (budget->day != day)
		{
			budget->day = day;
			budget->spent = budget->settled = 0;
			memset(budget->refused, 0, sizeof(budget->refused));
			budget->told = false;
		}
		return budget;
	}
	if (!create)
		return NULL;
	if (unused == NULL)
	{
		li_shared->lost_budgets++;
		return NULL;
	}
	memset(unused, 0, sizeof(LiBudget));
	unused->used = true;
	unused->seen_ms = now;
	unused->database = MyDatabaseId;
	unused->of_role = of_role;
	unused->name = name;
	unused->day = day;
	return unused;
}

/* ---------- loading ---------- */

/*
 * Before the table is read: is it to be read for this budget, by this process?
 * What is settled meanwhile is noted, and added to what the table says: at worst
 * twice, never not at all.
 */
static bool
expect(bool of_role, const char *name)
{
	LiBudget   *budget = find(of_role, name, true);

	if (budget == NULL)
		return false;
	budget->seen_ms = li_monotonic_ms();
	if (budget->loaded && reserved_of(budget) > 0)
		return false;
	if (budget->loader != 0 && budget->loader != MyProcPid && kill(budget->loader, 0) == 0)
		return false;
	budget->loader = MyProcPid;
	budget->settled = 0;
	return true;
}

/* Takes over what the table had; 0 where it has no row. */
static void
take_over(bool of_role, const char *name, uint64 rows)
{
	double		spent = 0;
	LiBudget   *budget;
	uint64		i;

	for (i = 0; i < rows; i++)
		if (DatumGetBool(li_sql_value(i, 1, BoolGetDatum(true))) != of_role &&
			strcmp(li_sql_text(CurrentMemoryContext, i, 2), name) == 0)
			spent = DatumGetFloat8(li_sql_value(i, 3, Float8GetDatum(0)));
	li_shared_lock(LW_EXCLUSIVE);
	budget = find(of_role, name, false);
	if (budget != NULL && budget->loader == MyProcPid)
	{
		budget->spent = spent + budget->settled;
		budget->loaded = true;
		budget->loader = 0;
	}
	li_shared_unlock();
}

void
li_budgets_load(LiAccounts *accounts)
{
	bool		wanted = false;
	ListCell   *cell;
	uint64		rows;

	li_shared_lock(LW_EXCLUSIVE);
	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);

		if (provider->daily_budget >= 0 && expect(false, provider->name))
			wanted = true;
	}
	foreach(cell, accounts->role_budgets)
		if (expect(true, ((LiRoleBudget *) lfirst(cell))->role))
			wanted = true;
	li_shared_unlock();
	if (!wanted)
		return;

	rows = li_sql_run(&spent_statement, NULL, NULL);
	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);

		if (provider->daily_budget >= 0)
			take_over(false, provider->name, rows);
	}
	foreach(cell, accounts->role_budgets)
		take_over(true, ((LiRoleBudget *) lfirst(cell))->role, rows);
}

/* ---------- judging ---------- */

/*
 * What a refused call of the model (empty: of the cheapest one) might have cost;
 * 0: none was refused.
 */
static double
refused_cost(const LiBudget *budget, const char *model)
{
	uint64		hash = hash_of(model);
	double		least = 0;
	int			i;

	for (i = 0; i < LI_MAX_REFUSALS; i++)
	{
		double		cost = budget->refused[i].cost;

		if (cost > 0 && (model[0] == '\0' || budget->refused[i].model == hash) &&
			(least == 0 || cost < least))
			least = cost;
	}
	return least;
}

/*
 * Whether the budget holds back a call of the model that may cost so much.
 * Nothing known of it, or no room to count: it does.
 */
static LiBudgetState
judge(const LiBudget *budget, double limit, double cost)
{
	if (budget == NULL || !budget->loaded || budget->spent >= limit ||
		budget->spent + cost > limit + ROUNDING)
		return LI_BUDGET_EXHAUSTED;
	if (budget->spent + reserved_of(budget) + cost > limit + ROUNDING)
		return LI_BUDGET_RESERVED;
	return LI_BUDGET_OPEN;
}

/* The same for the next job of a model, as far as can be said before its call. */
static LiBudgetState
look(bool of_role, const char *name, double limit, const char *model)
{
	LiBudget   *budget;

	if (limit < 0)
		return LI_BUDGET_OPEN;
	budget = find(of_role, name, true);
	return judge(budget, limit, budget ? refused_cost(budget, model) : 0);
}

/*
 * Whether jobs of this provider, model and role (NULL: none) need not be claimed
 * now.
 */
LiBudgetState
li_budgets_look(LiAccounts *accounts, const LiProviderRow *provider, const char *model,
				const char *role)
{
	double		role_limit = li_accounts_role_budget(accounts, role);
	LiBudgetState state;

	if (provider->daily_budget < 0 && role_limit < 0)
		return LI_BUDGET_OPEN;
	li_shared_lock(LW_EXCLUSIVE);
	state = look(false, provider->name, provider->daily_budget, model);
	if (role_limit >= 0)
		state = Max(state, look(true, role, role_limit, model));
	li_shared_unlock();
	return state;
}

/*
 * Whether what is left today was too little for a call of the model, for whoever
 * looks; the workers may be in other processes.
 */
bool
li_budget_refuses(bool of_role, const char *name, double limit, const char *model)
{
	LiBudget   *budget;
	bool		refuses = false;

	li_shared_lock(LW_EXCLUSIVE);
	budget = find(of_role, name, false);
	if (budget != NULL && budget->loaded)
		refuses = judge(budget, limit, refused_cost(budget, model)) ==
			LI_BUDGET_EXHAUSTED;
	li_shared_unlock();
	return refuses;
}

/* ---------- reserving ---------- */

/* Notes that a call of the model was refused; whether the log is to tell. */
static bool
refuse(LiBudget *budget, const char *model, double cost)
{
	uint64		hash = hash_of(model);
	bool		news;
	int			i;

	if (budget == NULL)
		return false;
	for (i = 0; i < LI_MAX_REFUSALS; i++)
		if (budget->refused[i].model == hash)
			break;
	if (i == LI_MAX_REFUSALS)
		i = budget->next_refused++ % LI_MAX_REFUSALS;
	budget->refused[i].model = hash;
	budget->refused[i].cost = cost;
	news = !budget->told;
	budget->told = true;
	return news;
}

static void
forget_refusal(LiBudget *budget, const char *model)
{
	uint64		hash = hash_of(model);
	int			i;

	for (i = 0; i < LI_MAX_REFUSALS; i++)
		if (budget->refused[i].model == hash)
			budget->refused[i].cost = 0;
}

/*
 * Reserves what a call may cost at most (USD) in both budgets, or in neither.
 * LI_BUDGET_EXHAUSTED: *reason is set (static text).
 */
LiBudgetState
li_budgets_reserve(LiAccounts *accounts, const LiProviderRow *provider, const char *model,
				   const char *role, double cost, double *reserved, const char **reason)
{
	double		limits[2] = {provider->daily_budget, li_accounts_role_budget(accounts, role)};
	const char *names[2] = {provider->name, role};
	static const char *const reasons[2] = {
		"the provider's daily budget is used up",
		"the role's daily budget is used up"
	};
	LiBudget   *budgets[2] = {NULL, NULL};
	LiBudgetState state = LI_BUDGET_OPEN;
	const char *news = NULL;
	int			i;

	*reserved = 0;
	if (limits[0] < 0 && limits[1] < 0)
		return LI_BUDGET_OPEN;
	li_shared_lock(LW_EXCLUSIVE);
	for (i = 0; i < 2 && state != LI_BUDGET_EXHAUSTED; i++)
	{
		LiBudgetState one;

		if (limits[i] < 0)
			continue;
		budgets[i] = find(i == 1, names[i], true);
		one = judge(budgets[i], limits[i], cost);
		state = Max(state, one);
		if (one == LI_BUDGET_EXHAUSTED)
		{
			*reason = reasons[i];
			if (refuse(budgets[i], model, cost))
				news = names[i];
		}
	}
	for (i = 0; i < 2 && state == LI_BUDGET_OPEN; i++)
		if (budgets[i] != NULL && li_my_slot >= 0)
		{
			budgets[i]->reserved[li_my_slot] += cost;
			forget_refusal(budgets[i], model);
			*reserved = cost;
		}
	li_shared_unlock();
	if (news != NULL)
		ereport(LOG,
				(errmsg("linkedin_ingest: \"%s\": %s; jobs wait for the next day (UTC)",
						news, *reason)));
	return state;
}

static void
settle(LiBudget *budget, double reserved, double cost)
{
	double	   *mine;

	if (budget == NULL)
		return;
	budget->spent += cost;
	budget->settled += cost;
	if (li_my_slot < 0)
		return;
	mine = &budget->reserved[li_my_slot];
	*mine = *mine - reserved < ROUNDING ? 0 : *mine - reserved;
}

/*
 * The call has ended, and "cost" (USD; 0: none, or unknown) is committed.  It
 * counts in budgets that were set while it was under way, too.
 */
void
li_budgets_settle(const LiProviderRow *provider, const char *role, double reserved, double cost)
{
	if (reserved <= 0 && cost <= 0)
		return;
	li_shared_lock(LW_EXCLUSIVE);
	settle(find(false, provider->name, false), reserved, cost);
	if (role != NULL)
		settle(find(true, role, false), reserved, cost);
	li_shared_unlock();
}
