/*-------------------------------------------------------------------------
 *
 * blocks.c
 *		Accounts and models that are not called: blocked or told to wait.
 *
 * A wrong key, an exhausted quota or a missing permission is a fault of the
 * account, so it blocks the account and not the job that met it: its lanes are
 * left out of the claim, one job probes it per interval, and the waiting rows
 * are not touched.  Blocks and throttles are shared by all databases of the
 * server; blocks are also kept in provider_blocks, so that a restart does not
 * call a dead account again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "llm/retry.h"
#include "sql.h"
#include "worker/blocks.h"

static LiStatement blocks_statement = {
	"SELECT account, model, code, message, blocked_at, next_probe_at"
	" FROM linkedin_ingest.provider_blocks",
	0
};

static LiStatement save_block_statement = {
	"INSERT INTO linkedin_ingest.provider_blocks AS b (account, model, provider, code, message,"
	" blocked_at, next_probe_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	" ON CONFLICT (account, model) DO UPDATE SET code = excluded.code,"
	" message = excluded.message, next_probe_at = excluded.next_probe_at",
	7, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static LiStatement delete_block_statement = {
	"DELETE FROM linkedin_ingest.provider_blocks WHERE account = $1 AND model = $2",
	2, {TEXTOID, TEXTOID}
};

/* ---------- blocks and throttles in shared memory ---------- */

static TimestampTz
later(TimestampTz a, TimestampTz b)
{
	return a > b ? a : b;
}

static LiGate
gate_of(LiAccount *entry, TimestampTz now, TimestampTz *again)
{
	if (entry == NULL)
		return LI_GATE_OPEN;
	if (entry->throttled_until > now)
	{
		*again = later(*again, entry->throttled_until);
		return LI_GATE_CLOSED;
	}
	if (!entry->blocked)
		return LI_GATE_OPEN;
	if (entry->probing && entry->prober != MyProcPid && kill(entry->prober, 0) != 0)
		entry->probing = false;
	if (entry->probing)
		return LI_GATE_CLOSED;
	if (entry->next_probe_at > now)
	{
		*again = later(*again, entry->next_probe_at);
		return LI_GATE_CLOSED;
	}
	return LI_GATE_PROBE;
}

/*
 * Whether a job of this provider and model may be sent now.  When it may not,
 * *again is raised to the time at which that is worth another look.
 */
LiGate
li_account_gate(const LiProviderRow *provider, const char *model,
				TimestampTz now, TimestampTz *again)
{
	LiGate		account;
	LiGate		of_model;

	li_shared_lock(LW_EXCLUSIVE);
	account = gate_of(li_account_find(provider->account, "", false), now, again);
	of_model = gate_of(li_account_find(provider->account, model, false), now, again);
	li_shared_unlock();

	if (account == LI_GATE_CLOSED || of_model == LI_GATE_CLOSED)
		return LI_GATE_CLOSED;
	if (account == LI_GATE_PROBE || of_model == LI_GATE_PROBE)
		return LI_GATE_PROBE;
	return LI_GATE_OPEN;
}

/* Takes the right to probe what is blocked; false: somebody else has it. */
bool
li_account_begin_probe(const LiProviderRow *provider, const char *model)
{
	LiAccount  *entries[2];
	bool		taken = true;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	entries[0] = li_account_find(provider->account, "", false);
	entries[1] = li_account_find(provider->account, model, false);
	for (i = 0; i < 2; i++)
		if (entries[i] != NULL && entries[i]->blocked && entries[i]->probing)
			taken = false;
	for (i = 0; i < 2 && taken; i++)
		if (entries[i] != NULL && entries[i]->blocked)
		{
			entries[i]->probing = true;
			entries[i]->prober = MyProcPid;
		}
	li_shared_unlock();
	return taken;
}

/*
 * The other side throttles us: the account is not called before the time that
 * is returned.  That is what it hinted; without a hint, or with one of nothing,
 * the pause grows with each time this happens in a row.
 */
TimestampTz
li_account_defer(const LiProviderRow *provider, int64 hint_ms, bool overload)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;
	int64		pause_ms = hint_ms;
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, "", true);
	/* what was in flight at once counts once */
	if (entry != NULL && entry->throttled_until <= now)
		entry->defers++;
	if (pause_ms <= 0)
		pause_ms = Max(li_backoff_ms(entry ? entry->defers : 1, overload, 1.0) / 2, 500);
	until = TimestampTzPlusMilliseconds(now, pause_ms);
	if (entry != NULL)
		until = entry->throttled_until = later(entry->throttled_until, until);
	li_shared_unlock();
	return until;
}

/* It answers: the pauses begin anew. */
void
li_account_answers(const LiProviderRow *provider)
{
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, "", false);
	if (entry != NULL)
		entry->defers = 0;
	li_shared_unlock();
}

/*
 * Blocks the account, or with a model that model of it; ends a probe.  Whether
 * that is news.
 */
bool
li_account_block(const LiProviderRow *provider, const char *model,
				 const char *code, const char *message)
{
	TimestampTz now = GetCurrentTimestamp();
	LiAccount  *entry;
	bool		news = false;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, model, true);
	if (entry != NULL)
	{
		news = !entry->blocked || strcmp(entry->code, code) != 0;
		if (!entry->blocked)
			entry->blocked_at = now;
		entry->blocked = true;
		entry->probing = false;
		entry->next_probe_at = TimestampTzPlusMilliseconds(now, LI_PROBE_INTERVAL_MS);
		strlcpy(entry->code, code, sizeof(entry->code));
		strlcpy(entry->message, message ? message : "", sizeof(entry->message));
	}
	li_shared_unlock();
	return news;
}

