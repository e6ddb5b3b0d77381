/*-------------------------------------------------------------------------
 *
 * rubric.c
 *		Criteria, their weights, and the answer they ask for.
 *
 * The schema asks for evidence and justification before the score, because a
 * model writes in that order and a number that follows its reasons is the
 * better one.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "lib/stringinfo.h"

#include "score/rubric.h"

#define MAX_KEY			100		/* bytes of a criterion's key */
#define MAX_CRITERIA	40

/* Limits of the answer; the schema carries them. */
#define MAX_TEXT		2000	/* characters of a justification or the summary */
#define MAX_ITEM		600		/* characters of a quote or a list's item */
#define MAX_QUOTES		10
#define MAX_ITEMS		5

static bool
is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

/* The levels as lines, in the order of the object (jsonb: by length, value). */
static const char *
read_levels(const json_t *levels, const char *key, LiFaults *faults)
{
	StringInfoData buf;
	const char *level;
	json_t	   *text;

	if (levels == NULL || json_is_null(levels))
		return "";
	if (!json_is_object(levels))
	{
		li_fault(faults, "rubric: bad_levels: the levels of criterion \"%s\" are not an object", key);
		return "";
	}
	initStringInfo(&buf);
	json_object_foreach((json_t *) levels, level, text)
	{
		char	   *rest;
		double		value = strtod(level, &rest);

		if (*level == '\0' || *rest != '\0' || !(value >= 0 && value <= 100))
			li_fault(faults, "rubric: bad_levels: level \"%s\" of criterion \"%s\" is not a number from 0 to 100",
					 li_fault_quote(level), key);
		else if (is_blank(json_string_value(text)))
			li_fault(faults, "rubric: bad_levels: level %s of criterion \"%s\" has no text", level, key);
		else
			appendStringInfo(&buf, "  %s: %s\n", level, json_string_value(text));
	}
	return buf.data;
}

static void
read_criterion(const json_t *json, int number, LiRubric *rubric, LiFaults *faults)
{
	LiCriterion *criterion = &rubric->criteria[rubric->n];
	const char *key = json_string_value(json_object_get(json, "key"));
	const char *title = json_string_value(json_object_get(json, "title"));
	const char *description = json_string_value(json_object_get(json, "description"));
	json_t	   *weight = json_object_get(json, "weight");
	char	   *quoted;

	if (!json_is_object(json))
	{
		li_fault(faults, "rubric: bad_criterion: criterion %d is not an object", number);
		return;
	}
	if (is_blank(key))
	{
		li_fault(faults, "rubric: empty_key: criterion %d has no key", number);
		return;
	}
	quoted = li_fault_quote(key);
	if (strlen(key) > MAX_KEY)
		li_fault(faults, "rubric: long_key: the key of criterion %d is longer than %d bytes", number, MAX_KEY);
	for (int i = 0; i < rubric->n; i++)
	{
		if (strcmp(rubric->criteria[i].key, key) == 0)
			li_fault(faults, "rubric: duplicate_key: criterion key \"%s\" occurs twice", quoted);
	}
	if (is_blank(description))
		li_fault(faults, "rubric: no_description: criterion \"%s\" has no description", quoted);
	if (!json_is_number(weight) ||
		!(json_number_value(weight) >= 0 && json_number_value(weight) <= 1))
		li_fault(faults, "rubric: bad_weight: the weight of criterion \"%s\" is not a number from 0 to 1", quoted);

	criterion->key = pstrdup(key);
	criterion->title = pstrdup(is_blank(title) ? key : title);
	criterion->description = pstrdup(description != NULL ? description : "");
	criterion->levels = read_levels(json_object_get(json, "levels"), quoted, faults);
	/* what a double keeps of a decimal: 15 digits come back as they were */
	criterion->weight = psprintf("%.15g", json_number_value(weight));
	rubric->n++;
}

