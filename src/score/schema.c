/*-------------------------------------------------------------------------
 *
 * schema.c
 *		The part of JSON Schema that answers are held to.
 *
 * Every answer with a fixed form is checked here, whoever wrote the schema: a
 * template's author, or rubric.c and compatibility.c.  Providers promise to
 * follow a strict schema, and servers without such a promise are many, so the
 * promise is never relied on.
 *
 * Recursion is bounded by LI_JSON_MAX_DEPTH, which li_json_parse() enforces.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "score/chars.h"
#include "score/schema.h"

static const char *const type_names[] = {
	"object", "array", "string", "number", "integer", "boolean", "null"
};

/* What a caller's schema may hold; "maxLength" is for our own schemas. */
static const char *const keywords[] = {
	"type", "properties", "required", "additionalProperties", "enum",
	"minimum", "maximum", "items", "minItems", "maxItems", "anyOf"
};

static bool
has_type(const json_t *value, const char *type)
{
	if (type == NULL)
		return false;
	if (strcmp(type, "integer") == 0)
		return json_is_integer(value) ||
			(json_is_real(value) && rint(json_real_value(value)) == json_real_value(value));
	if (strcmp(type, "number") == 0)
		return json_is_number(value);
	if (strcmp(type, "string") == 0)
		return json_is_string(value);
	if (strcmp(type, "object") == 0)
		return json_is_object(value);
	if (strcmp(type, "array") == 0)
		return json_is_array(value);
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(value);
	return strcmp(type, "null") == 0 && json_is_null(value);
}

static bool
has_one_type(const json_t *value, const json_t *type)
{
	size_t		index;
	json_t	   *one;

	if (type == NULL)
		return true;
	if (json_is_string(type))
		return has_type(value, json_string_value(type));
	json_array_foreach(type, index, one)
	{
		if (has_type(value, json_string_value(one)))
			return true;
	}
	return false;
}

static bool
is_required(const json_t *schema, const char *key)
{
	size_t		index;
	json_t	   *name;

	json_array_foreach(json_object_get(schema, "required"), index, name)
	{
		if (json_is_string(name) && strcmp(json_string_value(name), key) == 0)
			return true;
	}
	return false;
}

static bool accepts(const json_t *schema, const json_t *value, const char *at, char **path);

static bool
accepts_object(const json_t *schema, const json_t *value, const char *at, char **path)
{
	json_t	   *properties = json_object_get(schema, "properties");
	json_t	   *others = json_object_get(schema, "additionalProperties");
	const char *dot = *at != '\0' ? "." : "";
	const char *key;
	json_t	   *member;
	size_t		index;

	json_array_foreach(json_object_get(schema, "required"), index, member)
	{
		if (json_object_get(value, json_string_value(member)) == NULL)
		{
			*path = psprintf("%s%s%s", at, dot, json_string_value(member));
			return false;
		}
	}
	json_object_foreach(properties, key, member)
	{
		json_t	   *given = json_object_get(value, key);

		if (given == NULL || (json_is_null(given) && !is_required(schema, key)))
			continue;
		if (!accepts(member, given, psprintf("%s%s%s", at, dot, key), path))
			return false;
	}
	if (others == NULL || json_is_true(others))
		return true;
	json_object_foreach((json_t *) value, key, member)
	{
		if (json_object_get(properties, key) != NULL)
			continue;
		if (json_is_false(others) ||
			!accepts(others, member, psprintf("%s%s*", at, dot), path))
		{
			*path = pstrdup(at);
			return false;
		}
	}
	return true;
}

static bool
accepts_array(const json_t *schema, const json_t *value, const char *at, char **path)
{
	json_t	   *items = json_object_get(schema, "items");
	json_t	   *min = json_object_get(schema, "minItems");
	json_t	   *max = json_object_get(schema, "maxItems");
	size_t		n = json_array_size(value);
	size_t		index;
	json_t	   *item;

	if ((min != NULL && n < json_number_value(min)) ||
		(max != NULL && n > json_number_value(max)))
		return false;
	if (items == NULL)
		return true;
	json_array_foreach(value, index, item)
	{
		if (!accepts(items, item, psprintf("%s[%d]", at, (int) index), path))
			return false;
	}
	return true;
}