/*
 * A probe of this process that changed nothing.  One that was tried is followed
 * by the next an interval later.
 */
void
li_account_end_probe(const LiProviderRow *provider, const char *model, bool tried)
{
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, model, false);
	if (entry != NULL && entry->probing && entry->prober == MyProcPid)
	{
		entry->probing = false;
		if (tried && entry->blocked)
			entry->next_probe_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
															   LI_PROBE_INTERVAL_MS);
	}
	li_shared_unlock();
}

/* No job of this process is a probe: what it holds is left over from an error. */
void
li_accounts_drop_probes(void)
{
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	for (i = 0; i < LI_MAX_ACCOUNTS; i++)
		if (li_shared->accounts[i].probing && li_shared->accounts[i].prober == MyProcPid)
			li_shared->accounts[i].probing = false;
	li_shared_unlock();
}

bool
li_account_is_blocked(const LiProviderRow *provider, const char *model)
{
	LiAccount  *entry;
	bool		blocked;

	li_shared_lock(LW_SHARED);
	entry = li_account_find(provider->account, model, false);
	blocked = entry != NULL && entry->blocked;
	li_shared_unlock();
	return blocked;
}

/* Lifts a block; whether there was one. */
bool
li_account_unblock(const LiProviderRow *provider, const char *model)
{
	LiAccount  *entry;
	bool		was_blocked = false;

	li_shared_lock(LW_EXCLUSIVE);
	entry = li_account_find(provider->account, model, false);
	if (entry != NULL)
	{
		was_blocked = entry->blocked;
		entry->blocked = false;
		entry->probing = false;
		if (entry->model[0] && entry->requests.per_second == 0 && entry->tokens.per_second == 0)
			entry->used = false;
	}
	li_shared_unlock();
	return was_blocked;
}

/* The configuration changed: what is blocked is tried at once. */
void
li_accounts_probe_now(LiAccounts *accounts)
{
	ListCell   *cell;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	foreach(cell, accounts->providers)
	{
		LiProviderRow *provider = lfirst(cell);

		for (i = 0; i < LI_MAX_ACCOUNTS; i++)
		{
			LiAccount  *entry = &li_shared->accounts[i];

			if (entry->used && entry->blocked &&
				memcmp(entry->hash, provider->account, LI_ACCOUNT_LEN) == 0)
				entry->next_probe_at = 0;
		}
	}
	li_shared_unlock();
}

/* ---------- blocks in the table ---------- */

static char *
hash_text(const char *hash)
{
	char	   *text = palloc(LI_ACCOUNT_LEN * 2 + 1);

	hex_encode(hash, LI_ACCOUNT_LEN, text);
	text[LI_ACCOUNT_LEN * 2] = '\0';
	return text;
}

/* Loads the blocks of accounts that are still configured. */
void
li_accounts_restore_blocks(LiAccounts *accounts)
{
	uint64		n = li_sql_read(&blocks_statement, NULL, NULL);
	uint64		i;

	for (i = 0; i < n; i++)
	{
		char	   *account = li_sql_text(CurrentMemoryContext, i, 1);
		char	   *model = li_sql_text(CurrentMemoryContext, i, 2);
		char	   *code = li_sql_text(CurrentMemoryContext, i, 3);
		char	   *message = li_sql_text(CurrentMemoryContext, i, 4);
		TimestampTz blocked_at = DatumGetTimestampTz(li_sql_value(i, 5, 0));
		TimestampTz next_probe_at = DatumGetTimestampTz(li_sql_value(i, 6, 0));
		ListCell   *cell;

		foreach(cell, accounts->providers)
		{
			LiProviderRow *provider = lfirst(cell);
			LiAccount  *entry;

			if (strcmp(hash_text(provider->account), account) != 0)
				continue;
			li_shared_lock(LW_EXCLUSIVE);
			entry = li_account_find(provider->account, model, true);
			if (entry != NULL && !entry->blocked)
			{
				entry->blocked = true;
				entry->blocked_at = blocked_at;
				entry->next_probe_at = next_probe_at;
				strlcpy(entry->code, code, sizeof(entry->code));
				strlcpy(entry->message, message, sizeof(entry->message));
			}
			li_shared_unlock();
		}
	}
}

/* Writes the block of an account or model as shared memory has it. */
void
li_accounts_save_block(const LiProviderRow *provider, const char *model)
{
	LiAccount	copy = {0};
	LiAccount  *entry;
	Datum		values[7];

	li_shared_lock(LW_SHARED);
	entry = li_account_find(provider->account, model, false);
	if (entry != NULL)
		copy = *entry;
	li_shared_unlock();
	if (!copy.blocked)
		return;

	values[0] = CStringGetTextDatum(hash_text(provider->account));
	values[1] = CStringGetTextDatum(model);
	values[2] = CStringGetTextDatum(provider->name);
	values[3] = CStringGetTextDatum(copy.code);
	values[4] = CStringGetTextDatum(copy.message);
	values[5] = TimestampTzGetDatum(copy.blocked_at);
	values[6] = TimestampTzGetDatum(copy.next_probe_at);
	li_sql_run(&save_block_statement, values, NULL);
}

void
li_accounts_delete_block(const LiProviderRow *provider, const char *model)
{
	Datum		values[2];

	values[0] = CStringGetTextDatum(hash_text(provider->account));
	values[1] = CStringGetTextDatum(model);
	li_sql_run(&delete_block_statement, values, NULL);
}
