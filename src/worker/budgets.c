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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "sql.h"
#include "worker/budgets.h"

#define ROUNDING	1e-9		/* USD; sums of doubles are not exact */

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

/*
 * The entry of a budget, as of today.  NULL: there is none and none is to be
 * made, or no room.  The caller holds the lock.
 */
static LiBudget *
find(bool of_role, const char *text, bool create)
{
	uint64		name = hash_bytes_extended((const unsigned char *) text, strlen(text), 0);
	int			day = today();
	LiBudget   *unused = NULL;
	int			i;

	for (i = 0; i < LI_MAX_BUDGETS; i++)
	{
		LiBudget   *budget = &li_shared->budgets[i];

		if (!budget->used || (budget->day < day - 1 && budget->reserved <= 0))
		{
			if (unused == NULL)
				unused = budget;
			if (!budget->used)
				continue;
		}
		if (budget->database != MyDatabaseId || budget->of_role != of_role ||
			budget->name != name)
			continue;
		if (budget->day != day)
		{
			budget->day = day;
			budget->spent = budget->refused = 0;
			budget->told = false;
		}
		return budget;
	}
	if (!create || unused == NULL)
		return NULL;
	memset(unused, 0, sizeof(LiBudget));
	unused->used = true;
	unused->database = MyDatabaseId;
	unused->of_role = of_role;
	unused->name = name;
	unused->day = day;
	return unused;
}

/*
 * Before the table is read: a cost that is settled meanwhile is added to what
 * the table says, at worst twice, never not at all.
 */
static bool
expect(bool of_role, const char *name)
{
	LiBudget   *budget = find(of_role, name, true);

	if (budget == NULL)
		return false;
	if (budget->reserved <= 0)
	{
		budget->loaded = false;
		budget->spent = 0;
	}
	return !budget->loaded;
}

void
li_budgets_load(LiAccounts *accounts)
{
	bool		wanted = false;
	ListCell   *cell;
	uint64		n;
	uint64		i;

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

	n = li_sql_run(&spent_statement, NULL, NULL);
	for (i = 0; i < n; i++)
	{
		bool		of_role = !DatumGetBool(li_sql_value(i, 1, BoolGetDatum(true)));
		char	   *name = li_sql_text(CurrentMemoryContext, i, 2);
		double		spent = DatumGetFloat8(li_sql_value(i, 3, Float8GetDatum(0)));
		LiBudget   *budget;

		li_shared_lock(LW_EXCLUSIVE);
		budget = find(of_role, name, false);
		if (budget != NULL && !budget->loaded)
		{
			budget->spent += spent;
			budget->loaded = true;
		}
		li_shared_unlock();
	}
	/* those of which the table knows nothing yet */
	li_shared_lock(LW_EXCLUSIVE);
	for (i = 0; i < LI_MAX_BUDGETS; i++)
		if (li_shared->budgets[i].used && li_shared->budgets[i].database == MyDatabaseId)
			li_shared->budgets[i].loaded = true;
	li_shared_unlock();
}

/* Does it hold back a call that may cost so much?  No room to count: it does. */
static bool
crosses(const LiBudget *budget, double limit, double cost)
{
	return budget == NULL || budget->spent + budget->reserved + cost > limit + ROUNDING;
}

/* Is what is left less than the latest refused call might have cost? */
static bool
is_exhausted(bool of_role, const char *name, double limit)
{
	LiBudget   *budget = find(of_role, name, false);

	return limit >= 0 && budget != NULL &&
		(budget->spent + budget->reserved >= limit ||
		 (budget->refused > 0 && crosses(budget, limit, budget->refused)));
}

/* The same for whoever looks; the workers may be in other processes. */
bool
li_budget_refuses(bool of_role, const char *name, double limit)
{
	bool		refuses;

	li_shared_lock(LW_EXCLUSIVE);
	refuses = is_exhausted(of_role, name, limit);
	li_shared_unlock();
	return refuses;
}

