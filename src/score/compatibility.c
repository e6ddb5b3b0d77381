/*-------------------------------------------------------------------------
 *
 * compatibility.c
 *		One question that rates every role, and its answer.
 *
 * The model gives a confidence per role; which role is recommended, if any, is
 * for the database to say.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "json.h"
#include "score/compatibility.h"

#define MAX_TEXT	2000
#define MAX_ITEM	600
#define MAX_ITEMS	4
#define MAX_QUOTES	10

char *
li_compatibility_describe(const LiRole *roles, int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s (%s)%s%s", i > 0 ? "\n" : "", roles[i].role, roles[i].title,
						 roles[i].description != NULL ? ": " : "",
						 roles[i].description != NULL ? roles[i].description : "");
	return buf.data;
}

static json_t *
list_schema(int max_items)
{
	return json_pack("{s:s,s:i,s:{s:s,s:i}}", "type", "array", "maxItems", max_items,
					 "items", "type", "string", "maxLength", MAX_ITEM);
}

static json_t *
role_schema(void)
{
	return json_pack("{s:s,s:{s:o,s:{s:s,s:i},s:o,s:o,s:{s:s,s:i,s:i}},s:[s,s,s,s,s],s:b}",
					 "type", "object",
					 "properties",
					 "evidence", list_schema(MAX_QUOTES),
					 "reasoning", "type", "string", "maxLength", MAX_TEXT,
					 "key_qualifications", list_schema(MAX_ITEMS),
					 "missing_qualifications", list_schema(MAX_ITEMS),
					 "confidence", "type", "number", "minimum", 0, "maximum", 1,
					 "required", "evidence", "reasoning", "key_qualifications",
					 "missing_qualifications", "confidence",
					 "additionalProperties", 0);
}

char *
li_compatibility_schema(const LiRole *roles, int n)
{
	LiJson	   *inner = li_json_new();
	LiJson	   *schema = li_json_new();
	char	   *text;

	inner->root = json_pack("{s:s,s:{},s:[],s:b}", "type", "object", "properties",
							"required", "additionalProperties", 0);
	for (int i = 0; i < n; i++)
	{
		json_object_set_new(json_object_get(inner->root, "properties"),
							roles[i].role, role_schema());
		json_array_append_new(json_object_get(inner->root, "required"),
							  json_string(roles[i].role));
	}
	schema->root = json_pack("{s:s,s:{s:O,s:{s:s,s:i}},s:[s,s],s:b}",
							 "type", "object",
							 "properties",
							 "roles", inner->root,
							 "overall_assessment", "type", "string", "maxLength", MAX_TEXT,
							 "required", "roles", "overall_assessment",
							 "additionalProperties", 0);
	text = li_json_dump_compact(schema->root);
	li_json_free(schema);
	li_json_free(inner);
	return text;
}

const char *
li_compatibility_recommend(const LiRole *roles, int n, const json_t *answer)
{
	const json_t *rated = json_object_get(answer, "roles");
	const char *best = NULL;
	double		best_confidence = 0;

	for (int i = 0; i < n; i++)
	{
		double		confidence =
		json_number_value(json_object_get(json_object_get(rated, roles[i].role), "confidence"));

		if (confidence >= LI_COMPATIBILITY_GATE && (best == NULL || confidence > best_confidence))
		{
			best = roles[i].role;
			best_confidence = confidence;
		}
	}
	return best;
}
