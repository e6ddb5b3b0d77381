/*-------------------------------------------------------------------------
 *
 * limits.c
 *		How fast an account may be called: rates, calls at once, breaker.
 *
 * Whatever a call needs is reserved in shared memory before it is sent, by one
 * look under one lock, and settled when it has ended.  So no number of workers
 * and databases that share an account overruns its limits: each sees what the
 * others have reserved, not what they have counted afterwards.
 *
 * Requests are reserved exactly, tokens by an estimate: the cap on the answer
 * and the bytes of the request, at the rate of tokens per byte that earlier
 * answers of the account have shown.
 *
 * Limits are those configured, for the account, and those that answers tell in
 * their headers, for the model that answered; a call needs room in both.  What
 * answers tell is not believed beyond reason.
 *
 * Calls at once are counted for each slot, so that those of a process that is
 * gone or was replaced do not count any more.
 *
 * An account that does not answer is not called by every job in turn: after a
 * few failures in a row its breaker opens, and one call a second tries, a few
 * at once.  When one succeeds the rate doubles every second until nothing is
 * left of it.  Calls made before the breaker turned say nothing about now.  One
 * that complains of traffic that rose too fast (slow_down) gets half of what it
 * had and half as much again every quarter of an hour, as OpenAI advises.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <signal.h>

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "worker/blocks.h"
#include "worker/limits.h"

#define BREAKER_FAILURES	5		/* in a row */
#define BREAKER_PER_SECOND	1.0
#define RAMP_DOUBLING_MS	1000
#define RAMP_UNTIL			1024.0	/* calls a second: as good as no limit */
#define SLOW_DOWN_SHARE		0.5
#define SLOW_DOWN_DOUBLING_MS 1538600	/* half as much again in 15 minutes */
#define SLOW_DOWN_UNTIL		1.5		/* times the rate that was too much */
#define RECENT_MS			10000	/* what counts as the present rate */
#define AHEAD_MS			1000	/* jobs are claimed so long before they may be sent */
#define BUSY_WAIT_MS		50		/* until a place among the calls at once may be free */
#define WAITER_MS			200		/* a waiter not heard of for so long has given up */
#define FORGET_TOLD_MS		600000	/* a limit not told again for so long is forgotten */
#define MAX_TRIES			BREAKER_FAILURES	/* at once, while the breaker is open */
#define MAX_TOKENS_PER_BYTE 1.0
#define MAX_USED			4.0		/* times what was reserved; more is not believed */
#define FIRST_TOKENS_PER_BYTE 0.3
#define KEEP_MEAN			0.9		/* of a running mean, per call */

/* ---------- configured and learned limits ---------- */

static bool
database_is_served(Oid database)
{
	int			i;

	for (i = 0; i < LI_MAX_SLOTS; i++)
		if (li_shared->slots[i].database == database && li_slot_is_live(&li_shared->slots[i]))
			return true;
	return false;
}

/* What this database has configured, unless another's limit is narrower. */
static void
narrow(LiLimit *limit, int per_minute)
{
	bool		mine = limit->database == MyDatabaseId ||
		limit->per_minute == 0 || !database_is_served(limit->database);

	if (mine || (per_minute > 0 && per_minute < limit->per_minute))
	{
		limit->per_minute = per_minute;
		limit->database = MyDatabaseId;
	}
}

static void
set_buckets(LiAccount *entry, double tokens_per_call)
{
	uint64		now = li_monotonic_ms();

	li_bucket_limit(&entry->requests, entry->requests_limit.per_minute, 1, now);
	li_bucket_limit(&entry->tokens, entry->tokens_limit.per_minute, tokens_per_call, now);
}

static int
narrower(int a, int b)
{
	return a == 0 || b == 0 ? Max(a, b) : Min(a, b);
}

/* The narrowest limits that this database's providers set for an account. */
static void
configured(LiAccounts *accounts, const char *hash, int *requests, int *tokens)
{
	ListCell   *cell;

	*requests = *tokens = 0;
	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);

		if (memcmp(provider->account, hash, LI_ACCOUNT_LEN) != 0)
			continue;
		*requests = narrower(*requests, provider->requests_per_minute);
		*tokens = narrower(*tokens, provider->tokens_per_minute);
	}
}

/*
 * Puts the limits of the providers, as just loaded, into force.  Those of
 * accounts that this database no longer names, or no longer limits, end.
 */
