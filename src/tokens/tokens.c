/*-------------------------------------------------------------------------
 *
 * tokens.c
 *		Tokens of texts, exact where the vocabulary is known.
 *
 * The vocabularies lie beside the extension's scripts.  One that cannot be read
 * must not stop the scoring, which needs the count only to know when to shorten
 * a profile: the estimate takes its place.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "tokens/count.h"
#include "tokens/tokens.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_tokens_of);

typedef enum State
{
	NOT_TRIED, USABLE, UNUSABLE
} State;

static struct
{
	const char *name;
	State		state;
	LiRanks		ranks;
}			encodings[] =
{
	{"o200k_base"},
	{"cl100k_base"}
};

const LiRanks *
li_encoding_find(const char *name)
{
	for (int i = 0; name != NULL && i < lengthof(encodings); i++)
	{
		if (strcmp(encodings[i].name, name) != 0)
			continue;
		if (encodings[i].state == NOT_TRIED)
		{
			char		share[MAXPGPATH];
			char	   *path;
			const char *problem;

			get_share_path(my_exec_path, share);
			path = psprintf("%s/extension/linkedin_ingest.%s.ranks", share, name);
			problem = li_ranks_open(&encodings[i].ranks, path);
			encodings[i].state = problem == NULL ? USABLE : UNUSABLE;
			if (problem != NULL)
				ereport(WARNING,
						(errcode(ERRCODE_CONFIG_FILE_ERROR),
						 errmsg("tokens of encoding \"%s\" are estimated", name),
						 errdetail("File \"%s\": %s.", path, problem),
						 errhint("Install the extension's files again.")));
			pfree(path);
		}
		return encodings[i].state == USABLE ? &encodings[i].ranks : NULL;
	}
	return NULL;
}

int
li_count_tokens(const LiRanks *encoding, const char *text, size_t len)
{
	size_t		tokens = encoding != NULL ? li_ranks_count(encoding, text, len) : (len + 2) / 3;

	return (int) Min(tokens, PG_INT32_MAX);
}

/* tokens_of(content text, encoding text) -> int */
Datum
linkedin_ingest_tokens_of(PG_FUNCTION_ARGS)
{
	text	   *content;
	char	   *utf8;
	size_t		len;
	const LiRanks *encoding = NULL;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	content = PG_GETARG_TEXT_PP(0);
	if (!PG_ARGISNULL(1))
		encoding = li_encoding_find(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	len = VARSIZE_ANY_EXHDR(content);
	utf8 = pg_server_to_any(VARDATA_ANY(content), len, PG_UTF8);
	if (utf8 != VARDATA_ANY(content))
		len = strlen(utf8);
	PG_RETURN_INT32(li_count_tokens(encoding, utf8, len));
}
