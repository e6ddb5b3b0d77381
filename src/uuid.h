/*-------------------------------------------------------------------------
 *
 * uuid.h
 *		Time-ordered ids.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_UUID_H
#define LI_UUID_H

#include "utils/uuid.h"

extern void li_uuid_random(pg_uuid_t *uuid);

#endif							/* LI_UUID_H */
