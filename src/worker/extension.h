/*-------------------------------------------------------------------------
 *
 * extension.h
 *		Whether this database has the extension, and settings for its SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_EXTENSION_H
#define LI_EXTENSION_H

#include "utils/guc.h"

typedef enum LiExtension
{
	LI_EXTENSION_PRESENT,
	LI_EXTENSION_ABSENT,
	LI_EXTENSION_OTHER_VERSION
} LiExtension;

extern LiExtension li_extension_lock(void);
extern void li_engine_settings(GucAction action);
extern void li_engine_durable(void);

#endif							/* LI_EXTENSION_H */
