/*-------------------------------------------------------------------------
 *
 * cache_key.c
 *		When two jobs ask the same.
 *
 * The request itself can be no key, since its nonce is new every time.  The
 * template and its version are none either: a change of weights or of a name
 * does not change the question.  What the answer is held to is part of it
 * although it need not be sent, so that an answer found by the key has the
 * form that was asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "score/cache_key.h"
#include "score/prompt.h"

/* Goes up when the same parts come to mean another question. */
#define KEY_FORM "1"

/* 0.1 and 0.10 are one temperature. */
static const char *
trimmed(const char *number)
{
	Datum		numeric;

	if (number == NULL)
		return NULL;
	numeric = DirectFunctionCall3(numeric_in, CStringGetDatum(number),
								  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	return DatumGetCString(DirectFunctionCall1(numeric_out,
											   DirectFunctionCall1(numeric_trim_scale, numeric)));
}

/* Its length keeps a part apart from the next, and nothing from empty. */
static bool
add_part(pg_cryptohash_ctx *ctx, const char *part)
{
	size_t		len = part != NULL ? strlen(part) : 0;
	char		prefix[32];

	snprintf(prefix, sizeof(prefix), part != NULL ? "%zu:" : "-:", len);
	return pg_cryptohash_update(ctx, (const uint8 *) prefix, strlen(prefix)) >= 0 &&
		pg_cryptohash_update(ctx, (const uint8 *) part, len) >= 0;
}

char *
li_cache_key(const LiJob *job, const LiFacts *facts, const LiAsk *ask,
			 const char *profile_text, const LiAnswerForm *form)
{
	const char *parts[] = {
		KEY_FORM,
		job->profile_id,
		job->provider,
		job->model,
		psprintf("%d", job->max_tokens),
		trimmed(job->temperature),
		facts->token_parameter,
		facts->reasoning_effort,
		facts->json_schema ? "strict" : "loose",
		ask->schema,
		form->schema,
		psprintf("%d", job->samples),
		job->role,
		facts->role_title,
		ask->system_text,
		ask->user_text[0],
		li_prompt_fence(profile_text, "")
	};
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *key = palloc(2 * sizeof(digest) + 1);
	bool		fine = ctx != NULL && pg_cryptohash_init(ctx) >= 0;

	for (int i = 0; fine && i < lengthof(parts); i++)
		fine = add_part(ctx, parts[i]);
	if (!fine || pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a hash");
	pg_cryptohash_free(ctx);
	for (int i = 0; i < lengthof(digest); i++)
		snprintf(key + 2 * i, 3, "%02x", digest[i]);
	return key;
}
