/*-------------------------------------------------------------------------
 *
 * llm_rates.c
 *		The limits per minute that responses tell of.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/rates.c src/llm/headers.c */
#include "postgres_fe.h"

#include "llm/rates.h"
#include "tap.h"

/* The headers of one limit as OpenAI tells it. */
#define TOLD(kind, limit, left, reset) \
	"x-ratelimit-limit-" kind ": " limit "\r\nx-ratelimit-remaining-" kind ": " left "\r\n" \
	"x-ratelimit-reset-" kind ": " reset "\r\n"
#define ANTHROPIC(kind, limit) \
	"anthropic-ratelimit-" kind "-limit: " limit "\r\nanthropic-ratelimit-" kind "-remaining: 1\r\n" \
	"anthropic-ratelimit-" kind "-reset: 2026-11-24T08:49:37Z\r\n"

static const struct
{
	const char *headers;
	int64		requests;
	int64		tokens;
} cases[] = {
	{ "", 0, 0 },
	{ "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", 0, 0 },

	/* OpenAI, per minute */
	{ TOLD("requests", "500", "499", "120ms") TOLD("tokens", "200000", "199000", "300ms"), 500, 200000 },
	{ TOLD("requests", "30000", "29999", "2ms") TOLD("tokens", "150000000", "149999000", "0s"), 30000, 150000000 },
	{ TOLD("requests", "3", "0", "1m0s") TOLD("tokens", "40000", "0", "60s"), 3, 40000 },
	{ TOLD("requests", "500", "500", "0s"), 500, 0 },
	{ "X-RateLimit-Limit-Requests: 60\r\n", 60, 0 },
	{ "x-ratelimit-limit-tokens: 60\r\n", 0, 60 },
	{ TOLD("requests", "60", "0", "59.5s"), 60, 0 },

	/* OpenAI, per day */
	{ TOLD("requests", "200", "199", "7m12s") TOLD("tokens", "40000", "39000", "1.5s"), 0, 40000 },
	{ TOLD("requests", "10000", "9999", "8.64s"), 0, 0 },
	{ TOLD("requests", "10000", "9998", "11.232s"), 0, 0 },
	{ TOLD("requests", "14400", "14370", "2m59.56s"), 0, 0 },
	{ TOLD("requests", "10000", "0", "24h0m0s"), 0, 0 },
	{ TOLD("requests", "10000", "soon", "1d"), 0, 0 },
	/* tokens never are, whatever the documentation's example looks like */
	{ TOLD("requests", "60", "59", "1s") TOLD("tokens", "150000", "149984", "6m0s"), 60, 150000 },

	/* a window that opens anew each minute: told as soon as some is used */
	{ TOLD("requests", "5000", "4999", "30"), 0, 0 },
	{ TOLD("requests", "5000", "4990", "30"), 5000, 0 },
	{ TOLD("requests", "500", "499", "59"), 500, 0 },
	{ TOLD("requests", "500", "0", "59"), 500, 0 },

	/* other families */
	{ "x-ratelimit-limit-tokens_usage_based: 7\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens_usage_based: 7\r\nx-ratelimit-limit-tokens: 9\r\n", 0, 9 },
	{ TOLD("tokens_usage_based", "7", "6", "24h") TOLD("tokens", "9", "9", "0s"), 0, 9 },
	{ "x-ratelimit-limit-project-tokens: 7\r\nx-ratelimit-limit: 8\r\nratelimit-limit: 9\r\n", 0, 0 },

	/* Azure: plain integers, 0 and -1 for what it does not know */
	{ TOLD("requests", "120", "119", "1") TOLD("tokens", "120000", "119000", "1"), 120, 120000 },
	{ TOLD("requests", "0", "0", "0") TOLD("tokens", "-1", "-1", "0"), 0, 0 },
	{ TOLD("requests", "-1", "-1", "0") TOLD("tokens", "0", "0", "0"), 0, 0 },
	{ TOLD("requests", "100", "-1", "0"), 100, 0 },

	/* Anthropic */
	{ ANTHROPIC("requests", "50") ANTHROPIC("tokens", "60000") ANTHROPIC("input-tokens", "50000") ANTHROPIC("output-tokens", "10000"), 50, 50000 },
	{ ANTHROPIC("requests", "50") ANTHROPIC("tokens", "20000") ANTHROPIC("input-tokens", "50000"), 50, 20000 },
	{ ANTHROPIC("tokens", "60000"), 0, 60000 },
	{ ANTHROPIC("input-tokens", "50000") ANTHROPIC("output-tokens", "10000"), 0, 50000 },
	{ ANTHROPIC("output-tokens", "10000"), 0, 0 },
	{ ANTHROPIC("requests", "0") ANTHROPIC("tokens", "-1"), 0, 0 },

	/* what is no number, or none that can be believed */
	{ "x-ratelimit-limit-tokens: 1000000000000\r\n", 0, 1000000000000 },
	{ "x-ratelimit-limit-tokens: 1000000000001\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 99999999999999999999999999\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 0000000000000000000000005\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: +5\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 5.0\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 5e3\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 0x10\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 5, 5;w=60\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: 5 000\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens:\r\n", 0, 0 },
	{ "x-ratelimit-limit-tokens: many\r\n", 0, 0 },
	{ "anthropic-ratelimit-requests-limit: 50 per minute\r\n", 0, 0 },

	/* a reset that cannot be read proves nothing */
	{ TOLD("requests", "500", "499", "soon"), 500, 0 },
	{ TOLD("requests", "500", "499", ""), 500, 0 },
	{ TOLD("requests", "500", "499", "s"), 500, 0 },
	{ TOLD("requests", "500", "499", "-5s"), 500, 0 },
	{ TOLD("requests", "500", "499", "9 weeks"), 500, 0 },
	{ TOLD("requests", "500", "499", "2026-11-24T08:49:37Z"), 500, 0 },
	{ TOLD("requests", "500", "600", "30s"), 500, 0 },
};

int
main(void)
{
	const char *unterminated = "x-ratelimit-limit-tokens: 77";
	LiRates		rates;

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		rates = li_rates_of_headers(cases[i].headers, strlen(cases[i].headers));
		is_int(rates.requests, cases[i].requests, psprintf("requests of %d: %.60s", i, cases[i].headers));
		is_int(rates.tokens, cases[i].tokens, "tokens");
	}
	rates = li_rates_of_headers(unterminated, strlen(unterminated) - 1);
	is_int(rates.tokens, 7, "no more than len bytes are read");
	return done_testing();
}
