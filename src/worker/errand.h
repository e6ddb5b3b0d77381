/*-------------------------------------------------------------------------
 *
 * errand.h
 *		A session asks a provider for its models, through the worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_ERRAND_H
#define LI_ERRAND_H

#include "http/pool.h"
#include "worker/engine.h"

extern void li_errand_init(void);

/* The worker's side; none of them needs or leaves a transaction. */
extern void li_errands_run(LiEngine *engine);
extern bool li_errand_answered(LiEngine *engine, LiHttpCall *call);
extern void li_errands_drop(LiEngine *engine);

#endif							/* LI_ERRAND_H */
