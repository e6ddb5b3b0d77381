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
 * their headers, for the model that answered; a call needs room in both.
 *
 * An account that does not answer is not called by every job in turn: after a
 * few failures in a row its breaker opens, and one call a second tries.  When
 * one succeeds the rate doubles every second until nothing is left of it.  One
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

/* Puts the limits of the providers, as just loaded, into force. */
void
li_limits_configure(LiAccounts *accounts)
{
	ListCell   *cell;

	li_shared_lock(LW_EXCLUSIVE);
	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);
		bool		limited = provider->requests_per_minute > 0 || provider->tokens_per_minute > 0;
		LiAccount  *entry = li_account_find(provider->account, "", limited);

		if (entry == NULL)
			continue;
		narrow(&entry->requests_limit, provider->requests_per_minute);
		narrow(&entry->tokens_limit, provider->tokens_per_minute);
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
				const LiAnswer *answer, const char *model)
{
	const LiRates *rates = &answer->rates;
	bool		told = rates->requests > 0 || rates->tokens > 0;
	LiAccount  *account;
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	account = li_account_find(provider->account, "", true);
	if (account != NULL && answer->prompt_tokens > 0 && request->body_len > 0)
		running_mean(&account->tokens_per_byte,
					 (double) answer->prompt_tokens / request->body_len);
	entry = told ? li_account_find(provider->account, model, true) : NULL;
	if (entry != NULL)
	{
		entry->requests_limit.per_minute = (int) Min(rates->requests, PG_INT32_MAX);
		entry->tokens_limit.per_minute = (int) Min(rates->tokens, PG_INT32_MAX);
		set_buckets(entry, account ? account->tokens_per_call : 0);
	}
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

/*
 * How many calls of the model may begin within the next second, at most; what
 * waits for its turn already is not taken off.  When there is none, *wait_ms is
 * the time after which there will be, if it is known.
 */
int
li_limits_room(const LiProviderRow *provider, const char *model, int64 *wait_ms)
{
	uint64		now = li_monotonic_ms();
	double		room = PG_INT32_MAX;
	int64		wait = 0;
	double		per_call;
	LiAccount  *entries[2];
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	entries[0] = li_account_find(provider->account, "", false);
	entries[1] = li_account_find(provider->account, model, false);
	if (provider->max_in_flight > 0)
		room = provider->max_in_flight - (entries[0] ? entries[0]->in_flight : 0);
	per_call = entries[0] ? Max(entries[0]->tokens_per_call, 1) : 1;
	if (entries[0] != NULL)
	{
		set_pace(entries[0], now);
		room = Min(room, li_bucket_room(&entries[0]->paced, now));
		wait = li_bucket_wait_ms(&entries[0]->paced, now);
	}
	for (i = 0; i < 2; i++)
		if (entries[i] != NULL)
		{
			room = Min(room, li_bucket_room(&entries[i]->requests, now));
			room = Min(room, li_bucket_room(&entries[i]->tokens, now) / per_call);
			wait = Max(wait, li_bucket_wait_ms(&entries[i]->requests, now));
			wait = Max(wait, li_bucket_wait_ms(&entries[i]->tokens, now));
		}
	li_shared_unlock();
	*wait_ms = wait > AHEAD_MS ? wait - AHEAD_MS : 0;
	if (wait > AHEAD_MS || room <= 0)
		return 0;
	return (int) Max(room, 1);	/* what may begin needs no more than a part */
}

/*
 * Reserves what a call needs: a place among the calls at once, a request, and
 * "tokens".  LI_ADMIT_LATER: *wait_ms until it is worth another try.
 * LI_ADMIT_BLOCKED: "code" says why.
 */
LiAdmission
li_limits_admit(const LiProviderRow *provider, const char *model, bool probe,
				double tokens, int64 *wait_ms, char *code, size_t code_size)
{
	TimestampTz time = GetCurrentTimestamp();
	uint64		now = li_monotonic_ms();
	int64		wait = 0;
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
			wait = Max(wait, (entry->throttled_until - time) / 1000 + 1);
		wait = Max(wait, li_bucket_wait_ms(&entry->requests, now));
		wait = Max(wait, li_bucket_wait_ms(&entry->tokens, now));
	}
	if (entries[0] != NULL)
	{
		set_pace(entries[0], now);
		wait = Max(wait, li_bucket_wait_ms(&entries[0]->paced, now));
		if (provider->max_in_flight > 0 && entries[0]->in_flight >= provider->max_in_flight)
			wait = Max(wait, BUSY_WAIT_MS);
	}
	if (admission == LI_ADMITTED && wait > 0)
		admission = LI_ADMIT_LATER;
	for (i = 0; i < 2 && admission == LI_ADMITTED; i++)
		if (entries[i] != NULL)
		{
			li_bucket_take(&entries[i]->requests, 1, now);
			li_bucket_take(&entries[i]->tokens, tokens, now);
		}
	if (admission == LI_ADMITTED && entries[0] != NULL)
	{
		entries[0]->in_flight++;
		li_bucket_take(&entries[0]->paced, 1, now);
		running_mean(&entries[0]->tokens_per_call, tokens);
		(void) recent_rate(entries[0], now);
		entries[0]->recent += 1;
	}
	li_shared_unlock();
	*wait_ms = wait;
	return admission;
}

/* The call has ended: what it did not use is given back. */
void
li_limits_settle(const LiProviderRow *provider, const char *model, double reserved, double used)
{
	uint64		now = li_monotonic_ms();
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, "", false);
	if (entry != NULL)
	{
		entry->in_flight = Max(entry->in_flight - 1, 0);
		li_bucket_give(&entry->tokens, reserved - used, now);
	}
	entry = li_account_find(provider->account, model, false);
	if (entry != NULL)
		li_bucket_give(&entry->tokens, reserved - used, now);
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

/* What a call's end says about the account; a change of state is logged. */
void
li_limits_heard(const LiProviderRow *provider, const LiOutcome *outcome)
{
	uint64		now = li_monotonic_ms();
	const char *news = NULL;
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, "", true);
	if (entry == NULL)
		 /* nowhere to note it */ ;
	else if (is_failure(outcome))
	{
		entry->failures++;
		if (entry->failures >= BREAKER_FAILURES)
		{
			if (!entry->broken)
				news = "does not answer and is tried once a second";
			entry->broken = true;
			entry->pace = (LiPace) {BREAKER_PER_SECOND, 0, 0, now};
			set_pace(entry, now);
		}
	}
	else
	{
		entry->failures = 0;
		if (entry->broken)
		{
			news = "answers again";
			entry->broken = false;
			entry->pace = (LiPace) {2 * BREAKER_PER_SECOND, RAMP_UNTIL, RAMP_DOUBLING_MS, now};
		}
		else if (outcome->class == LI_DEFER && outcome->slow_down)
		{
			double		rate = Max(recent_rate(entry, now), BREAKER_PER_SECOND);

			/* what was in flight at once counts once */
			if (rate * SLOW_DOWN_SHARE < li_pace_now(&entry->pace, now) &&
				(entry->pace.per_second == 0 || now > entry->pace.since_ms + RECENT_MS))
			{
				news = "asks for a slower start and gets half the calls";
				entry->pace = (LiPace) {rate * SLOW_DOWN_SHARE, rate * SLOW_DOWN_UNTIL,
					SLOW_DOWN_DOUBLING_MS, now};
			}
		}
		set_pace(entry, now);
	}
	li_shared_unlock();
	if (news != NULL)
		ereport(LOG, (errmsg("linkedin_ingest: provider \"%s\" %s", provider->name, news)));
}
