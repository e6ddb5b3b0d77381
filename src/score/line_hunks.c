/*-------------------------------------------------------------------------
 *
 * line_hunks.c
 *		The SQL function over diff.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "score/diff.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_line_hunks);

/* line_hunks(old_text text, new_text text) -> text[]; not strict */
Datum
linkedin_ingest_line_hunks(PG_FUNCTION_ARGS)
{
	char	   *texts[2];
	char	  **hunks;
	Datum	   *items;
	int			n;

	for (int i = 0; i < 2; i++)
		texts[i] = PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
	n = li_diff(texts[0], texts[1], &hunks);
	if (n == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
	items = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
		items[i] = CStringGetTextDatum(hunks[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(items, n, TEXTOID, -1, false, TYPALIGN_INT));
}
