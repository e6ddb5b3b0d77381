/*-------------------------------------------------------------------------
 *
 * accounts.c
 *		Providers, models and roles as configured.
 *
 * An account is what the other side bills and throttles: kind, base URL,
 * organization and key, known here by a hash of the four.  Whether it may be
 * called is kept in blocks.c (faults of the account), limits.c (rates) and
 * budgets.c (money).
 *
 * A key is read when the providers are loaded, after each change of them and
 * with every poll, and lives as long as the requests that need it.  It never
 * gets into a setting, a table or a message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <fcntl.h>
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

#include "sql.h"
#include "worker/accounts.h"

#define MAX_KEY_BYTES	8192

static LiStatement providers_statement = {
	"SELECT name, kind, base_url, api_key_ref, organization, ca_file,"
	" (extract(epoch FROM connect_timeout) * 1000)::int,"
	" (extract(epoch FROM request_timeout) * 1000)::int,"
	" coalesce(max_in_flight, 0), merge_user_messages,"
	" coalesce(requests_per_minute, 0), coalesce(tokens_per_minute, 0),"
	" daily_budget_usd::float8,"
	" ARRAY (SELECT t FROM jsonb_each_text(headers) AS h, unnest(ARRAY[h.key, h.value]) AS t)"
	" FROM linkedin_ingest.llm_providers ORDER BY name",
	0
};

static LiStatement models_statement = {
	"SELECT model, provider, token_parameter, reasoning_effort, supports_json_schema,"
	" input_usd_per_mtok, cached_input_usd_per_mtok, output_usd_per_mtok,"
	" supports_temperature, to_char(sunset_on, 'YYYY-MM-DD'),"
	" sunset_on < (now() AT TIME ZONE 'UTC')::date, replacement"
	" FROM linkedin_ingest.llm_models",
	0
};

static LiStatement budgets_statement = {
	"SELECT role, daily_budget_usd::float8 FROM linkedin_ingest.roles"
	" WHERE daily_budget_usd IS NOT NULL",
	0
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
	row->requests_per_minute = DatumGetInt32(li_sql_value(i, 11, 0));
	row->tokens_per_minute = DatumGetInt32(li_sql_value(i, 12, 0));
	row->daily_budget = DatumGetFloat8(li_sql_value(i, 13, Float8GetDatum(-1)));
	row->endpoint.headers = read_headers(li_sql_value(i, 14, 0), &row->problem);

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
	row->temperature = DatumGetBool(li_sql_value(i, 9, BoolGetDatum(true)));
	row->sunset_on = li_sql_text(cxt, i, 10);
	row->ended = DatumGetBool(li_sql_value(i, 11, BoolGetDatum(false)));
	row->replacement = li_sql_text(cxt, i, 12);
	return row;
}

/* Reads the tables and resolves every reference. */
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

	n = li_sql_read(&budgets_statement, NULL, NULL);
	old = MemoryContextSwitchTo(cxt);
	for (i = 0; i < n; i++)
	{
		LiRoleBudget *budget = palloc(sizeof(LiRoleBudget));

		budget->role = li_sql_text(cxt, i, 1);
		budget->daily_budget = DatumGetFloat8(li_sql_value(i, 2, 0));
		accounts->role_budgets = lappend(accounts->role_budgets, budget);
	}
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

/* USD per UTC day; below 0: none. */
double
li_accounts_role_budget(LiAccounts *accounts, const char *role)
{
	ListCell   *cell;

	foreach(cell, accounts->role_budgets)
	{
		LiRoleBudget *budget = lfirst(cell);

		if (role != NULL && strcmp(budget->role, role) == 0)
			return budget->daily_budget;
	}
	return -1;
}
