/*-------------------------------------------------------------------------
 *
 * bucket.c
 *		Token buckets and paces: how much may begin now.
 *
 * A limit "per minute" must hold in every 60 seconds, not only in those that
 * begin with a full bucket.  So a bucket holds half a second's worth (or one
 * lump, if that is more) and refills so slowly that capacity and refill of a
 * minute stay below the limit; what is left, a fiftieth, is for calls that
 * arrive later or earlier at the other side than they were counted here.
 *
 * Something may be taken when the level is at least 1, and may then leave a
 * debt: a call of 3,000 tokens need not wait until all of them are there, but
 * the next one does.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "worker/bucket.h"

#define USED_SHARE		0.98	/* of the limit */
#define BURST_S			0.5		/* seconds of refill that may come at once */

static void
refill(LiBucket *bucket, uint64 now_ms)
{
	if (now_ms > bucket->filled_ms)
		bucket->level += bucket->per_second * (now_ms - bucket->filled_ms) / 1000;
	bucket->level = Min(bucket->level, bucket->capacity);
	bucket->filled_ms = now_ms;
}

static void
set_rate(LiBucket *bucket, double per_second, double capacity, uint64 now_ms)
{
	if (per_second <= 0)
	{
		memset(bucket, 0, sizeof(LiBucket));
		return;
	}
	if (bucket->per_second > 0)
		refill(bucket, now_ms);
	else
		bucket->level = capacity;
	bucket->per_second = per_second;
	bucket->capacity = capacity;
	bucket->level = Min(bucket->level, capacity);
	bucket->filled_ms = now_ms;
}

void
li_bucket_limit(LiBucket *bucket, double per_minute, double lump, uint64 now_ms)
{
	/*
	 * A debt is at most one lump, so a minute holds that much more than its
	 * refill.  Lumps of the size of the limit get half of it.
	 */
	double		refilled = lump <= 1 ? per_minute * USED_SHARE :
		Min(per_minute * USED_SHARE, Max(per_minute - lump, per_minute / 2));

	set_rate(bucket, refilled / 60, Max(per_minute / 60 * BURST_S, 1), now_ms);
}

void
li_bucket_pace(LiBucket *bucket, double per_second, uint64 now_ms)
{
	set_rate(bucket, isinf(per_second) ? 0 : per_second, 1, now_ms);
}

int64
li_bucket_wait_ms(LiBucket *bucket, uint64 now_ms)
{
	if (bucket->per_second <= 0)
		return 0;
	refill(bucket, now_ms);
	if (bucket->level >= 1)
		return 0;
	return (int64) ceil((1 - bucket->level) / bucket->per_second * 1000);
}

double
li_bucket_room(LiBucket *bucket, uint64 now_ms)
{
	if (bucket->per_second <= 0)
		return HUGE_VAL;
	refill(bucket, now_ms);
	return Max(bucket->level + bucket->per_second, 0);
}

void
li_bucket_take(LiBucket *bucket, double amount, uint64 now_ms)
{
	if (bucket->per_second <= 0)
		return;
	refill(bucket, now_ms);
	bucket->level -= amount;
}

void
li_bucket_give(LiBucket *bucket, double amount, uint64 now_ms)
{
	li_bucket_take(bucket, -amount, now_ms);
	bucket->level = Min(bucket->level, bucket->capacity);
}

double
li_pace_now(LiPace *pace, uint64 now_ms)
{
	double		now = pace->per_second;

	if (now <= 0)
		return HUGE_VAL;
	if (pace->doubling_ms > 0 && now_ms > pace->since_ms)
		now *= exp2((double) (now_ms - pace->since_ms) / pace->doubling_ms);
	if (pace->until > 0 && now >= pace->until)
	{
		memset(pace, 0, sizeof(LiPace));
		return HUGE_VAL;
	}
	return now;
}
