/*-------------------------------------------------------------------------
 * path.h
 *		Paths into a provider's JSON.
 *-------------------------------------------------------------------------
 */
#ifndef LI_PROFILE_PATH_H
#define LI_PROFILE_PATH_H

#include <jansson.h>

#include "nodes/pg_list.h"

extern List *li_path_parse(const char *text, char **fault);
extern List *li_path_values(List *steps, json_t *base);
extern bool li_path_present(List *steps, json_t *base);
extern List *li_path_patterns(List *steps);

#endif