void
li_limits_configure(LiAccounts *accounts)
{
	ListCell   *cell;
	int			requests;
	int			tokens;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);

		configured(accounts, provider->account, &requests, &tokens);
		if (requests > 0 || tokens > 0)
			(void) li_account_find(provider->account, "", true);
	}
	for (i = 0; i < LI_MAX_ACCOUNTS; i++)
	{
		LiAccount  *entry = &li_shared->accounts[i];

		if (!entry->used || entry->model[0])
			continue;
		configured(accounts, entry->hash, &requests, &tokens);
		narrow(&entry->requests_limit, requests);
		narrow(&entry->tokens_limit, tokens);
		set_buckets(entry, entry->tokens_per_call);
	}
	li_shared_unlock();
}

static void
running_mean(double *mean, double value)
{
	*mean = *mean > 0 ? *mean * KEEP_MEAN + value * (1 - KEEP_MEAN) : value;
}

/*
 * Takes from an answer what it tells of the limits of its model, and how many
 * tokens the bytes of its request were.
 */
void
li_limits_learn(const LiProviderRow *provider, const LiHttpRequest *request,
				const LiAnswer *answer, int http_status, const char *model)
{
	const LiRates *rates = &answer->rates;
	bool		told = (rates->requests > 0 || rates->tokens > 0) &&
		(http_status < 300 || http_status == 429);
	uint64		now = li_monotonic_ms();
	LiAccount  *account;
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, model, told);
	account = li_account_find(provider->account, "", false);
	if (account != NULL && answer->prompt_tokens > 0 && request->body_len > 0)
		running_mean(&account->tokens_per_byte,
					 Min((double) answer->prompt_tokens / request->body_len,
						 MAX_TOKENS_PER_BYTE));
	if (entry != NULL && told)
	{
		if (rates->requests > 0)
			entry->requests_limit.per_minute = (int) Min(rates->requests, PG_INT32_MAX);
		if (rates->tokens > 0)
			entry->tokens_limit.per_minute = (int) Min(rates->tokens, PG_INT32_MAX);
		entry->told_ms = now;
	}
	else if (entry != NULL && entry->told_ms + FORGET_TOLD_MS < now)
		entry->requests_limit.per_minute = entry->tokens_limit.per_minute = 0;
	if (entry != NULL)
		set_buckets(entry, account ? account->tokens_per_call : 0);
	li_shared_unlock();
}

/* Tokens that the request may be: not counted, but as its bytes were before. */
double
li_limits_estimate(const LiProviderRow *provider, const LiHttpRequest *request)
{
	LiAccount  *entry;
	double		per_byte = 0;

	li_shared_lock(LW_SHARED);
	entry = li_account_find(provider->account, "", false);
	if (entry != NULL)
		per_byte = entry->tokens_per_byte;
	li_shared_unlock();
	return (per_byte > 0 ? per_byte : FIRST_TOKENS_PER_BYTE) * request->body_len;
}

/* ---------- admission ---------- */

/* Calls of the account under way, in all databases.  The caller holds the lock. */
int
li_limits_in_flight(const LiAccount *entry)
{
	int			calls = 0;
	int			i;

	for (i = 0; i < LI_MAX_SLOTS; i++)
		if (entry->in_flight[i] > 0 && li_slot_counts(i))
			calls += entry->in_flight[i];
	return calls;
}

static void
set_pace(LiAccount *entry, uint64 now)
{
	li_bucket_pace(&entry->paced, li_pace_now(&entry->pace, now), now);
}

/* Calls a second of the last seconds. */
static double
recent_rate(LiAccount *entry, uint64 now)
{
	if (now > entry->recent_ms)
		entry->recent *= exp(-(double) (now - entry->recent_ms) / RECENT_MS);
	entry->recent_ms = now;
	return entry->recent * 1000 / RECENT_MS;
}

/* The buckets' room for calls of so many tokens; *wait_ms as in li_limits_room(). */
static int
bucket_room(LiBucket *const *buckets, const double *per_call, int n, int64 *wait_ms, uint64 now)
{
	double		room = PG_INT32_MAX;
	int64		wait = 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		room = Min(room, li_bucket_room(buckets[i], now) / per_call[i]);
		wait = Max(wait, li_bucket_wait_ms(buckets[i], now));
	}
	if (wait > AHEAD_MS)
	{
		*wait_ms = Max(*wait_ms, wait - AHEAD_MS);
		return 0;
	}
	return (int) Max(room, 1);	/* what may begin needs no more than a part */
}

/*
 * How many calls may begin within the next second, at most: of the account, or
 * with a model of that model.  What waits for its turn already is not taken
 * off.  When there is none, *wait_ms is raised to the time after which there
 * will be, if it is known.
 */