LiRubric *
li_rubric_read(const json_t *json, LiFaults *faults)
{
	LiRubric   *rubric;
	int			faults_before = faults->n;
	double		sum = 0;
	size_t		index;
	json_t	   *item;

	if (!json_is_array(json) || json_array_size(json) == 0)
	{
		li_fault(faults, "rubric: bad_rubric: the rubric is not a list of criteria");
		return NULL;
	}
	if (json_array_size(json) > MAX_CRITERIA)
	{
		li_fault(faults, "rubric: bad_rubric: the rubric has more than %d criteria", MAX_CRITERIA);
		return NULL;
	}
	rubric = palloc(sizeof(LiRubric));
	rubric->criteria = palloc(json_array_size(json) * sizeof(LiCriterion));
	rubric->n = 0;
	json_array_foreach(json, index, item)
	{
		read_criterion(item, (int) index + 1, rubric, faults);
		sum += json_number_value(json_object_get(item, "weight"));
	}
	if (!(fabs(sum - 1) <= 0.001 + 1e-9))
		li_fault(faults, "rubric: bad_weights: the weights sum to %.6g, not to 1", sum);
	return faults->n > faults_before ? NULL : rubric;
}

char *
li_rubric_describe(const LiRubric *rubric)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < rubric->n; i++)
	{
		const LiCriterion *c = &rubric->criteria[i];

		appendStringInfo(&buf, "%s (%s): %s\n%s", c->key, c->title, c->description, c->levels);
	}
	if (buf.len > 0)
		buf.data[--buf.len] = '\0'; /* the last line end */
	return buf.data;
}

static json_t *
text_schema(int max_length)
{
	return json_pack("{s:s,s:i}", "type", "string", "maxLength", max_length);
}

static json_t *
list_schema(int max_items)
{
	return json_pack("{s:s,s:i,s:o}", "type", "array", "maxItems", max_items,
					 "items", text_schema(MAX_ITEM));
}

static json_t *
criterion_schema(bool fractions)
{
	return json_pack("{s:s,s:{s:o,s:o,s:{s:[s,s],s:i,s:i}},s:[s,s,s],s:b}",
					 "type", "object",
					 "properties",
					 "evidence", list_schema(MAX_QUOTES),
					 "justification", text_schema(MAX_TEXT),
					 "score", "type", fractions ? "number" : "integer", "null",
					 "minimum", 0, "maximum", 100,
					 "required", "evidence", "justification", "score",
					 "additionalProperties", 0);
}

char *
li_rubric_schema(const LiRubric *rubric, bool fractions)
{
	LiJson	   *criteria = li_json_new();
	LiJson	   *schema = li_json_new();
	char	   *text;

	criteria->root = json_pack("{s:s,s:{},s:[],s:b}", "type", "object", "properties",
							   "required", "additionalProperties", 0);
	for (int i = 0; i < rubric->n; i++)
	{
		json_object_set_new(json_object_get(criteria->root, "properties"),
							rubric->criteria[i].key, criterion_schema(fractions));
		json_array_append_new(json_object_get(criteria->root, "required"),
							  json_string(rubric->criteria[i].key));
	}
	schema->root =
		json_pack("{s:s,s:{s:O,s:o,s:o,s:o,s:{s:[s,s],s:i}},s:[s,s,s,s,s],s:b}",
				  "type", "object",
				  "properties",
				  "criteria", criteria->root,
				  "strengths", list_schema(MAX_ITEMS),
				  "development_areas", list_schema(MAX_ITEMS),
				  "summary", text_schema(MAX_TEXT),
				  "alternative_role", "type", "string", "null", "maxLength", MAX_ITEM,
				  "required", "criteria", "strengths", "development_areas", "summary",
				  "alternative_role",
				  "additionalProperties", 0);
	text = li_json_dump_compact(schema->root);
	li_json_free(schema);
	li_json_free(criteria);
	return text;
}