static bool
accepts(const json_t *schema, const json_t *value, const char *at, char **path)
{
	json_t	   *list;
	json_t	   *limit;
	json_t	   *one;
	size_t		index;

	*path = pstrdup(at);
	if (!has_one_type(value, json_object_get(schema, "type")))
		return false;

	list = json_object_get(schema, "enum");
	if (list != NULL)
	{
		bool		listed = false;

		json_array_foreach(list, index, one)
			listed |= json_equal(one, value) != 0;
		if (!listed)
			return false;
	}

	list = json_object_get(schema, "anyOf");
	if (list != NULL)
	{
		bool		accepted = false;

		json_array_foreach(list, index, one)
		{
			if (accepts(one, value, at, path))
			{
				accepted = true;
				break;
			}
		}
		if (!accepted)
			return false;
	}

	if (json_is_number(value))
	{
		limit = json_object_get(schema, "minimum");
		if (limit != NULL && json_number_value(value) < json_number_value(limit))
			return false;
		limit = json_object_get(schema, "maximum");
		if (limit != NULL && json_number_value(value) > json_number_value(limit))
			return false;
	}
	else if (json_is_string(value))
	{
		limit = json_object_get(schema, "maxLength");
		if (limit != NULL &&
			li_char_count(json_string_value(value), json_string_length(value)) >
			json_integer_value(limit))
			return false;
	}
	else if (json_is_object(value))
		return accepts_object(schema, value, at, path);
	else if (json_is_array(value))
		return accepts_array(schema, value, at, path);
	return true;
}

bool
li_schema_accepts(const json_t *schema, const json_t *value, char **path)
{
	return accepts(schema, value, "", path);
}

static void check(const json_t *schema, const char *at, LiFaults *faults);

#define FAULT(kind, format, ...) \
	li_fault(faults, "response_schema: " kind ": " format, __VA_ARGS__)

static void
check_type(const json_t *type, const char *at, LiFaults *faults)
{
	size_t		n = json_is_array(type) ? json_array_size(type) : 1;

	if (json_is_array(type) && n == 0)
		FAULT("bad_schema", "\"type\" at %s is empty", at);
	for (size_t i = 0; i < n; i++)
	{
		const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
		bool		known = false;

		for (int k = 0; name != NULL && k < lengthof(type_names); k++)
			known |= strcmp(name, type_names[k]) == 0;
		if (!known)
			FAULT("bad_schema", "\"type\" at %s is not a type of JSON", at);
	}
}

static void
check_object(const json_t *schema, const char *at, LiFaults *faults)
{
	json_t	   *properties = json_object_get(schema, "properties");
	json_t	   *required = json_object_get(schema, "required");
	json_t	   *others = json_object_get(schema, "additionalProperties");
	const char *key;
	json_t	   *member;
	size_t		index;

	if (properties != NULL && !json_is_object(properties))
		FAULT("bad_schema", "\"properties\" at %s is not an object", at);
	else
	{
		json_object_foreach(properties, key, member)
			check(member, psprintf("%s.%s", at, li_fault_quote(key)), faults);
	}
	if (required != NULL && !json_is_array(required))
		FAULT("bad_schema", "\"required\" at %s is not a list", at);
	json_array_foreach(required, index, member)
	{
		if (!json_is_string(member))
			FAULT("bad_schema", "\"required\" at %s holds something that is not a name", at);
		else if (json_object_get(properties, json_string_value(member)) == NULL)
			FAULT("bad_schema", "\"required\" at %s names \"%s\", which is no property",
				  at, li_fault_quote(json_string_value(member)));
	}
	if (json_is_object(others))
		check(others, psprintf("%s.*", at), faults);
	else if (others != NULL && !json_is_boolean(others))
		FAULT("bad_schema", "\"additionalProperties\" at %s is neither a boolean nor a schema", at);
}

