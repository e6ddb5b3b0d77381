/*-------------------------------------------------------------------------
 * profile.h
 *		What this room offers its SQL functions: JSON texts in and out.
 *
 * Free of jansson, whose json_object() is also the name of a function that the
 * server's headers declare.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_H
#define LI_PROFILE_H

#include "nodes/pg_list.h"

/* All texts UTF-8. */
typedef struct LiReadPayload
{
	char	   *source;
	char	   *canonical;		/* JSON object */
	List	   *unmapped;		/* of text */
} LiReadPayload;

extern void li_read_payload(const char *payload, const char *source, LiReadPayload *result);
extern char *li_merge_canonical(const char *stored, const char *incoming,
								List *complete_lists, bool older);
extern char *li_mapping_fault(const char *target, List *paths, const char *transform);

#endif
