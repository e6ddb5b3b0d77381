/*-------------------------------------------------------------------------
 *
 * accounts.c
 *		Providers and models as configured, and which of them may be called.
 *
 * An account is what the other side bills and throttles: kind, base URL,
 * organization and key, known here by a hash of the four.  A wrong key, an
 * exhausted quota or a missing permission is a fault of the account, so it
 * blocks the account and not the job that met it: its lanes are left out of
 * the claim, one job probes it per interval, and the waiting rows are not
 * touched.  Blocks and throttles are shared by all databases of the server;
 * blocks are also kept in provider_blocks, so that a restart does not call a
 * dead account again.
 *
 * A key is read when the providers are loaded, after each change of them and
 * with every poll, and lives as long as the requests that need it.  It never gets into a setting, a
 * table or a message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "llm/retry.h"
#include "sql.h"
#include "worker/accounts.h"

#define MAX_KEY_BYTES	8192
#define MAX_MODELS		32		/* blocked models remembered for one account */

static LiStatement providers_statement = {
	"SELECT name, kind, base_url, api_key_ref, organization, ca_file,"
	" (extract(epoch FROM connect_timeout) * 1000)::int,"
	" (extract(epoch FROM request_timeout) * 1000)::int,"
	" coalesce(max_in_flight, 0), merge_user_messages,"
	" ARRAY (SELECT t FROM jsonb_each_text(headers) AS h, unnest(ARRAY[h.key, h.value]) AS t)"
	" FROM linkedin_ingest.llm_providers ORDER BY name",
	0
};

static LiStatement models_statement = {
	"SELECT model, provider, token_parameter, reasoning_effort, supports_json_schema,"
	" input_usd_per_mtok, cached_input_usd_per_mtok, output_usd_per_mtok"
	" FROM linkedin_ingest.llm_models",
	0
};

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

/* ---------- references ---------- */

/*
 * Reads the file a reference names.  NULL with *problem set (static) when
 * that is not to be.  The rule is the one PostgreSQL has for its TLS key:
 * owned by the server's user and closed to all others, or owned by root and
 * at most readable by the group.
 */
static char *
read_secret_file(const char *path, const char **why_not)
{
	const char *problem = NULL;
	char		buffer[MAX_KEY_BYTES];
	struct stat st;
	char	   *secret;
	int			fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t		len;

	if (fd < 0)
	{
		problem = errno == ENOENT ? "the file of api_key_ref does not exist" :
			"the file of api_key_ref cannot be opened";
		*why_not = problem;
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		problem = "the file of api_key_ref is not a regular file";
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		problem = "the file of api_key_ref belongs to neither the server's user nor root";
	else if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO))) ||
			 (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) && geteuid() != 0))
		problem = "the file of api_key_ref is open to others; it needs mode 0600, or 0640 owned by root";
	if (problem != NULL)
	{
		close(fd);
		*why_not = problem;
		return NULL;
	}

	len = read(fd, buffer, sizeof(buffer));
	close(fd);
	if (len == sizeof(buffer))
		problem = "the file of api_key_ref is too large for a key";
	while (len > 0 && isspace((unsigned char) buffer[len - 1]))
		len--;
	if (len <= 0)
		problem = "the file of api_key_ref is empty";
	secret = problem ? NULL : pnstrdup(buffer, len);
	explicit_bzero(buffer, sizeof(buffer));
	if (problem != NULL)
		*why_not = problem;
	return secret;
}

/* env:NAME or file:PATH to its value in the current context; else NULL. */
static char *
resolve_reference(const char *reference, const char **problem)
{
	if (strncmp(reference, "env:", 4) == 0)
	{
		const char *value = getenv(reference + 4);

		if (value != NULL && value[0] != '\0')
			return pstrdup(value);
		*problem = "the environment variable of api_key_ref is not set in the server";
		return NULL;
	}
	if (strncmp(reference, "file:", 5) == 0)
		return read_secret_file(reference + 5, problem);
	*problem = "api_key_ref is neither env:NAME nor file:PATH";
	return NULL;
}

/* "Name: value" lines from the name, value, name, ... array; references resolved. */
static const char *const *
read_headers(Datum array, const char **problem)
{
	Datum	   *items;
	bool	   *nulls;
	int			n;
	const char **lines;
	int			i;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT,
					  &items, &nulls, &n);
	if (n == 0)
		return NULL;
	lines = palloc0(sizeof(char *) * (n / 2 + 1));
	for (i = 0; i + 1 < n; i += 2)
	{
		char	   *name = TextDatumGetCString(items[i]);
		char	   *value = nulls[i + 1] ? pstrdup("") : TextDatumGetCString(items[i + 1]);

		if (strncmp(value, "env:", 4) == 0 || strncmp(value, "file:", 5) == 0)
		{
			value = resolve_reference(value, problem);
			if (value == NULL)
			{
				*problem = "a reference in headers cannot be resolved";
				return NULL;
			}
		}
		lines[i / 2] = psprintf("%s: %s", name, value);
	}
	return lines;
}

