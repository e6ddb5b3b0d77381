/*-------------------------------------------------------------------------
 *
 * bucket.c
 *		Token buckets: no 60 seconds hold more than a limit per minute, and
 *		nearly all of it is used.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/worker/bucket.c; libs: -lm */
#include "postgres_fe.h"

#include <math.h>

#include "worker/bucket.h"
#include "tap.h"

#define MINUTES 10
#define MS		(MINUTES * 60 * 1000)

static int	taken[MS + 60 * 1000];

/* The most that any 60 seconds hold. */
static double
busiest_minute(void)
{
	double		sum = 0;
	double		most = 0;

	for (int t = 0; t < MS; t++)
	{
		sum += taken[t];
		if (t >= 60000)
			sum -= taken[t - 60000];
		most = Max(most, sum);
	}
	return most;
}

static double
total(void)
{
	double		sum = 0;

	for (int t = 0; t < MS; t++)
		sum += taken[t];
	return sum;
}

/* Takes "lump" whenever there is room, with "step" ms between two looks. */
static void
take_all(double per_minute, double lump, int step)
{
	LiBucket	bucket = {0};

	memset(taken, 0, sizeof(taken));
	li_bucket_limit(&bucket, per_minute, lump, 0);
	for (int t = 0; t < MS; t += step)
		while (li_bucket_wait_ms(&bucket, t) == 0)
		{
			li_bucket_take(&bucket, lump, t);
			taken[t] += (int) lump;
		}
}

static void
test_limits(void)
{
	static const int limits[] = {1, 2, 3, 10, 30, 59, 60, 61, 100, 120, 121, 500, 5000, 60000};

	for (int i = 0; i < (int) lengthof(limits); i++)
	{
		take_all(limits[i], 1, 1);
		ok(busiest_minute() <= limits[i], "%d a minute: no 60 s hold more", limits[i]);
		ok(total() >= limits[i] * MINUTES * 0.95 || limits[i] < 20,
		   "%d a minute: 95 %% of it are used", limits[i]);
		ok(total() >= limits[i] * (MINUTES - 1) * 0.9, "%d a minute: it is not halved", limits[i]);
	}
	take_all(6000, 1, 100);
	ok(busiest_minute() <= 6000, "looked at every 100 ms: no 60 s hold more");
	ok(total() >= 6000 * MINUTES * 0.95, "looked at every 100 ms: 95 %% are used");
}

/* Lumps: tokens of calls. */
static void
test_lumps(void)
{
	static const int lumps[] = {500, 1000, 3000, 5000};

	for (int i = 0; i < (int) lengthof(lumps); i++)
	{
		take_all(200000, lumps[i], 1);
		ok(busiest_minute() <= 200000 * 1.02, "lumps of %d in 200,000: at most 2 %% too many",
		   lumps[i]);
		ok(total() >= 200000.0 * MINUTES * 0.95, "lumps of %d in 200,000: 95 %% are used", lumps[i]);
	}
	take_all(1000, 3000, 1);
	ok(total() > 0 && total() <= 1000.0 * (MINUTES + 3), "one lump larger than the limit still goes");
}

static void
test_give(void)
{
	LiBucket	bucket = {0};

	li_bucket_limit(&bucket, 60000, 1, 0);
	li_bucket_take(&bucket, 5000, 0);
	ok(li_bucket_wait_ms(&bucket, 0) > 4000, "a debt is waited for");
	li_bucket_give(&bucket, 4990, 0);
	ok(li_bucket_wait_ms(&bucket, 0) == 0, "what was not used is given back");
	li_bucket_give(&bucket, 1e9, 0);
	ok(bucket.level <= bucket.capacity, "never beyond the capacity");
	li_bucket_give(&bucket, -2000, 0);
	ok(li_bucket_wait_ms(&bucket, 0) > 0, "more than reserved becomes a debt");
	li_bucket_limit(&bucket, 120000, 1, 0);
	ok(li_bucket_wait_ms(&bucket, 0) > 0, "a changed limit keeps the debt");
	li_bucket_limit(&bucket, 0, 1, 0);
	ok(li_bucket_wait_ms(&bucket, 0) == 0 && isinf(li_bucket_room(&bucket, 0)), "no limit, no wait");
	li_bucket_take(&bucket, 1e9, 0);
	ok(li_bucket_wait_ms(&bucket, 0) == 0, "and no debt");
}

static void
test_pace(void)
{
	LiPace		none = {0};
	LiPace		breaker = {1, 0, 0, 1000};
	LiPace		ramp = {2, 1024, 1000, 1000};
	LiPace		slow = {50, 150, 1538600, 0};
	LiBucket	bucket = {0};
	int			n = 0;

	ok(isinf(li_pace_now(&none, 5)), "no pace");
	ok(li_pace_now(&breaker, 3600000) == 1, "an open breaker stays at one call a second");
	ok(li_pace_now(&ramp, 1000) == 2 && li_pace_now(&ramp, 3000) == 8, "a ramp doubles every second");
	ok(isinf(li_pace_now(&ramp, 10000)) && ramp.per_second == 0, "and ends");
	ok(fabs(li_pace_now(&slow, 900000) - 75) < 0.1, "half as much again in 15 minutes");

	for (int t = 0; t < 10000; t++)
	{
		li_bucket_pace(&bucket, li_pace_now(&breaker, t), t);
		if (li_bucket_wait_ms(&bucket, t) == 0)
		{
			li_bucket_take(&bucket, 1, t);
			n++;
		}
	}
	ok(n == 10, "ten calls in ten seconds: %d", n);
}

int
main(void)
{
	test_limits();
	test_lumps();
	test_give();
	test_pace();
	return done_testing();
}
