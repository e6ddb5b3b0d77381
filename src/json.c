/*-------------------------------------------------------------------------
 *
 * json.c
 *		Reading and writing JSON that comes from outside.
 *
 * jansson reads before PostgreSQL does: \u0000, a lone surrogate or 1e130000
 * met by jsonb inside the statement that records an answer would abort the
 * whole batch and repeat calls that were paid for.
 *
 * A jansson tree is malloc'd memory, and in the server any palloc may leave by
 * longjmp.  So each tree sits in a holder that is allocated, and registered
 * with its memory context, before the tree exists; whatever happens, the
 * context's end releases it.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "json.h"

#ifndef FRONTEND
#include "utils/memutils.h"
#endif

#ifndef FRONTEND
/* LiJson comes first: the callers' pointer is the holder's. */
typedef struct Holder
{
	LiJson		json;
	MemoryContextCallback callback;
} Holder;

static void
release_tree(void *arg)
{
	LiJson	   *json = arg;

	json_decref(json->root);
	json->root = NULL;
}
#endif

LiJson *
li_json_new(void)
{
#ifdef FRONTEND
	return palloc0(sizeof(LiJson));
#else
	Holder	   *holder = palloc0(sizeof(Holder));

	holder->callback.func = release_tree;
	holder->callback.arg = &holder->json;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &holder->callback);
	return &holder->json;
#endif
}

void
li_json_free(LiJson *json)
{
	if (json == NULL)
		return;
	json_decref(json->root);
	json->root = NULL;
#ifdef FRONTEND
	pfree(json);
#endif
	/* the server's holder stays: a reset callback cannot be taken back */
}

/*
 * Counts the values below and including "value"; false when one of the limits
 * is passed.  The recursion is bounded by LI_JSON_MAX_DEPTH.
 */
static bool
within_limits(json_t *value, int depth, int *values, const char **message)
{
	if (depth > LI_JSON_MAX_DEPTH)
	{
		*message = "nested too deeply";
		return false;
	}
	if (++*values > LI_JSON_MAX_VALUES)
	{
		*message = "too many values";
		return false;
	}

	if (json_is_object(value))
	{
		const char *key;
		json_t	   *member;

		json_object_foreach (value, key, member)
		{
			if (strlen(key) > LI_JSON_MAX_KEY)
			{
				*message = "a member name is too long";
				return false;
			}
			if (!within_limits(member, depth + 1, values, message))
				return false;
		}
	}
	else if (json_is_array(value))
	{
		size_t		index;
		json_t	   *element;

		json_array_foreach (value, index, element)
		{
			if (!within_limits(element, depth + 1, values, message))
				return false;
		}
	}
	return true;
}

/* jansson's own text quotes the input, which may be a person's data. */
static void
describe_fault(const json_error_t *jerror, LiJsonError *error)
{
	error->fault = LI_JSON_SYNTAX;
	error->position = jerror->position;

	switch (json_error_code(jerror))
	{
		case json_error_out_of_memory:
			error->fault = LI_JSON_MEMORY;
			error->message = "out of memory";
			break;
		case json_error_stack_overflow:
			error->fault = LI_JSON_LIMIT;
			error->message = "nested too deeply";
			break;
		case json_error_invalid_utf8:
			error->message = "invalid UTF-8";
			break;
		case json_error_premature_end_of_input:
			error->message = "ends too early";
			break;
		case json_error_end_of_input_expected:
			error->message = "text after the end of the value";
			break;
		case json_error_null_character:
		case json_error_null_byte_in_key:
			error->message = "holds a NUL character";
			break;
		case json_error_duplicate_key:
			error->message = "a member name occurs twice";
			break;
		case json_error_numeric_overflow:
			error->message = "a number is too large";
			break;
		default:
			error->message = "syntax error";
			break;
	}
}

LiJson *
li_json_parse(const char *text, size_t len, LiJsonError *error)
{
	LiJson	   *json = li_json_new();
	LiJsonError ignored;
	json_error_t jerror;
	int			values = 0;

	if (error == NULL)
		error = &ignored;
	error->fault = LI_JSON_OK;
	error->message = "";
	error->position = -1;

	json->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &jerror);
	if (json->root == NULL)
	{
		describe_fault(&jerror, error);
		li_json_free(json);
		return NULL;
	}
	if (!within_limits(json->root, 1, &values, &error->message))
	{
		error->fault = LI_JSON_LIMIT;
		li_json_free(json);
		return NULL;
	}
	return json;
}

char *
li_json_dump_compact(const json_t *value)
{
	char	   *text;
	char	   *copy;
	size_t		len;

	text = json_dumps(value,
					  JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	if (text == NULL)
		return NULL;

	/* nothing may throw while the malloc'd text is ours alone */
	len = strlen(text);
	copy = palloc_extended(len + 1, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
	if (copy != NULL)
		memcpy(copy, text, len + 1);
	free(text);
	return copy;
}