/*
 * Why jobs of this provider and role (NULL: none) need not be claimed today;
 * NULL: they may.  The text is static.
 */
const char *
li_budgets_exhausted(LiAccounts *accounts, const LiProviderRow *provider, const char *role)
{
	double		role_limit = li_accounts_role_budget(accounts, role);
	const char *reason = NULL;

	if (provider->daily_budget < 0 && role_limit < 0)
		return NULL;
	li_shared_lock(LW_EXCLUSIVE);
	if (is_exhausted(false, provider->name, provider->daily_budget))
		reason = "the provider's daily budget is used up";
	else if (role_limit >= 0 && is_exhausted(true, role, role_limit))
		reason = "the role's daily budget is used up";
	li_shared_unlock();
	return reason;
}

/* Notes that a call was refused; whether the log is to tell. */
static bool
refuse(LiBudget *budget, double cost)
{
	bool		news;

	if (budget == NULL)
		return false;
	news = !budget->told;
	budget->told = true;
	budget->refused = cost;
	return news;
}

/*
 * Reserves what a call may cost at most (USD) in both budgets.  NULL, or why it
 * may not be made today (static text).
 */
const char *
li_budgets_reserve(LiAccounts *accounts, const LiProviderRow *provider, const char *role,
				   double cost, LiReservedCost *reserved)
{
	double		role_limit = li_accounts_role_budget(accounts, role);
	bool		has_provider = provider->daily_budget >= 0;
	bool		has_role = role_limit >= 0;
	LiBudget   *of_provider = NULL;
	LiBudget   *of_role = NULL;
	const char *reason = NULL;
	const char *whose = NULL;
	bool		news = false;

	memset(reserved, 0, sizeof(LiReservedCost));
	if (!has_provider && !has_role)
		return NULL;
	li_shared_lock(LW_EXCLUSIVE);
	if (has_provider)
		of_provider = find(false, provider->name, true);
	if (has_role)
		of_role = find(true, role, true);
	if (has_provider && crosses(of_provider, provider->daily_budget, cost))
	{
		reason = "the provider's daily budget is used up";
		whose = provider->name;
		news = refuse(of_provider, cost);
	}
	else if (has_role && crosses(of_role, role_limit, cost))
	{
		reason = "the role's daily budget is used up";
		whose = role;
		news = refuse(of_role, cost);
	}
	else
	{
		if (of_provider != NULL)
		{
			of_provider->reserved += cost;
			of_provider->refused = 0;
		}
		if (of_role != NULL)
		{
			of_role->reserved += cost;
			of_role->refused = 0;
		}
		reserved->cost = cost;
		reserved->of_provider = of_provider != NULL;
		reserved->of_role = of_role != NULL;
	}
	li_shared_unlock();
	if (news)
		ereport(LOG,
				(errmsg("linkedin_ingest: \"%s\": %s; its jobs wait for the next day (UTC)",
						whose, reason)));
	return reason;
}

static void
settle(LiBudget *budget, double reserved, double cost)
{
	if (budget == NULL)
		return;
	budget->reserved = Max(budget->reserved - reserved, 0);
	if (budget->reserved < ROUNDING)
		budget->reserved = 0;
	budget->spent += cost;
}

/* The call has ended, and "cost" (USD; 0: none, or unknown) is committed. */
void
li_budgets_settle(const LiProviderRow *provider, const char *role,
				  LiReservedCost *reserved, double cost)
{
	if (!reserved->of_provider && !reserved->of_role)
		return;
	li_shared_lock(LW_EXCLUSIVE);
	if (reserved->of_provider)
		settle(find(false, provider->name, false), reserved->cost, cost);
	if (reserved->of_role)
		settle(find(true, role, false), reserved->cost, cost);
	li_shared_unlock();
	memset(reserved, 0, sizeof(LiReservedCost));
}
