/*-------------------------------------------------------------------------
 *
 * engine.h
 *		Claim, ask, record: one cycle, wherever it runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_ENGINE_H
#define LI_ENGINE_H

#include "worker/accounts.h"
#include "worker/queue.h"
#include "worker/shared_state.h"
#include "task.h"

typedef struct LiEngine LiEngine;

extern void li_engine_register(const LiTaskKind *kind);

extern LiEngine *li_engine_create(MemoryContext parent, const LiTxn *txn, LiSlot *slot);
extern void li_engine_destroy(LiEngine *engine);

extern void li_engine_poll_soon(LiEngine *engine);
extern void li_engine_set_limit(LiEngine *engine, int jobs);
extern int	li_engine_cycle(LiEngine *engine, uint32 wake);
extern void li_engine_wait(LiEngine *engine, int timeout_ms);
extern void li_engine_flush_notices(LiEngine *engine);
extern void li_engine_abort(LiEngine *engine);
extern bool li_engine_hand_back(LiEngine *engine);

extern int	li_engine_in_flight(const LiEngine *engine);
extern bool li_engine_is_calling(LiEngine *engine);
extern bool li_engine_is_unsettled(const LiEngine *engine);
extern int	li_engine_waiting(LiEngine *engine);
extern bool li_engine_is_idle(const LiEngine *engine);
extern const char *li_engine_pause_reason(const LiEngine *engine);

#endif							/* LI_ENGINE_H */
