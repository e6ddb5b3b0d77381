/*-------------------------------------------------------------------------
 * transforms.h
 *		The readings a mapping row can name: JSON value in, JSON value out.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_TRANSFORMS_H
#define LI_PROFILE_TRANSFORMS_H

#include <jansson.h>

#include "json.h"
#include "nodes/pg_list.h"

/* No identity is longer; a longer one could not be indexed. */
#define LI_MAX_ID_BYTES 1000

/*
 * Entries read of one list; those beyond it are skipped.  Careers have tens;
 * the bound keeps comparisons of lists, which are quadratic, below a second.
 */
#define LI_MAX_ENTRIES 1000

/* Where JSON text is nested in JSON text, how often it is opened. */
#define LI_MAX_UNWRAP 4

typedef struct LiTransform LiTransform;

/* One step of a mapping's transform: a reading and its argument. */
typedef struct LiReading
{
	const LiTransform *transform;
	const char *arg;			/* null: none */
} LiReading;

/* Values made while one payload is read; see li_own(). */
typedef LiJson LiPool;

extern LiPool *li_pool_new(void);
extern json_t *li_own(LiPool *pool, json_t *value);
extern json_t *li_empty_object(LiPool *pool);

extern List *li_transform_parse(const char *text, char **fault);
extern bool li_transform_gathers(List *readings);
extern const char *li_transform_flattens(List *readings);
extern json_t *li_transform_run(LiPool *pool, List *readings, json_t *value);
extern json_t *li_gather_texts(LiPool *pool, List *values);
extern json_t *li_gather_lines(LiPool *pool, List *values);

extern json_t *li_parse_any(LiPool *pool, const char *text);
extern json_t *li_unwrap(LiPool *pool, json_t *value);
extern json_t *li_read_text(LiPool *pool, json_t *value);
extern json_t *li_read_id(LiPool *pool, json_t *value);
extern json_t *li_read_count(LiPool *pool, json_t *value);
extern json_t *li_read_bool(LiPool *pool, json_t *value);
extern json_t *li_read_year(LiPool *pool, json_t *value);
extern json_t *li_read_month(LiPool *pool, json_t *value);

#endif
