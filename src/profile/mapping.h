/*-------------------------------------------------------------------------
 * mapping.h
 *		Adapters: the rows that say how a provider's JSON is read.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_MAPPING_H
#define LI_PROFILE_MAPPING_H

#include <jansson.h>

#include "nodes/pg_list.h"

#include "profile/transforms.h"

typedef enum LiType
{
	LI_TYPE_META,				/* about the envelope: record, status, error */
	LI_TYPE_TEXT,
	LI_TYPE_ID,
	LI_TYPE_COUNT,
	LI_TYPE_BOOL,
	LI_TYPE_YEAR,
	LI_TYPE_MONTH,
	LI_TYPE_TEXTS,				/* list of texts */
	LI_TYPE_ENTRIES				/* list of objects, with targets of its own */
} LiType;

/* A place of the canonical form. */
typedef struct LiTarget
{
	const char *list;			/* the list it is in; null: the person itself */
	const char *key;
	LiType		type;
	bool		essential;		/* an entry needs one of its essential ones */
} LiTarget;

/* One row of source_mappings. */
typedef struct LiMapping
{
	const LiTarget *target;
	List	   *paths;			/* of LiPath */
	List	   *readings;		/* of LiReading */
	bool		required;
} LiMapping;

typedef struct LiPath
{
	const char *text;
	List	   *steps;
} LiPath;

typedef struct LiSource
{
	const char *name;
	List	   *fingerprints;	/* of lists of LiPath */
	List	   *ignored;		/* of text */
	List	   *mappings;		/* of LiMapping; see li_source_load_mappings() */
} LiSource;

extern const LiTarget *li_targets(int *count);
extern List *li_sources_load(LiPool *pool);
extern void li_source_load_mappings(LiPool *pool, LiSource *source);
extern LiSource *li_source_recognize(List *sources, json_t *root, char **closest);
extern LiMapping *li_source_mapping(LiSource *source, const char *list, const char *key);
extern List *li_mapping_values(LiMapping *mapping, json_t *base);
extern json_t *li_mapping_read(LiPool *pool, LiMapping *mapping, json_t *base);
extern List *li_source_unmapped(LiSource *source, json_t *record);

#endif
