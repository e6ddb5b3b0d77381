/*-------------------------------------------------------------------------
 *
 * bucket.h
 *		Token buckets and paces: how much may begin now.
 *
 * Pure arithmetic over numbers that lie in shared memory; times are ms of the
 * monotonic clock and are handed in, so that a test needs no clock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_BUCKET_H
#define LI_BUCKET_H

/* All zero: no limit. */
typedef struct LiBucket
{
	double		level;			/* what may be taken at once; below 0: a debt */
	double		capacity;
	double		per_second;		/* refill; 0: no limit */
	uint64		filled_ms;		/* when level was right */
} LiBucket;

/*
 * A rate that grows by itself: per_second at since_ms, twice as much after each
 * doubling_ms (0: it does not grow), and no limit any more once it has reached
 * "until".  All zero: no limit.
 */
typedef struct LiPace
{
	double		per_second;
	double		until;
	uint64		doubling_ms;
	uint64		since_ms;
} LiPace;

/*
 * Limits what is taken in any 60 seconds to "per_minute"; 0: to nothing.  "lump"
 * is the size of what is taken at a time.  A changed limit keeps the debt.
 */
extern void li_bucket_limit(LiBucket *bucket, double per_minute, double lump, uint64 now_ms);

/* As li_bucket_limit() for a rate; one at a time. */
extern void li_bucket_pace(LiBucket *bucket, double per_second, uint64 now_ms);

/* Ms until something may be taken; 0: now. */
extern int64 li_bucket_wait_ms(LiBucket *bucket, uint64 now_ms);

/* How much may be taken within the next second, not below 0; without limit: HUGE_VAL. */
extern double li_bucket_room(LiBucket *bucket, uint64 now_ms);

/* Takes it, whatever is there: what is missing is a debt. */
extern void li_bucket_take(LiBucket *bucket, double amount, uint64 now_ms);

/* Gives back what was taken and not used; negative: more was used. */
extern void li_bucket_give(LiBucket *bucket, double amount, uint64 now_ms);

/* The rate now; HUGE_VAL: no limit.  One that has grown out of it is cleared. */
extern double li_pace_now(LiPace *pace, uint64 now_ms);

#endif							/* LI_BUCKET_H */
