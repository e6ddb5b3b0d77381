/*-------------------------------------------------------------------------
 *
 * engine_private.h
 *		What engine.c, claim.c and record.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_ENGINE_PRIVATE_H
#define LI_ENGINE_PRIVATE_H

#include "http/pool.h"
#include "lib/ilist.h"
#include "storage/latch.h"
#include "worker/engine.h"
#include "worker/work.h"

struct LiEngine
{
	MemoryContext cxt;			/* the engine's own */
	MemoryContext step;			/* reset after each step */
	const LiTxn *txn;
	LiSlot	   *slot;
	LiHttpPool *pool;
	WaitEventSet *wait;
	LiAccounts *accounts;		/* NULL: to be loaded */

	dlist_head	claimed;
	dlist_head	waiting;
	dlist_head	open;
	dlist_head	ended;
	dlist_head	errands;		/* of sessions; errand.c */
	int			in_flight;		/* jobs in the first four */
	int			capacity;		/* the most of them */
	int			limit;			/* jobs that may still be claimed; -1: any number */

	bool		unsettled;		/* committed, but the lists do not say so yet */
	bool		look;			/* look at the queue in this cycle */
	uint64		next_poll_ms;	/* monotonic */
	uint64		next_look_ms;	/* monotonic; 0: nothing known to come due */
	uint64		next_send_ms;	/* monotonic; 0: nothing waits to be sent */
	uint64		next_beat_ms;	/* of the table row */
	bool		has_row;		/* in "workers" */
	bool		blocks_restored;
	bool		config_changed; /* what is blocked is worth a try */
	int			endings_told_on;	/* day on which the models were looked at */
	char		pause_reason[LI_REASON_LEN];	/* empty: it runs */

	List	   *notices;		/* payloads to send */
	uint64		notices_due_ms;
};

extern const LiTaskKind *li_job_kind;

/* engine.c */
extern bool li_engine_begin(LiEngine *engine);
extern void li_engine_commit(LiEngine *engine);
extern ErrorData *li_engine_attempt(void (*step) (void *), void *arg);
extern bool li_engine_is_transient(const ErrorData *error);
extern void li_engine_add(LiEngine *engine, dlist_head *list, LiWork *work);
extern void li_engine_move(dlist_head *list, LiWork *work);
extern void li_engine_drop(LiEngine *engine, LiWork *work);
extern void li_engine_send(LiEngine *engine, LiWork *work);
extern void li_engine_take_off(LiEngine *engine, LiWork *work);
extern void li_engine_keep_notices(LiEngine *engine, List *payloads);

/* claim.c */
extern void li_engine_claim(LiEngine *engine, bool with_rescue);
extern void li_engine_beat(LiEngine *engine);

/* endings.c */
extern void li_engine_tell_endings(LiEngine *engine);

/* record.c */
extern void li_engine_record(LiEngine *engine);

#endif							/* LI_ENGINE_PRIVATE_H */
