/*-------------------------------------------------------------------------
 *
 * queue.h
 *		The job tables, as the engine sees them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_QUEUE_H
#define LI_QUEUE_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/uuid.h"

#include "task.h"

/*
 * How the engine begins and ends a transaction: a background worker starts its
 * own, a procedure lives in the caller's.  begin() leaves SPI connected and a
 * snapshot active; false when there is nothing to work on (the transaction is
 * then already ended).
 */
typedef struct LiTxn
{
	bool		(*begin) (void);
	void		(*commit) (void);
} LiTxn;

/* One (lane, priority) with pending jobs. */
typedef struct LiLane
{
	const char *lane;
	int			priority;
	TimestampTz first_run_at;	/* of its first job; infinity: all wait */
	const char *provider;
	const char *model;
	const char *role;			/* empty: none */
	const char *created_by;
	int			quota;			/* set by the engine: how many to claim */
	int		   *room;			/* likewise: what the model's limits leave */
} LiLane;

/*
 * A claimed job: the row and the claim that fences every later write.  Lives
 * in a context of its own, which the engine deletes when the job is done.
 */
typedef struct LiClaim
{
	MemoryContext cxt;
	pg_uuid_t	id;
	int			claim_no;
	pg_uuid_t	token;
	int			attempts;		/* this claim's charge included */
	int			max_attempts;
	TimestampTz claimed_at;
	LiJob		job;
} LiClaim;

/* What a call did, for scoring_attempts and the bill. */
typedef struct LiCallRecord
{
	const char *kind;			/* first, retry, sample, reask, probe */
	int			sample;
	int			open_attempt;	/* > 0: the row that was committed before it */
	bool		charged;
	int			http_status;	/* 0: none */
	const char *outcome;		/* as in scoring_attempts.outcome */
	const char *error_code;		/* NULL: none */
	const char *error_message;
	const char *request_id;
	int			prompt_tokens;	/* -1: not told */
	int			cached_tokens;
	int			completion_tokens;
	const char *input_price;	/* USD per million, numeric; NULL: unknown */
	const char *cached_price;
	const char *output_price;
	TimestampTz sent_at;		/* 0: not reached */
	TimestampTz first_byte_at;
	TimestampTz finished_at;
	const char *parsed;			/* a sample's valid answer as JSON; NULL: none */
} LiCallRecord;

/* One step of one claimed job, to be written. */
typedef struct LiRecord
{
	const LiClaim *claim;
	const char *status;			/* new status; "processing": another call follows */
	TimestampTz run_at;			/* when status is pending */
	bool		give_back;		/* the claim is not charged */
	bool		retryable;		/* for the error of a failed job */
	const LiCallRecord *call;	/* NULL: no call was made */
	const char *error_code;		/* NULL: none */
	const char *error_message;
	const char *request;		/* NULL: not stored */
	const char *reply;
	const LiResult *result;		/* NULL unless completed */
	const char *cache_key;		/* NULL: not to be found again */
	bool		cached;			/* answered from an earlier job */
	const LiCallRecord *next;	/* the call that follows: its open row */
	/* out */
	bool		locked;			/* somebody has the row: nothing written, try again */
	bool		stored;			/* false: the claim was lost, the job not touched */
	bool		billed;			/* the call was on record already, with its answer */
	int			next_attempt;	/* number of the open row */
} LiRecord;

/*
 * All need a transaction begun by LiTxn.begin.  Results are allocated in
 * "out"; a claim gets a child context of it.
 */
extern List *li_queue_lanes(MemoryContext out);
extern List *li_queue_claim(List *lanes, const pg_uuid_t *worker, MemoryContext out);
extern bool li_queue_has_jobs(void);
extern int64 li_queue_count_now(Datum profiles, Datum since);
extern char *li_queue_state(const pg_uuid_t *job, MemoryContext out, bool *own);
extern void li_queue_samples(const LiClaim *claim, const char *cache_key, const char **parsed);
extern const char *li_queue_cached(const LiClaim *claim, const char *cache_key, int ttl_s);
extern List *li_queue_owners(MemoryContext out);
extern List *li_queue_live_sessions(MemoryContext out);
extern List *li_queue_record(List *records, MemoryContext out);
extern int	li_queue_rescue(List *dead, List **notices, MemoryContext out);
extern int	li_queue_hand_back(const pg_uuid_t *worker, List *sent);
extern List *li_queue_lost(List *claims, MemoryContext out);
extern bool li_queue_record_late(const LiClaim *claim, const LiCallRecord *call);
extern void li_queue_beat(const pg_uuid_t *worker, TimestampTz started_at);
extern void li_queue_forget_workers(List *dead);
extern void li_queue_notify(List *payloads);

#endif							/* LI_QUEUE_H */
