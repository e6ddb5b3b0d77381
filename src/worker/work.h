/*-------------------------------------------------------------------------
 *
 * work.h
 *		A claimed job on its way: question, call, answer, record.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_WORK_H
#define LI_WORK_H

#include "http/pool.h"
#include "lib/ilist.h"
#include "task.h"
#include "worker/accounts.h"
#include "worker/queue.h"

/* Lives in the claim's memory context. */
typedef struct LiWork
{
	dlist_node	node;			/* in one of the engine's lists */
	LiClaim    *claim;
	LiAccounts *accounts;		/* a reference */
	LiProviderRow *provider;	/* NULL: no such provider */
	LiModelRow *model;			/* NULL: the model has no row */
	const LiTaskKind *kind;
	void	   *state;			/* the task's own */
	bool		probe;			/* it tries what is blocked */

	LiAsk		ask;
	LiHttpRequest request;
	LiHttpCall *call;			/* NULL: none in flight */
	LiCallRecord made;			/* the call in flight or just ended */
	bool		called;			/* "made" is a call, not just an intention */

	LiAnswer	answer;
	LiOutcome	outcome;
	LiResult	result;
	LiAsk		again;			/* the next question, after REASK and SHRINK */
	LiCallRecord next;
} LiWork;

extern LiWork *li_work_create(LiClaim *claim, LiAccounts *accounts,
							  const LiTaskKind *kind, bool probe);
extern void li_work_open(LiWork *work);
extern bool li_work_send(LiWork *work, LiHttpPool *pool);
extern void li_work_judge(LiWork *work);
extern LiRecord *li_work_record(LiWork *work);
extern void li_work_settle(LiWork *work);
extern void li_work_abort(LiWork *work);
extern void li_work_free(LiWork *work);

#endif							/* LI_WORK_H */