int
li_limits_room(const LiProviderRow *provider, const char *model, int64 *wait_ms)
{
	uint64		now = li_monotonic_ms();
	int			room = PG_INT32_MAX;
	LiAccount  *account;
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	account = li_account_find(provider->account, "", false);
	entry = model != NULL ? li_account_find(provider->account, model, false) : account;
	if (model == NULL && provider->max_in_flight > 0)
		room = provider->max_in_flight - (account ? li_limits_in_flight(account) : 0);
	if (entry != NULL)
	{
		LiBucket   *buckets[] = {&entry->requests, &entry->tokens, &entry->paced};
		double		per_call[] = {1, Max(account ? account->tokens_per_call : 1, 1), 1};

		set_pace(entry, now);
		room = Min(room, bucket_room(buckets, per_call, lengthof(buckets), wait_ms, now));
	}
	li_shared_unlock();
	return Max(room, 0);
}

/*
 * Is there a place among the calls at once?  Who has waited for one in another
 * process goes first: whoever ends a call would else always take its place.
 */
static bool
has_place(LiAccount *entry, int max_in_flight, uint64 now)
{
	int			calls;

	if (max_in_flight <= 0)
		return true;
	calls = li_limits_in_flight(entry);
	if (entry->waiter >= 0 && entry->waiter != li_my_slot && li_slot_counts(entry->waiter) &&
		entry->waiter_ms + WAITER_MS > now)
		calls++;
	else if (calls >= max_in_flight)
	{
		entry->waiter = li_my_slot;
		entry->waiter_ms = now;
	}
	else if (entry->waiter == li_my_slot)
		entry->waiter = -1;
	return calls < max_in_flight;
}

/* May another call try an account whose breaker is open? */
static bool
may_try(const LiAccount *entry, const LiProviderRow *provider, uint64 now)
{
	return !entry->broken || entry->tries < MAX_TRIES ||
		now > entry->last_try_ms + provider->request_timeout_ms;
}

/*
 * Reserves what a call needs: a place among the calls at once, a request, and
 * "tokens".  LI_ADMIT_LATER: *wait_ms until it is worth another try, and whether
 * that holds for all calls of the account.  LI_ADMIT_BLOCKED: "code" says why.
 */
LiAdmission
li_limits_admit(const LiProviderRow *provider, const char *model, bool probe, double tokens,
				int64 *wait_ms, bool *whole_account, char *code, size_t code_size)
{
	TimestampTz time = GetCurrentTimestamp();
	uint64		now = li_monotonic_ms();
	int64		wait[2] = {0, 0};
	LiAdmission admission = LI_ADMITTED;
	LiAccount  *entries[2];
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	entries[0] = li_account_find(provider->account, "", true);
	entries[1] = li_account_find(provider->account, model, false);
	for (i = 0; i < 2; i++)
	{
		LiAccount  *entry = entries[i];

		if (entry == NULL)
			continue;
		if (entry->blocked && !probe)
		{
			admission = LI_ADMIT_BLOCKED;
			strlcpy(code, entry->code, code_size);
		}
		if (entry->throttled_until > time)
			wait[i] = (entry->throttled_until - time) / 1000 + 1;
		wait[i] = Max(wait[i], li_bucket_wait_ms(&entry->requests, now));
		wait[i] = Max(wait[i], li_bucket_wait_ms(&entry->tokens, now));
	}
	if (entries[0] != NULL)
	{
		set_pace(entries[0], now);
		wait[0] = Max(wait[0], li_bucket_wait_ms(&entries[0]->paced, now));
		if (!may_try(entries[0], provider, now))
			wait[0] = Max(wait[0], 1000);
		if (wait[0] == 0 && wait[1] == 0 && !has_place(entries[0], provider->max_in_flight, now))
			wait[0] = BUSY_WAIT_MS;
	}
	else if (provider->max_in_flight > 0 || provider->requests_per_minute > 0 ||
			 provider->tokens_per_minute > 0)
		wait[0] = 1000;			/* no room to count them */

	*whole_account = wait[0] > 0;
	*wait_ms = Max(wait[0], wait[1]);
	if (admission == LI_ADMITTED && *wait_ms > 0)
		admission = LI_ADMIT_LATER;
	for (i = 0; i < 2 && admission == LI_ADMITTED; i++)
		if (entries[i] != NULL)
		{
			li_bucket_take(&entries[i]->requests, 1, now);
			li_bucket_take(&entries[i]->tokens, tokens, now);
			entries[i]->used_ms = now;
		}
	if (admission == LI_ADMITTED && entries[0] != NULL)
	{
		if (li_my_slot >= 0)
			entries[0]->in_flight[li_my_slot]++;
		if (entries[0]->broken)
		{
			entries[0]->tries++;
			entries[0]->last_try_ms = now;
		}
		li_bucket_take(&entries[0]->paced, 1, now);
		running_mean(&entries[0]->tokens_per_call, tokens);
		(void) recent_rate(entries[0], now);
		entries[0]->recent += 1;
	}
	li_shared_unlock();
	return admission;
}

