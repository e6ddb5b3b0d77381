/*-------------------------------------------------------------------------
 *
 * rates.c
 *		The limits per minute that a response tells of.
 *
 * OpenAI and Azure send x-ratelimit-limit-requests and -tokens, Anthropic a
 * family of its own; the servers one runs oneself send none.  A header does not
 * say for which time its limit is.  All are per minute but one: the requests of
 * OpenAI's lowest tiers are per day.  The matching reset header, the time until
 * nothing is used any more, gives that away: with what is used it gives the time
 * in which the whole limit comes back.
 *
 * A window that opens anew each minute, of which very little is used yet, looks
 * like a day too.  It is then passed over until more of it is used, which is
 * before the limit matters.
 *
 * Anthropic's limits are per minute by its documentation.  Its input and output
 * tokens have limits of their own, and -tokens- is their sum, or a workspace's
 * smaller one.  Input is most of what we send, so the smaller of it and the sum
 * stands for both; an output limit bounds prompt and answer together by no
 * number that would be of use.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "llm/headers.h"
#include "llm/rates.h"

#define MAX_LIMIT INT64CONST(1000000000000)

/*
 * Seconds.  Requests that take longer than the first to be as good as none are
 * not those of a minute.  Neither are those that as a whole come back in the
 * second: half a day, because the headers round what is used up.
 */
#define FULL_WITHIN 61
#define HALF_A_DAY 40000

/* A plain number of at most MAX_LIMIT; -1: it is none. */
static int64
read_count(const char *headers, size_t len, const char *name)
{
	char	   *text = li_header_value(headers, len, name);
	int64		count;

	if (text == NULL || *text == '\0' ||
		strspn(text, "0123456789") != strlen(text) || strlen(text) > 13)
		return -1;
	count = strtoll(text, NULL, 10);
	return count <= MAX_LIMIT ? count : -1;
}

/* "1h2m3.5s", "12ms", or seconds without a unit; -1: it is none. */
static double
read_seconds(const char *headers, size_t len, const char *name)
{
	static const struct
	{
		const char *name;
		double		seconds;
	} units[] = {
		{ "", 1 }, { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 }, { "ms", 0.001 }
	};
	char	   *text = li_header_value(headers, len, name);
	double		sum = 0;

	if (text == NULL || *text == '\0')
		return -1;
	while (*text != '\0')
	{
		size_t		digits = strspn(text, "0123456789.");
		size_t		letters = strspn(text + digits, "dhms");
		double		seconds = -1;

		for (int i = 0; i < (int) lengthof(units); i++)
		{
			if (strlen(units[i].name) == letters &&
				strncmp(text + digits, units[i].name, letters) == 0)
				seconds = units[i].seconds;
		}
		if (digits == 0 || seconds < 0)
			return -1;
		sum += strtod(text, NULL) * seconds;
		text += digits + letters;
	}
	return sum;
}

/* x-ratelimit-limit-requests, unless it is per day. */
static int64
openai_requests(const char *headers, size_t len)
{
	int64		limit = read_count(headers, len, "x-ratelimit-limit-requests");
	int64		left = read_count(headers, len, "x-ratelimit-remaining-requests");
	double		reset = read_seconds(headers, len, "x-ratelimit-reset-requests");

	if (reset > FULL_WITHIN)
		return 0;
	if (left >= 0 && left < limit && reset * limit / (limit - left) > HALF_A_DAY)
		return 0;
	return limit;
}

/* The smaller one of two limits of which each may be unknown. */
static int64
smaller(int64 a, int64 b)
{
	if (a <= 0 || b <= 0)
		return Max(Max(a, b), 0);
	return Min(a, b);
}

LiRates
li_rates_of_headers(const char *headers, size_t len)
{
	LiRates		rates;

	rates.requests = openai_requests(headers, len);
	if (rates.requests <= 0)
		rates.requests = Max(read_count(headers, len, "anthropic-ratelimit-requests-limit"), 0);
	rates.tokens = read_count(headers, len, "x-ratelimit-limit-tokens");
	if (rates.tokens <= 0)
		rates.tokens =
			smaller(read_count(headers, len, "anthropic-ratelimit-tokens-limit"),
					read_count(headers, len, "anthropic-ratelimit-input-tokens-limit"));
	return rates;
}
