/*-------------------------------------------------------------------------
 *
 * functions.c
 *		SQL functions that show what would be sent, and check templates.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "score/load.h"
#include "score/question.h"
#include "score/task.h"
#include "score/template_check.h"
#include "score/titles.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_render_profile_text);
PG_FUNCTION_INFO_V1(linkedin_ingest_render_ask);
PG_FUNCTION_INFO_V1(linkedin_ingest_template_faults);
PG_FUNCTION_INFO_V1(linkedin_ingest_executive_indicators);

/* Argument "n" as its type's text; NULL for null. */
static char *
argument_text(FunctionCallInfo fcinfo, int n, PGFunction out)
{
	if (PG_ARGISNULL(n))
		return NULL;
	return DatumGetCString(DirectFunctionCall1(out, PG_GETARG_DATUM(n)));
}

/* render_profile_text(profile_id uuid, blind boolean) -> text */
Datum
linkedin_ingest_render_profile_text(PG_FUNCTION_ARGS)
{
	char	   *id = argument_text(fcinfo, 0, uuid_out);
	MemoryContext cxt = CurrentMemoryContext;
	LiProfile  *profile;
	char	   *text = NULL;

	SPI_connect();
	MemoryContextSwitchTo(cxt);
	profile = li_load_profile(id);
	if (profile != NULL)
		text = li_profile_text_write(li_profile_text_new(profile, PG_GETARG_BOOL(1)));
	SPI_finish();
	MemoryContextSwitchTo(cxt);

	if (text == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(text));
}

static void
append_message(StringInfo json, const char *role, const char *content)
{
	if (content == NULL)
		return;
	appendStringInfo(json, "%s{\"role\":\"%s\",\"content\":",
					 json->data[json->len - 1] == '[' ? "" : ",", role);
	escape_json(json, content);
	appendStringInfoChar(json, '}');
}

static void
append_shortened(StringInfo json, const LiQuestion *question)
{
	LiShortened *list;
	int			n = li_profile_text_shortened(li_question_profile(question), &list);

	for (int i = 0; i < n; i++)
		appendStringInfo(json, "%s{\"part\":\"%s\",\"characters\":%d,\"kept\":%d}",
						 i > 0 ? "," : "", list[i].part, list[i].length, list[i].kept);
}

/*
 * render_ask(profile_id uuid, role text, stage text, template_id uuid,
 *			  template_version int, prompt text, provider text, model text,
 *			  max_tokens int, temperature numeric, samples int) -> jsonb
 */
Datum
linkedin_ingest_render_ask(PG_FUNCTION_ARGS)
{
	MemoryContext cxt = CurrentMemoryContext;
	LiJob		job = {0};
	LiAsk		ask = {0};
	LiOutcome	outcome;
	const LiQuestion *question;
	void	   *state;
	StringInfoData json;

	job.profile_id = argument_text(fcinfo, 0, uuid_out);
	job.role = argument_text(fcinfo, 1, textout);
	job.stage = argument_text(fcinfo, 2, textout);
	job.template_id = argument_text(fcinfo, 3, uuid_out);
	job.template_version = PG_ARGISNULL(4) ? 0 : PG_GETARG_INT32(4);
	job.prompt = argument_text(fcinfo, 5, textout);
	job.provider = argument_text(fcinfo, 6, textout);
	job.model = argument_text(fcinfo, 7, textout);
	job.max_tokens = PG_ARGISNULL(8) ? 0 : PG_GETARG_INT32(8);
	job.temperature = argument_text(fcinfo, 9, numeric_out);
	job.samples = PG_ARGISNULL(10) ? 1 : PG_GETARG_INT32(10);
	if (job.profile_id == NULL || job.model == NULL ||
		(job.template_id == NULL && job.prompt == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("profile_id, model, and template_id or prompt must be given")));

	SPI_connect();
	MemoryContextSwitchTo(cxt);
	state = li_scoring_task.open(&job, &ask, &outcome);
	SPI_finish();
	MemoryContextSwitchTo(cxt);
	if (state == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("the question cannot be asked: %s", outcome.message)));

	question = li_scoring_question(state);
	initStringInfo(&json);
	appendStringInfoString(&json, "{\"messages\":[");
	append_message(&json, "system", ask.system_text);
	append_message(&json, "user", ask.user_text[0]);
	append_message(&json, "user", ask.user_text[1]);
	appendStringInfo(&json, "],\"schema\":%s,\"prompt_tokens\":%d,\"prompt_tokens_exact\":%s,"
					 "\"shortened\":[",
					 ask.schema != NULL ? ask.schema : "null", li_question_tokens(question),
					 li_question_tokens_exact(question) ? "true" : "false");
	append_shortened(&json, question);
	appendStringInfo(&json, "],\"cache_key\":\"%s\"}", ask.cache_key);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

static Datum
text_array(const LiFaults *faults)
{
	Datum		lines[LI_MAX_FAULTS];

	if (faults->n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	for (int i = 0; i < faults->n; i++)
		lines[i] = CStringGetTextDatum(faults->lines[i]);
	return PointerGetDatum(construct_array(lines, faults->n, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * template_faults(stage text, system_text text, prompt_text text, rubric jsonb,
 *				   response_schema jsonb, OUT faults text[], OUT doubts text[])
 */
Datum
linkedin_ingest_template_faults(PG_FUNCTION_ARGS)
{
	char	   *stage = argument_text(fcinfo, 0, textout);
	LiFaults	faults = {0};
	LiFaults	doubts = {0};
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	li_template_check(stage != NULL && strcmp(stage, "compatibility") == 0,
					  argument_text(fcinfo, 1, textout), argument_text(fcinfo, 2, textout),
					  argument_text(fcinfo, 3, jsonb_out), argument_text(fcinfo, 4, jsonb_out),
					  &faults, &doubts);
	values[0] = text_array(&faults);
	values[1] = text_array(&doubts);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* executive_indicators(title text) -> text[] */
Datum
linkedin_ingest_executive_indicators(PG_FUNCTION_ARGS)
{
	const char *found[LI_TITLE_INDICATORS];
	Datum		words[LI_TITLE_INDICATORS];
	int			n = li_title_indicators(text_to_cstring(PG_GETARG_TEXT_PP(0)), found);

	if (n == 0)
		PG_RETURN_POINTER(construct_empty_array(TEXTOID));
	for (int i = 0; i < n; i++)
		words[i] = CStringGetTextDatum(found[i]);
	PG_RETURN_POINTER(construct_array(words, n, TEXTOID, -1, false, TYPALIGN_INT));
}