/* ---------- loading ---------- */

static void
hash_part(pg_cryptohash_ctx *ctx, const char *part)
{
	/* the terminator separates the parts */
	if (part == NULL)
		part = "";
	if (pg_cryptohash_update(ctx, (const uint8 *) part, strlen(part) + 1) < 0)
		elog(ERROR, "could not compute a hash");
}

static void
account_hash(LiProviderRow *row)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0)
		elog(ERROR, "could not compute a hash");
	hash_part(ctx, row->kind);
	hash_part(ctx, row->endpoint.base_url);
	hash_part(ctx, row->endpoint.organization);
	hash_part(ctx, row->endpoint.key);
	if (pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a hash");
	pg_cryptohash_free(ctx);
	memcpy(row->account, digest, LI_ACCOUNT_LEN);
}

static LiProviderRow *
read_provider(uint64 i)
{
	MemoryContext cxt = CurrentMemoryContext;
	LiProviderRow *row = palloc0(sizeof(LiProviderRow));
	char	   *reference;

	row->name = li_sql_text(cxt, i, 1);
	row->kind = li_sql_text(cxt, i, 2);
	row->endpoint.base_url = li_sql_text(cxt, i, 3);
	reference = li_sql_text(cxt, i, 4);
	row->endpoint.organization = li_sql_text(cxt, i, 5);
	row->ca_file = li_sql_text(cxt, i, 6);
	row->connect_timeout_ms = DatumGetInt32(li_sql_value(i, 7, 0));
	row->request_timeout_ms = DatumGetInt32(li_sql_value(i, 8, 0));
	row->max_in_flight = DatumGetInt32(li_sql_value(i, 9, 0));
	row->merge_user_messages = DatumGetBool(li_sql_value(i, 10, 0));
	row->endpoint.headers = read_headers(li_sql_value(i, 11, 0), &row->problem);

	row->key_found = true;
	if (reference != NULL)
	{
		row->endpoint.key = resolve_reference(reference, &row->problem);
		row->key_found = row->endpoint.key != NULL;
	}
	row->dialect = li_provider_find(row->kind);
	if (row->dialect == NULL && row->problem == NULL)
		row->problem = "this version has no dialect for the provider's kind";
	account_hash(row);
	return row;
}

static LiModelRow *
read_model(uint64 i)
{
	MemoryContext cxt = CurrentMemoryContext;
	LiModelRow *row = palloc0(sizeof(LiModelRow));

	row->model = li_sql_text(cxt, i, 1);
	row->provider = li_sql_text(cxt, i, 2);
	row->token_parameter = li_sql_text(cxt, i, 3);
	row->reasoning_effort = li_sql_text(cxt, i, 4);
	row->json_schema = DatumGetBool(li_sql_value(i, 5, BoolGetDatum(true)));
	row->input_price = li_sql_text(cxt, i, 6);
	row->cached_price = li_sql_text(cxt, i, 7);
	row->output_price = li_sql_text(cxt, i, 8);
	return row;
}

/* Reads both tables and resolves every reference. */
LiAccounts *
li_accounts_load(MemoryContext parent)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "linkedin_ingest accounts",
											  ALLOCSET_SMALL_SIZES);
	LiAccounts *accounts = MemoryContextAllocZero(cxt, sizeof(LiAccounts));
	MemoryContext old;
	uint64		n;
	uint64		i;

	accounts->cxt = cxt;
	accounts->references = 1;
	n = li_sql_read(&providers_statement, NULL, NULL);
	old = MemoryContextSwitchTo(cxt);
	for (i = 0; i < n; i++)
		accounts->providers = lappend(accounts->providers, read_provider(i));
	MemoryContextSwitchTo(old);

	n = li_sql_read(&models_statement, NULL, NULL);
	old = MemoryContextSwitchTo(cxt);
	for (i = 0; i < n; i++)
		accounts->models = lappend(accounts->models, read_model(i));
	MemoryContextSwitchTo(old);
	return accounts;
}

/* Gives a reference back; the last one frees it, keys wiped.  NULL is fine. */
void
li_accounts_release(LiAccounts *accounts)
{
	ListCell   *cell;

	if (accounts == NULL || --accounts->references > 0)
		return;
	foreach(cell, accounts->providers)
	{
		LiProviderRow *row = lfirst(cell);

		if (row->endpoint.key != NULL)
			explicit_bzero(unconstify(char *, row->endpoint.key), strlen(row->endpoint.key));
	}
	MemoryContextDelete(accounts->cxt);
}