/* The call has ended: what it did not use is given back. */
void
li_limits_settle(const LiProviderRow *provider, const char *model, double reserved, double used)
{
	uint64		now = li_monotonic_ms();
	LiAccount  *entries[2];
	int			i;

	used = Min(used, reserved * MAX_USED);
	li_shared_lock(LW_EXCLUSIVE);
	entries[0] = li_account_find(provider->account, "", false);
	entries[1] = li_account_find(provider->account, model, false);
	for (i = 0; i < 2; i++)
		if (entries[i] != NULL)
		{
			li_bucket_give(&entries[i]->tokens, reserved - used, now);
			entries[i]->used_ms = now;
		}
	if (entries[0] != NULL && li_my_slot >= 0 && entries[0]->in_flight[li_my_slot] > 0)
		entries[0]->in_flight[li_my_slot]--;
	li_shared_unlock();
}

/* ---------- breaker and ramp ---------- */

/* Does the outcome say that nobody is there to answer? */
static bool
is_failure(const LiOutcome *outcome)
{
	if (outcome->class == LI_DEFER)
		return outcome->overload && !outcome->slow_down;
	return outcome->class == LI_RETRY &&
		(strcmp(outcome->code, "connection_failed") == 0 ||
		 strcmp(outcome->code, "timeout") == 0 ||
		 strcmp(outcome->code, "tls_failed") == 0 ||
		 strcmp(outcome->code, "provider_error") == 0);
}

/* Something failed; returns what is new. */
static const char *
note_failure(LiAccount *entry, uint64 now)
{
	bool		was_broken = entry->broken;

	entry->failures++;
	if (entry->failures < BREAKER_FAILURES)
		return NULL;
	entry->broken = true;
	entry->pace = (LiPace) {BREAKER_PER_SECOND, 0, 0, now};
	if (was_broken)
		return NULL;
	entry->tries = 0;
	entry->turned_at = GetCurrentTimestamp();
	return "does not answer and is tried once a second";
}

/* It is there; returns what is new. */
static const char *
note_answer(LiAccount *entry, const LiOutcome *outcome, uint64 now)
{
	double		rate;

	entry->failures = 0;
	if (entry->broken)
	{
		entry->broken = false;
		entry->turned_at = GetCurrentTimestamp();
		entry->pace = (LiPace) {2 * BREAKER_PER_SECOND, RAMP_UNTIL, RAMP_DOUBLING_MS, now};
		return "answers again";
	}
	if (outcome->class != LI_DEFER || !outcome->slow_down)
		return NULL;
	/* what was in flight at once counts once */
	rate = Max(recent_rate(entry, now), BREAKER_PER_SECOND);
	if (rate * SLOW_DOWN_SHARE >= li_pace_now(&entry->pace, now) ||
		(entry->pace.per_second > 0 && now <= entry->pace.since_ms + RECENT_MS))
		return NULL;
	entry->pace = (LiPace) {rate * SLOW_DOWN_SHARE, rate * SLOW_DOWN_UNTIL,
		SLOW_DOWN_DOUBLING_MS, now};
	return "asks for a slower start and gets half the calls";
}

/*
 * What the end of a call that was made at "sent_at" says about the account; a
 * change of state is logged.
 */
void
li_limits_heard(const LiProviderRow *provider, const LiOutcome *outcome, int http_status,
				TimestampTz sent_at)
{
	uint64		now = li_monotonic_ms();
	const char *news = NULL;
	LiAccount  *entry;

	/* an address or a certificate that is wrong is the block's business */
	if (outcome->class == LI_OPEN && http_status == 0)
		return;
	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, "", true);
	if (entry != NULL && sent_at >= entry->turned_at)
	{
		if (entry->broken && entry->tries > 0)
			entry->tries--;
		news = is_failure(outcome) ? note_failure(entry, now) : note_answer(entry, outcome, now);
		set_pace(entry, now);
	}
	li_shared_unlock();
	if (news != NULL)
		ereport(LOG, (errmsg("linkedin_ingest: provider \"%s\" %s", provider->name, news)));
}

/* Says once in the life of the server that the table of accounts is too small. */
void
li_limits_report_overflow(void)
{
	static bool told = false;

	if (told || (li_shared->lost_accounts == 0 && li_shared->lost_budgets == 0))
		return;
	told = true;
	ereport(LOG,
			(errmsg("linkedin_ingest: more than %d accounts and models, or %d budgets, are in use",
					LI_MAX_ACCOUNTS, LI_MAX_BUDGETS),
			 errdetail("What does not fit is not called if it has limits, and is blocked by no more than its own jobs.")));
}