static void
check(const json_t *schema, const char *at, LiFaults *faults)
{
	static const char *const numbers[] = {"minimum", "maximum", "minItems", "maxItems"};
	json_t	   *list;
	const char *key;
	json_t	   *member;
	size_t		index;

	if (!json_is_object(schema))
	{
		FAULT("bad_schema", "the schema at %s is not an object", at);
		return;
	}
	json_object_foreach((json_t *) schema, key, member)
	{
		bool		known = false;

		for (int i = 0; i < lengthof(keywords); i++)
			known |= strcmp(key, keywords[i]) == 0;
		if (!known)
			FAULT("unknown_keyword", "keyword \"%s\" at %s is not supported",
				  li_fault_quote(key), at);
	}
	if ((member = json_object_get(schema, "type")) != NULL)
		check_type(member, at, faults);
	for (int i = 0; i < lengthof(numbers); i++)
	{
		member = json_object_get(schema, numbers[i]);
		if (member != NULL && !(i < 2 ? json_is_number(member) :
								json_is_integer(member) && json_integer_value(member) >= 0))
			FAULT("bad_schema", "\"%s\" at %s is not a number it can be", numbers[i], at);
	}
	if ((list = json_object_get(schema, "enum")) != NULL &&
		(!json_is_array(list) || json_array_size(list) == 0))
		FAULT("bad_schema", "\"enum\" at %s is not a list of values", at);
	if ((list = json_object_get(schema, "anyOf")) != NULL)
	{
		if (!json_is_array(list) || json_array_size(list) == 0)
			FAULT("bad_schema", "\"anyOf\" at %s is not a list of schemas", at);
		else
		{
			json_array_foreach(list, index, member)
				check(member, psprintf("%s.anyOf[%d]", at, (int) index), faults);
		}
	}
	if ((member = json_object_get(schema, "items")) != NULL)
		check(member, psprintf("%s[]", at), faults);
	check_object(schema, at, faults);
}

void
li_schema_check(const json_t *schema, LiFaults *faults)
{
	const char *type = json_string_value(json_object_get(schema, "type"));

	if (!json_is_object(schema) || type == NULL || strcmp(type, "object") != 0)
	{
		li_fault(faults, "response_schema: bad_schema: the schema does not describe an object: its \"type\" must be \"object\"");
		return;
	}
	if (json_object_get(schema, "anyOf") != NULL)
		li_fault(faults, "response_schema: bad_schema: the outermost schema may not be an \"anyOf\"");
	check(schema, "the top", faults);
}

static bool
describes_object(const json_t *schema)
{
	json_t	   *type = json_object_get(schema, "type");
	size_t		index;
	json_t	   *one;

	if (json_object_get(schema, "properties") != NULL)
		return true;
	json_array_foreach(type, index, one)
	{
		if (strcmp(json_string_value(one), "object") == 0)
			return true;
	}
	return json_is_string(type) && strcmp(json_string_value(type), "object") == 0;
}

/*
 * Makes "schema", a copy of our own, strict; false when it lets an object have
 * members that it does not name.  Allocates with jansson alone.
 */
static bool
make_strict(json_t *schema)
{
	json_t	   *properties = json_object_get(schema, "properties");
	json_t	   *others = json_object_get(schema, "additionalProperties");
	json_t	   *items = json_object_get(schema, "items");
	json_t	   *required;
	const char *key;
	json_t	   *member;
	void	   *next;
	size_t		index;

	json_array_foreach(json_object_get(schema, "anyOf"), index, member)
	{
		if (!make_strict(member))
			return false;
	}
	if (items != NULL && !make_strict(items))
		return false;
	if (!describes_object(schema))
		return true;
	if (properties == NULL || (others != NULL && !json_is_false(others)))
		return false;

	json_object_foreach_safe(properties, next, key, member)
	{
		if (!make_strict(member))
			return false;
		if (!is_required(schema, key))
			json_object_set_new(properties, key,
								json_pack("{s:[O,{s:s}]}", "anyOf", member, "type", "null"));
	}
	required = json_array();
	json_object_foreach(properties, key, member)
		json_array_append_new(required, json_string(key));
	json_object_set_new(schema, "required", required);
	json_object_set_new(schema, "additionalProperties", json_false());
	return true;
}

char *
li_schema_strict(const json_t *schema)
{
	LiJson	   *copy = li_json_new();
	char	   *text = NULL;

	copy->root = json_deep_copy(schema);
	if (copy->root != NULL && make_strict(copy->root))
		text = li_json_dump_compact(copy->root);
	li_json_free(copy);
	return text;
}