LiProviderRow *
li_accounts_provider(LiAccounts *accounts, const char *name)
{
	ListCell   *cell;

	foreach(cell, accounts->providers)
	{
		LiProviderRow *row = lfirst(cell);

		if (strcmp(row->name, name) == 0)
			return row;
	}
	return NULL;
}

/* NULL for a model without a row, which works and costs null. */
LiModelRow *
li_accounts_model(LiAccounts *accounts, const char *model)
{
	ListCell   *cell;

	foreach(cell, accounts->models)
	{
		LiModelRow *row = lfirst(cell);

		if (strcmp(row->model, model) == 0)
			return row;
	}
	return NULL;
}

/* ---------- blocks and throttles in shared memory ---------- */

/*
 * The entry of an account or of one of its models.  NULL when there is none
 * and none is to be made, or the table is full: then the loss is counted, and
 * whoever wanted to block it puts its job off instead.  The caller holds the
 * lock.
 */
static LiAccount *
find_account(const char *hash, const char *model, bool create)
{
	LiAccount  *unused = NULL;
	int			models = 0;
	int			i;

	for (i = 0; i < LI_MAX_ACCOUNTS; i++)
	{
		LiAccount  *entry = &li_shared->accounts[i];

		if (entry->used && memcmp(entry->hash, hash, LI_ACCOUNT_LEN) == 0 && entry->model[0])
			models++;
		if (entry->used && memcmp(entry->hash, hash, LI_ACCOUNT_LEN) == 0 &&
			strcmp(entry->model, model) == 0)
			return entry;
		if (!entry->used && unused == NULL)
			unused = entry;
	}
	if (!create)
		return NULL;
	for (i = 0; i < LI_MAX_ACCOUNTS && unused == NULL; i++)
	{
		LiAccount  *entry = &li_shared->accounts[i];

		if (!entry->blocked && entry->in_flight == 0 &&
			entry->throttled_until <= GetCurrentTimestamp())
			unused = entry;		/* says nothing that would be missed */
	}
	/* a caller may name any model: those of one account must not fill the table */
	if (unused == NULL || (model[0] && models >= MAX_MODELS))
	{
		li_shared->lost_accounts++;
		return NULL;
	}
	memset(unused, 0, sizeof(LiAccount));
	unused->used = true;
	memcpy(unused->hash, hash, LI_ACCOUNT_LEN);
	strlcpy(unused->model, model, sizeof(unused->model));
	return unused;
}

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
	account = gate_of(find_account(provider->account, "", false), now, again);
	of_model = gate_of(find_account(provider->account, model, false), now, again);
	li_shared_unlock();

	if (account == LI_GATE_CLOSED || of_model == LI_GATE_CLOSED)
		return LI_GATE_CLOSED;
	if (account == LI_GATE_PROBE || of_model == LI_GATE_PROBE)
		return LI_GATE_PROBE;
	return LI_GATE_OPEN;
}

/* So many more calls of the account are in flight, or fewer. */
void
li_account_count(const LiProviderRow *provider, int calls)
{
	LiAccount  *entry;

	li_shared_lock(LW_EXCLUSIVE);
	entry = find_account(provider->account, "", true);
	if (entry != NULL)
		entry->in_flight = Max(entry->in_flight + calls, 0);
	li_shared_unlock();
}

/* Calls of the account in flight, of all databases. */
int
li_account_in_flight(const LiProviderRow *provider)
{
	LiAccount  *entry;
	int			in_flight;

	li_shared_lock(LW_SHARED);
	entry = find_account(provider->account, "", false);
	in_flight = entry ? entry->in_flight : 0;
	li_shared_unlock();
	return in_flight;
}

/* Takes the right to probe what is blocked; false: somebody else has it. */
bool
li_account_begin_probe(const LiProviderRow *provider, const char *model)
{
	LiAccount  *entries[2];
	bool		taken = true;
	int			i;

	li_shared_lock(LW_EXCLUSIVE);
	entries[0] = find_account(provider->account, "", false);
	entries[1] = find_account(provider->account, model, false);
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
	entry = find_account(provider->account, "", true);
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
	entry = find_account(provider->account, "", false);
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
	entry = find_account(provider->account, model, true);
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
	entry = find_account(provider->account, model, false);
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
	entry = find_account(provider->account, model, false);
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
	entry = find_account(provider->account, model, false);
	if (entry != NULL)
	{
		was_blocked = entry->blocked;
		entry->blocked = false;
		entry->probing = false;
		if (entry->in_flight == 0 && entry->throttled_until <= GetCurrentTimestamp())
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
			entry = find_account(provider->account, model, true);
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
	entry = find_account(provider->account, model, false);
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
