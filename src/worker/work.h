/*-------------------------------------------------------------------------
 *
 * work.h
 *		A claimed job on its way: question, calls, answers, record.
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

struct LiWork;

/*
 * All that is done under one claim.  A job that wants several samples has
 * several lines of calls; every other has one.  Lives in the claim's memory
 * context and goes with the last of its works.
 */
typedef struct LiRun
{
	LiClaim    *claim;
	LiAccounts *accounts;		/* a reference */
	LiProviderRow *provider;	/* NULL: no such provider */
	LiModelRow *model;			/* NULL: the model has no row */
	const LiTaskKind *kind;
	bool		probe;			/* it tries what is blocked */
	int			works;			/* that refer to this run */
	int			going;			/* lines of calls that have not come to an end */
	TimestampTz deferred_until; /* the latest time to which a call was deferred */
	bool		sent;			/* a call was made under this claim */
	bool		wasted;			/* an answer was paid for and is not kept: charged */
	bool		stop;			/* no further sample is begun under this claim */
	struct LiWork *last;		/* of those that are about to be recorded */

	/* per sample, 1 .. claim->job.samples */
	const char **parsed;		/* the valid answer; NULL: none (yet) */
	bool	   *begun;			/* under this claim, or answered before */
	LiOutcome  *ends;			/* how it ended under this claim; code NULL: OK */
	const char *request;		/* of the last good call */
	const char *reply;
} LiRun;

/* One line of calls: a call and what it leads to.  In the claim's context. */
typedef struct LiWork
{
	dlist_node	node;			/* in one of the engine's lists */
	LiRun	   *run;
	int			sample;			/* 1 .. */
	void	   *state;			/* the task's own */

	LiAsk		ask;
	LiHttpRequest request;
	LiHttpCall *call;			/* NULL: none in flight */
	LiCallRecord made;			/* the call in flight or just ended */
	bool		called;			/* "made" is a call, not just an intention */
	double		tokens;			/* reserved for the call in flight */
	double		cost;			/* USD, likewise, until its record is committed */
	bool		settled;		/* the cost of "made" counts in the budgets */
	uint64		waits_since_ms; /* monotonic; 0: it does not wait to be sent */
	uint64		next_try_ms;	/* monotonic; not before, when it does */
	bool		applied;		/* to the account what the call's end means for it */
	bool		answered;		/* without a call: from the cache or earlier samples */
	bool		cached;			/* from the cache */

	LiAnswer	answer;
	LiOutcome	outcome;
	LiResult	result;
	LiAsk		again;			/* the next question, after REASK and SHRINK */
	LiCallRecord next;			/* the call that follows */
	int			next_sample;	/* it is another sample's; 0: it is not */
} LiWork;

extern LiWork *li_work_create(LiClaim *claim, LiAccounts *accounts,
							  const LiTaskKind *kind, bool probe);
extern void li_work_open(LiWork *work);
extern int	li_work_samples_to_begin(const LiWork *work);
extern LiRecord *li_work_begin_sample(LiWork *work);
extern LiWork *li_work_fork(LiWork *work, int sample, const LiCallRecord *call);
extern void li_work_put_back(LiWork *work, const char *message);
extern bool li_work_is_again(const LiWork *work);
extern bool li_work_admit(LiWork *work, int64 *wait_ms, bool *whole_account);
extern bool li_work_send(LiWork *work, LiHttpPool *pool);
extern void li_work_judge(LiWork *work);
extern void li_work_end_early(LiWork *work);
extern LiRecord *li_work_record(LiWork *work);
extern void li_work_settle(LiWork *work);
extern void li_work_committed(LiWork *work);
extern void li_work_abort(LiWork *work);
extern void li_work_free(LiWork *work);

#endif							/* LI_WORK_H */
