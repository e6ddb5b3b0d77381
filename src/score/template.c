/*-------------------------------------------------------------------------
 *
 * template.c
 *		A template version, ready to ask with.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "json.h"
#include "score/rubric.h"
#include "score/schema.h"
#include "score/template.h"

static void
parse_rubric(LiTemplate *template, const char *text, const char **problem)
{
	LiJson	   *json = li_json_parse(text, strlen(text), NULL);
	LiFaults	faults = {0};
	LiRubric   *rubric = json != NULL ? li_rubric_read(json->root, &faults) : NULL;

	li_json_free(json);
	if (rubric == NULL)
	{
		*problem = "the template's rubric cannot be used";
		return;
	}
	template->kind = LI_ANSWER_RUBRIC;
	template->rubric = li_rubric_describe(rubric);
	template->schema = template->answer_schema = li_rubric_schema(rubric, false);
	template->loose_schema = li_rubric_schema(rubric, true);
	template->n_keys = rubric->n;
	template->keys = palloc(rubric->n * sizeof(char *));
	template->weights = palloc(rubric->n * sizeof(char *));
	for (int i = 0; i < rubric->n; i++)
	{
		template->keys[i] = rubric->criteria[i].key;
		template->weights[i] = rubric->criteria[i].weight;
	}
}

static void
parse_schema(LiTemplate *template, const char *text, const char **problem)
{
	LiJson	   *json = li_json_parse(text, strlen(text), NULL);
	LiFaults	faults = {0};

	if (json != NULL)
		li_schema_check(json->root, &faults);
	if (json == NULL || faults.n > 0)
		*problem = "the template's response_schema cannot be used";
	else
	{
		template->kind = LI_ANSWER_SCHEMA;
		template->schema = li_schema_strict(json->root);
		template->answer_schema = pstrdup(text);
	}
	li_json_free(json);
}

void
li_template_parse(const LiTemplateRow *row, LiTemplate *template, const char **problem)
{
	memset(template, 0, sizeof(*template));
	*problem = NULL;
	template->kind = LI_ANSWER_OBJECT;
	template->system_text = row->system_text;
	template->prompt_text = row->prompt_text;
	template->blind = row->blind;
	if (strcmp(row->stage, "compatibility") == 0)
		template->kind = LI_ANSWER_COMPATIBILITY;
	else if (row->rubric != NULL)
		parse_rubric(template, row->rubric, problem);
	else if (row->response_schema != NULL)
		parse_schema(template, row->response_schema, problem);
}
