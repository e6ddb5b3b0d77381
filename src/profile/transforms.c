/*-------------------------------------------------------------------------
 * transforms.c
 *		The readings a mapping row can name: JSON value in, JSON value out.
 *
 * A transform never fails: what it cannot read is absent (NULL), because one
 * odd field must not cost a person.  Every value made here belongs to the
 * call's pool, so that a longjmp anywhere leaks nothing and callers need not
 * count references.
 *
 * Duplicate keys in JSON text inside a payload: the last one wins, as it does
 * in jsonb, where the payload itself comes from.  A provider's slip of that
 * kind is no attack on anything: the payload is data to be read either way.
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>
#include <string.h>

#include "nodes/pg_list.h"

#include "profile/dates.h"
#include "profile/text.h"
#include "profile/transforms.h"
#include "profile/url.h"

/* Up to here a double prints as it was written. */
#define MAX_EXACT 1e15

struct LiTransform
{
	const char *name;
	json_t	   *(*read) (LiPool *pool, json_t *value, const char *arg);

	/*
	 * What the argument may be: null when there is none, "" for any text, else
	 * the words allowed.  A word "-" says that it may be left out.
	 */
	const char *args;
	bool		gathers;		/* takes all values of all paths */
};

/* An empty pool, released with the current memory context. */
LiPool *
li_pool_new(void)
{
	LiPool	   *pool = li_json_new();

	pool->root = json_array();
	if (pool->root == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return pool;
}

/*
 * Gives a new reference to the pool and returns the value, which lives as long
 * as the pool.  jansson answers NULL for want of memory only: the texts given
 * to it here are valid UTF-8.
 */
json_t *
li_own(LiPool *pool, json_t *value)
{
	if (json_array_append_new(pool->root, value) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return value;
}

/*
 * A new object.  Not by json_object(): the server has a function of that name,
 * and in its process the call would reach that one.
 */
json_t *
li_empty_object(LiPool *pool)
{
	return li_own(pool, json_pack("{}"));
}

static void
append(json_t *list, json_t *value)
{
	if (json_array_append(list, value) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static json_t *
own_text(LiPool *pool, const char *text)
{
	return text ? li_own(pool, json_string(text)) : NULL;
}

static json_t *
own_integer(LiPool *pool, int value)
{
	return value > 0 ? li_own(pool, json_integer(value)) : NULL;
}

/*
 * Any JSON value from UTF-8 text, or NULL when it is none.  A number that does
 * not fit loses digits, or becomes null, rather than cost the payload.
 */
json_t *
li_parse_any(LiPool *pool, const char *text)
{
	char	   *json = li_json_drop_bad_escapes(text);
	json_error_t error;
	json_t	   *value = json_loads(json, JSON_DECODE_ANY, &error);

	if (value == NULL && json_error_code(&error) == json_error_numeric_overflow)
		value = json_loads(li_json_drop_huge_numbers(json),
						   JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
	return value ? li_own(pool, value) : NULL;
}

/*
 * Opens what providers wrap records in: JSON text, JSON text in a code fence,
 * an array whose first element counts.  Returns what is inside, or NULL for a
 * null or a text that is no JSON object or array.
 */
json_t *
li_unwrap(LiPool *pool, json_t *value)
{
	for (int level = 0; level <= LI_MAX_UNWRAP; level++)
	{
		if (json_is_array(value))
			value = json_array_get(value, 0);
		else if (json_is_string(value))
			value = li_parse_any(pool, li_text_unfence(json_string_value(value)));
		else
			break;
	}
	return json_is_object(value) ? value : NULL;
}

/*
 * Text, trimmed; a number becomes text, unless it may have lost digits; NULL
 * when nothing is left.
 */
json_t *
li_read_text(LiPool *pool, json_t *value)
{
	char	   *text;

	if (json_is_integer(value))
		return own_text(pool, psprintf("%lld", (long long) json_integer_value(value)));
	if (json_is_real(value) && fabs(json_real_value(value)) < MAX_EXACT)
		return own_text(pool, psprintf("%.15g", json_real_value(value)));
	if (!json_is_string(value))
		return NULL;
	text = li_text_trim(json_string_value(value));
	if (text && strcmp(text, json_string_value(value)) == 0)
		return value;
	return own_text(pool, text);
}

/* Text that can identify: not longer than an index takes. */
json_t *
li_read_id(LiPool *pool, json_t *value)
{
	json_t	   *text = li_read_text(pool, value);

	return text && json_string_length(text) <= LI_MAX_ID_BYTES ? text : NULL;
}

/*
 * A count: 12, "12", "1,234", "500+".  Negative ones, and those beyond an
 * int4, are not counts.
 */
json_t *
li_read_count(LiPool *pool, json_t *value)
{
	const char *p;
	char	   *text;
	int64		total = 0;
	int			group = 0;
	bool		grouped = false;

	if (json_is_number(value))
	{
		double		number = json_number_value(value);

		if (!(number >= 0 && number <= PG_INT32_MAX))
			return NULL;
		return li_own(pool, json_integer((json_int_t) number));
	}
	if (!json_is_string(value))
		return NULL;
	text = li_text_trim(json_string_value(value));
	if (text == NULL)
		return NULL;
	for (p = text; *p >= '0' && *p <= '9'; p++)
	{
		total = total * 10 + (*p - '0');
		group++;
		if (total > PG_INT32_MAX || (grouped && group > 3))
			return NULL;
		if (p[1] == ',')
		{
			/* groups are of three, but for the first */
			if (grouped ? group != 3 : group > 3)
				return NULL;
			grouped = true;
			group = 0;
			p++;
		}
	}
	if (group == 0 || (grouped && group != 3))
		return NULL;
	if (*p == '+')
		p++;
	return *p == '\0' ? li_own(pool, json_integer(total)) : NULL;
}

json_t *
li_read_bool(LiPool *pool, json_t *value)
{
	static const char *const words[] = {"false", "true", "no", "yes", "f", "t", "n", "y", "0", "1"};
	json_t	   *text;

	if (json_is_boolean(value))
		return value;
	text = li_read_text(pool, value);
	for (int i = 0; text && i < lengthof(words); i++)
	{
		if (pg_strcasecmp(json_string_value(text), words[i]) == 0)
			return li_own(pool, json_boolean(i % 2));
	}
	return NULL;
}

json_t *
li_read_year(LiPool *pool, json_t *value)
{
	json_t	   *text = li_read_text(pool, value);

	return text ? own_integer(pool, li_year_any(json_string_value(text))) : NULL;
}

json_t *
li_read_month(LiPool *pool, json_t *value)
{
	json_t	   *text = li_read_text(pool, value);

	return text ? own_integer(pool, li_month_any(json_string_value(text))) : NULL;
}

/* Adds the texts within a value: a text, or a list of them. */
static void
add_texts(LiPool *pool, json_t *list, json_t *value, bool distinct)
{
	json_t	   *text;
	size_t		i;
	json_t	   *item;

	if (json_is_array(value))
	{
		json_array_foreach(value, i, item)
			if (!json_is_array(item))
				add_texts(pool, list, item, distinct);
		return;
	}
	text = li_read_text(pool, value);
	if (text == NULL || json_array_size(list) >= LI_MAX_ENTRIES)
		return;
	if (distinct)
	{
		json_array_foreach(list, i, item)
			if (li_utf8_equal_caseless(json_string_value(item), json_string_value(text)))
				return;
	}
	append(list, text);
}

/* All texts of all values in order, repeats (in any case) left out. */
json_t *
li_gather_texts(LiPool *pool, List *values)
{
	json_t	   *list = li_own(pool, json_array());
	ListCell   *lc;

	foreach(lc, values)
		add_texts(pool, list, lfirst(lc), true);
	return json_array_size(list) > 0 ? list : NULL;
}

/* All texts of all values as one text, a line each. */
json_t *
li_gather_lines(LiPool *pool, List *values)
{
	json_t	   *list = li_own(pool, json_array());
	StringInfoData buf;
	ListCell   *lc;
	size_t		i;
	json_t	   *item;

	foreach(lc, values)
		add_texts(pool, list, lfirst(lc), false);
	initStringInfo(&buf);
	json_array_foreach(list, i, item)
		appendStringInfo(&buf, "%s%s", i > 0 ? "\n" : "", json_string_value(item));
	return buf.len > 0 ? own_text(pool, buf.data) : NULL;
}

/* The transforms themselves, as the table at the end names them. */

static json_t *
read_text(LiPool *pool, json_t *value, const char *arg)
{
	return li_read_text(pool, value);
}

static json_t *
read_count(LiPool *pool, json_t *value, const char *arg)
{
	return li_read_count(pool, value);
}

static json_t *
read_bool(LiPool *pool, json_t *value, const char *arg)
{
	return li_read_bool(pool, value);
}

static json_t *
read_year(LiPool *pool, json_t *value, const char *arg)
{
	return li_read_year(pool, value);
}

static json_t *
read_month(LiPool *pool, json_t *value, const char *arg)
{
	return li_read_month(pool, value);
}

static json_t *
keep(LiPool *pool, json_t *value, const char *arg)
{
	return value;
}

static json_t *
read_partial_iso(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *text = li_read_text(pool, value);
	LiPartialDate date;

	if (text == NULL || !li_partial_iso(json_string_value(text), &date))
		return NULL;
	return own_integer(pool, strcmp(arg, "year") == 0 ? date.year : date.month);
}

static json_t *
read_ymd_object(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *part = json_object_get(value, arg);

	return strcmp(arg, "year") == 0 ? li_read_year(pool, part) : li_read_month(pool, part);
}

static json_t *
read_date_caption(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *text = li_read_text(pool, value);
	LiDateRange range;

	if (text == NULL || !li_date_caption(json_string_value(text), &range))
		return NULL;
	if (strcmp(arg, "start_year") == 0)
		return own_integer(pool, range.start.year);
	if (strcmp(arg, "start_month") == 0)
		return own_integer(pool, range.start.month);
	if (strcmp(arg, "end_year") == 0)
		return own_integer(pool, range.end.year);
	if (strcmp(arg, "end_month") == 0)
		return own_integer(pool, range.end.month);
	if (strcmp(arg, "is_current") == 0)
		return li_own(pool, json_boolean(range.ongoing));
	return own_text(pool, range.duration);
}

static json_t *
read_timestamp(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *text = li_read_text(pool, value);

	return text ? own_text(pool, li_timestamp(json_string_value(text))) : NULL;
}

static json_t *
split(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *list;
	char	   *part;

	if (!json_is_string(value))
		return json_is_array(value) ? value : NULL;
	list = li_own(pool, json_array());
	part = pstrdup(json_string_value(value));
	while (part)
	{
		char	   *end = strstr(part, arg);
		char	   *text;

		if (end)
			*end = '\0';
		text = li_text_trim(part);
		if (text)
			append(list, own_text(pool, text));
		part = end ? end + strlen(arg) : NULL;
	}
	return list;
}

static json_t *
open_json(LiPool *pool, json_t *value, const char *arg)
{
	for (int level = 0; level <= LI_MAX_UNWRAP && json_is_string(value); level++)
		value = li_parse_any(pool, li_text_unfence(json_string_value(value)));
	return json_is_string(value) ? NULL : value;
}

static json_t *
strip_fence(LiPool *pool, json_t *value, const char *arg)
{
	return json_is_string(value) ?
		own_text(pool, li_text_unfence(json_string_value(value))) : value;
}

static json_t *
bool_as_absent(LiPool *pool, json_t *value, const char *arg)
{
	return json_is_boolean(value) ? NULL : value;
}

static json_t *
null_string_as_absent(LiPool *pool, json_t *value, const char *arg)
{
	static const char *const words[] = {"null", "none", "nil", "n/a", "undefined"};
	char	   *text = json_is_string(value) ? li_text_trim(json_string_value(value)) : NULL;

	for (int i = 0; text && i < lengthof(words); i++)
	{
		if (pg_strcasecmp(text, words[i]) == 0)
			return NULL;
	}
	return value;
}

/*
 * Several roles at one employer, nested: each element's list "arg" becomes
 * elements of its own, which inherit what they do not say from around them.
 */
static json_t *
flatten_positions(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *flat;
	json_t	   *outer;
	size_t		i;

	if (json_is_object(value))
	{
		json_t	   *list = li_own(pool, json_array());

		append(list, value);
		value = list;
	}
	if (!json_is_array(value))
		return NULL;

	flat = li_own(pool, json_array());
	json_array_foreach(value, i, outer)
	{
		json_t	   *inner = json_object_get(outer, arg);
		json_t	   *position;
		size_t		j;

		if (json_array_size(inner) == 0)
		{
			append(flat, outer);
			continue;
		}
		json_array_foreach(inner, j, position)
		{
			json_t	   *merged = li_own(pool, json_copy(outer));
			const char *key;
			json_t	   *field;

			json_object_del(merged, arg);
			json_object_foreach(position, key, field)
				if (!json_is_null(field))
					json_object_set(merged, key, field);
			append(flat, merged);
		}
	}
	return flat;
}

static json_t *
read_url(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *text = li_read_text(pool, value);
	LiUrl		url;
	bool		wanted;

	if (text == NULL)
		return NULL;
	url = li_url_parse(json_string_value(text));

	/* universities employ people under their school page */
	if (arg && strcmp(arg, "organization") == 0)
		wanted = url.kind == LI_URL_COMPANY || url.kind == LI_URL_SCHOOL;
	else
		wanted = url.kind == LI_URL_PERSON;
	return wanted ? own_text(pool, url.normalized) : NULL;
}

static json_t *
read_public_id(LiPool *pool, json_t *value, const char *arg)
{
	json_t	   *text = li_read_text(pool, value);

	return text ? own_text(pool, li_public_id(json_string_value(text))) : NULL;
}

static const LiTransform transforms[] = {
	{"text", read_text},
	{"int_any", read_count},
	{"bool_any", read_bool},
	{"year_any", read_year},
	{"month_any", read_month},
	{"partial_iso", read_partial_iso, "year month"},
	{"ymd_object", read_ymd_object, "year month"},
	{"date_caption", read_date_caption,
	"start_year start_month end_year end_month is_current duration"},
	{"timestamp", read_timestamp},
	{"split", split, ""},
	{"texts", keep, NULL, true},
	{"lines", keep, NULL, true},
	{"json_in_string", open_json},
	{"strip_fence", strip_fence},
	{"bool_as_absent", bool_as_absent},
	{"null_string_as_absent", null_string_as_absent},
	{"flatten_positions", flatten_positions, ""},
	{"url", read_url, "person organization -"},
	{"public_id", read_public_id},
};

static const LiTransform *
find_transform(const char *name)
{
	for (int i = 0; i < lengthof(transforms); i++)
	{
		if (strcmp(transforms[i].name, name) == 0)
			return &transforms[i];
	}
	return NULL;
}

static bool
arg_allowed(const char *allowed, const char *arg)
{
	if (allowed == NULL)
		return arg == NULL;
	if (allowed[0] == '\0')
		return arg != NULL && arg[0] != '\0';
	if (arg && strchr(arg, ' '))
		return false;
	return strstr(psprintf(" %s ", allowed), psprintf(" %s ", arg ? arg : "-")) != NULL;
}

/*
 * Reads "name", "name(argument)" or several of them parted by spaces, applied
 * from left to right.  Returns a list of LiReading, or NIL with *fault set to
 * a sentence (no final stop) that says what is wrong.
 */
List *
li_transform_parse(const char *text, char **fault)
{
	List	   *readings = NIL;
	const char *p = text + strspn(text, " ");

	*fault = NULL;
	while (*p)
	{
		size_t		len = strcspn(p, " (");
		char	   *name = pnstrdup(p, len);
		LiReading  *reading = palloc0(sizeof(LiReading));

		p += len;
		reading->transform = find_transform(name);
		if (reading->transform == NULL)
			*fault = psprintf("there is no transform \"%s\"", name);
		else if (*p == '(')
		{
			const char *close = strchr(p, ')');

			if (close == NULL)
				*fault = psprintf("the argument of \"%s\" does not end", name);
			else
			{
				reading->arg = pnstrdup(p + 1, close - p - 1);
				p = close + 1;
			}
		}
		if (*fault == NULL && !arg_allowed(reading->transform->args, reading->arg))
			*fault = psprintf("transform \"%s\" does not take this argument", name);
		if (*fault == NULL && readings != NIL && li_transform_gathers(readings))
			*fault = psprintf("transform \"%s\" must not follow one that gathers", name);
		if (*fault)
			return NIL;
		readings = lappend(readings, reading);
		p += strspn(p, " ");
	}
	if (readings == NIL)
		*fault = pstrdup("it names no transform");
	return readings;
}

/* Whether the last step takes all values of all paths. */
bool
li_transform_gathers(List *readings)
{
	return ((LiReading *) llast(readings))->transform->gathers;
}

/* The key whose nested list is flattened, or null. */
const char *
li_transform_flattens(List *readings)
{
	ListCell   *lc;

	foreach(lc, readings)
	{
		LiReading  *reading = lfirst(lc);

		if (reading->transform->read == flatten_positions)
			return reading->arg;
	}
	return NULL;
}

/* Applies the steps; NULL when one of them finds nothing. */
json_t *
li_transform_run(LiPool *pool, List *readings, json_t *value)
{
	ListCell   *lc;

	foreach(lc, readings)
	{
		LiReading  *reading = lfirst(lc);

		if (value == NULL || json_is_null(value))
			return NULL;
		value = reading->transform->read(pool, value, reading->arg);
	}
	return json_is_null(value) ? NULL : value;
}
