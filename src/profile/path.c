/*-------------------------------------------------------------------------
 * path.c
 *		Paths into a provider's JSON.
 *
 * A path is keys parted by dots; after a key may stand [*] (every element),
 * [2] (one element, from 0) or [key=text] (the elements whose key has that
 * text, in any case).  "$" alone is the value itself.  Providers send one
 * object where others send a list of one, so the brackets take an object for
 * a list of itself.
 *
 * This is less than SQL/JSON paths, on purpose: a row of source_mappings must
 * be read at a glance, and the paths a payload has but no mapping names can
 * only be found when paths are this plain.
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "nodes/pg_list.h"

#include "profile/path.h"
#include "profile/text.h"

typedef enum StepKind
{
	STEP_KEY,
	STEP_ALL,
	STEP_INDEX,
	STEP_WHERE
} StepKind;

typedef struct Step
{
	StepKind	kind;
	char	   *key;			/* of KEY and WHERE */
	char	   *value;			/* of WHERE */
	int			index;			/* of INDEX */
} Step;

/* Reads what stands in brackets. */
static Step *
bracket_step(char *inside, char **fault)
{
	Step	   *step = palloc0(sizeof(Step));
	char	   *equals = strchr(inside, '=');

	if (strcmp(inside, "*") == 0)
		step->kind = STEP_ALL;
	else if (equals && equals > inside)
	{
		step->kind = STEP_WHERE;
		step->key = pnstrdup(inside, equals - inside);
		step->value = pstrdup(equals + 1);
	}
	else if (inside[0] != '\0' && strlen(inside) <= 4 &&
			 strspn(inside, "0123456789") == strlen(inside))
	{
		step->kind = STEP_INDEX;
		step->index = atoi(inside);
	}
	else
		*fault = psprintf("[%s] is neither [*], [number] nor [key=text]", inside);
	return step;
}

/*
 * Reads a path.  The steps are palloc'd; *fault is null, or a sentence (no
 * final stop) that says what is wrong.
 */
List *
li_path_parse(const char *text, char **fault)
{
	List	   *steps = NIL;
	const char *p = text;

	*fault = NULL;
	if (strcmp(text, "$") == 0)
		return NIL;
	for (;;)
	{
		size_t		len = strcspn(p, ".[");
		Step	   *step;

		if (len == 0)
		{
			*fault = psprintf("path \"%s\" has an empty key", text);
			return NIL;
		}
		step = palloc0(sizeof(Step));
		step->kind = STEP_KEY;
		step->key = pnstrdup(p, len);
		steps = lappend(steps, step);
		p += len;
		while (*p == '[')
		{
			const char *close = strchr(p, ']');

			if (close == NULL)
			{
				*fault = psprintf("path \"%s\" has an open bracket", text);
				return NIL;
			}
			steps = lappend(steps, bracket_step(pnstrdup(p + 1, close - p - 1), fault));
			if (*fault)
				return NIL;
			p = close + 1;
		}
		if (*p == '\0')
			return steps;
		if (*p != '.')
		{
			*fault = psprintf("path \"%s\" needs a dot after a bracket", text);
			return NIL;
		}
		p++;
	}
}

static bool
element_matches(Step *step, json_t *element)
{
	const char *value = json_string_value(json_object_get(element, step->key));

	return value && li_utf8_equal_caseless(value, step->value);
}

static void
collect(json_t *value, List *steps, int at, List **found)
{
	Step	   *step;
	size_t		i;
	json_t	   *element;

	if (value == NULL || json_is_null(value))
		return;
	if (at == list_length(steps))
	{
		*found = lappend(*found, value);
		return;
	}
	step = list_nth(steps, at);
	if (step->kind == STEP_KEY)
		collect(json_object_get(value, step->key), steps, at + 1, found);
	else if (json_is_object(value))
	{
		if (step->kind == STEP_ALL || (step->kind == STEP_INDEX && step->index == 0) ||
			(step->kind == STEP_WHERE && element_matches(step, value)))
			collect(value, steps, at + 1, found);
	}
	else if (step->kind == STEP_INDEX)
		collect(json_array_get(value, step->index), steps, at + 1, found);
	else
	{
		json_array_foreach(value, i, element)
			if (step->kind == STEP_ALL || element_matches(step, element))
				collect(element, steps, at + 1, found);
	}
}

/* The values at the path, in order, nulls left out; borrowed from base. */
List *
li_path_values(List *steps, json_t *base)
{
	List	   *found = NIL;

	collect(base, steps, 0, &found);
	return found;
}

bool
li_path_present(List *steps, json_t *base)
{
	return li_path_values(steps, base) != NIL;
}

/*
 * The path as it is compared with those of a payload, every bracket written
 * [*]; and the keys its brackets look at.
 */
List *
li_path_patterns(List *steps)
{
	List	   *patterns = NIL;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, steps)
	{
		Step	   *step = lfirst(lc);

		if (step->kind == STEP_KEY)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? "." : "", step->key);
		else
			appendStringInfoString(&buf, "[*]");
		if (step->kind == STEP_WHERE)
			patterns = lappend(patterns, psprintf("%s.%s", buf.data, step->key));
	}
	return lappend(patterns, buf.data);
}
