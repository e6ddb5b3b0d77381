/*-------------------------------------------------------------------------
 * functions.c
 *		The SQL functions of this room.
 *
 * Their work is done in UTF-8, whatever the database's encoding: URLs and
 * JSON are defined so, and jansson reads nothing else.
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "profile/profile.h"
#include "profile/url.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_normalize_linkedin_url);
PG_FUNCTION_INFO_V1(linkedin_ingest_linkedin_url_kind);
PG_FUNCTION_INFO_V1(linkedin_ingest_read_payload);
PG_FUNCTION_INFO_V1(linkedin_ingest_merge_canonical);
PG_FUNCTION_INFO_V1(linkedin_ingest_mapping_fault);

static char *
to_utf8(char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

static char *
from_utf8(char *text)
{
	return pg_any_to_server(text, strlen(text), PG_UTF8);
}

static LiUrl
parse_url_argument(text *url)
{
	return li_url_parse(to_utf8(text_to_cstring(url)));
}

static char *
jsonb_to_utf8(Jsonb *jsonb)
{
	return to_utf8(JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)));
}

static Datum
jsonb_from_utf8(char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(from_utf8(json)));
}

/* A text[] as a list of strings in UTF-8; nulls are left out. */
static List *
text_array_list(ArrayType *array)
{
	List	   *list = NIL;
	Datum	   *elems;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			list = lappend(list, to_utf8(TextDatumGetCString(elems[i])));
	}
	return list;
}

/* normalize_linkedin_url(text) -> text */
Datum
linkedin_ingest_normalize_linkedin_url(PG_FUNCTION_ARGS)
{
	LiUrl		url = parse_url_argument(PG_GETARG_TEXT_PP(0));

	if (url.normalized == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(from_utf8(url.normalized)));
}

/* linkedin_url_kind(text) -> text */
Datum
linkedin_ingest_linkedin_url_kind(PG_FUNCTION_ARGS)
{
	LiUrl		url = parse_url_argument(PG_GETARG_TEXT_PP(0));

	PG_RETURN_TEXT_P(cstring_to_text(li_url_kind_name(url.kind)));
}

/* read_payload(payload jsonb, source text) -> (source, canonical, unmapped) */
Datum
linkedin_ingest_read_payload(PG_FUNCTION_ARGS)
{
	TupleDesc	tupdesc;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work;
	LiReadPayload read;
	char	   *source = NULL;
	Datum	   *paths;
	int			npaths = 0;
	ListCell   *lc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("payload must not be null"),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "payload")));

	/* jansson's trees go when this context goes, by whatever way we leave */
	work = AllocSetContextCreate(caller, "linkedin_ingest payload", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work);
	if (!PG_ARGISNULL(1))
		source = to_utf8(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	li_read_payload(jsonb_to_utf8(PG_GETARG_JSONB_P(0)), source, &read);

	paths = palloc((list_length(read.unmapped) + 1) * sizeof(Datum));
	foreach(lc, read.unmapped)
		paths[npaths++] = CStringGetTextDatum(from_utf8(lfirst(lc)));

	MemoryContextSwitchTo(caller);
	values[0] = CStringGetTextDatum(from_utf8(read.source));
	values[1] = jsonb_from_utf8(read.canonical);
	values[2] = PointerGetDatum(construct_array(paths, npaths, TEXTOID, -1, false,
												TYPALIGN_INT));
	MemoryContextDelete(work);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

/* merge_canonical(stored jsonb, incoming jsonb, complete_lists text[], older boolean) -> jsonb */
Datum
linkedin_ingest_merge_canonical(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(caller, "linkedin_ingest merge",
											   ALLOCSET_DEFAULT_SIZES);
	char	   *merged;
	Datum		result;

	MemoryContextSwitchTo(work);
	merged = li_merge_canonical(jsonb_to_utf8(PG_GETARG_JSONB_P(0)),
								jsonb_to_utf8(PG_GETARG_JSONB_P(1)),
								text_array_list(PG_GETARG_ARRAYTYPE_P(2)),
								PG_GETARG_BOOL(3));
	MemoryContextSwitchTo(caller);
	result = jsonb_from_utf8(merged);
	MemoryContextDelete(work);
	PG_RETURN_DATUM(result);
}

/* mapping_fault(target_path text, paths text[], transform text) -> text */
Datum
linkedin_ingest_mapping_fault(PG_FUNCTION_ARGS)
{
	char	   *fault = li_mapping_fault(to_utf8(text_to_cstring(PG_GETARG_TEXT_PP(0))),
										 text_array_list(PG_GETARG_ARRAYTYPE_P(1)),
										 to_utf8(text_to_cstring(PG_GETARG_TEXT_PP(2))));

	if (fault == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(from_utf8(fault)));
}
