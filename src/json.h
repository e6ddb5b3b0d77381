/*-------------------------------------------------------------------------
 *
 * json.h
 *		Reading and writing JSON that comes from outside.
 *
 * A leaf that every room may use.  See json.c for why trees have an owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_JSON_H
#define LI_JSON_H

#include <jansson.h>

/* What a text may hold at most; beyond it is LI_JSON_LIMIT. */
#define LI_JSON_MAX_DEPTH 32 /* the root is level 1 */
#define LI_JSON_MAX_VALUES 100000 /* values of any type, the root included */
#define LI_JSON_MAX_KEY 1024 /* bytes of one member name */

typedef enum LiJsonFault
{
	LI_JSON_OK,
	LI_JSON_SYNTAX,				/* not JSON, or not JSON that jsonb accepts */
	LI_JSON_LIMIT,				/* too deep, too many values, too long a name */
	LI_JSON_MEMORY
} LiJsonFault;

typedef struct LiJsonError
{
	LiJsonFault fault;
	const char *message;		/* static; never quotes the text */
	int			position;		/* byte where reading stopped; -1: not known */
} LiJsonError;

/* The owner of a tree: "root" goes when the holder is freed. */
typedef struct LiJson
{
	json_t	   *root;			/* NULL: none (any more) */
} LiJson;

/*
 * An empty holder in the current memory context, for a tree that is about to
 * be built: make the holder first, then put each new root into it at once.
 */
extern LiJson *li_json_new(void);

/*
 * Reads one JSON object or array; duplicate names, \u0000, lone surrogates,
 * numbers that do not fit, bad UTF-8 and trailing text are faults.  Returns
 * NULL with *error filled ("error" may be NULL).  "text" needs no final NUL.
 */
extern LiJson *li_json_parse(const char *text, size_t len, LiJsonError *error);

/* Releases the tree now rather than with the memory context; NULL is fine. */
extern void li_json_free(LiJson *json);

/*
 * The tree as compact text that jsonb accepts, in the current memory context,
 * members in the order in which they were read or set.  Numbers with a
 * fraction keep 15 digits, so that 87.35 stays 87.35.  NULL: out of memory,
 * or the tree is not one that can be written (a cycle).
 */
extern char *li_json_dump_compact(const json_t *value);

#endif /* LI_JSON_H */
