/*-------------------------------------------------------------------------
 *
 * llm_retry.c
 *		Response headers, and when they say to ask again.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/retry.c src/llm/headers.c */
#include "postgres_fe.h"

#include "llm/headers.h"
#include "llm/retry.h"
#include "tap.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static const struct
{
	const char *headers;
	int64		ms;
} hints[] = {
	{ "", -1 },
	{ "Retry-After: 5\r\n", 5000 },
	{ "retry-after:5\r\n", 5000 },
	{ "RETRY-AFTER: \t 5 \t\r\n", 5000 },
	{ "Retry-After: 0\r\n", 0 },
	{ "Retry-After: 0.25\r\n", 250 },
	{ "Retry-After: 1.0001\r\n", 1001 },
	{ "Retry-After: .5\r\n", 500 },
	{ "Retry-After: 5.\r\n", 5000 },
	{ "Retry-After: 86400\r\n", 86400000 },
	{ "Retry-After: 86401\r\n", -1 },
	{ "Retry-After: 99999999999999999999999\r\n", -1 },
	{ "Retry-After: -1\r\n", -1 },
	{ "Retry-After: +1\r\n", -1 },
	{ "Retry-After: 1e3\r\n", -1 },
	{ "Retry-After: 0x10\r\n", -1 },
	{ "Retry-After: inf\r\n", -1 },
	{ "Retry-After: nan\r\n", -1 },
	{ "Retry-After: .\r\n", -1 },
	{ "Retry-After: 1.2.3\r\n", -1 },
	{ "Retry-After: 5 s\r\n", -1 },
	{ "Retry-After: 5s\r\n", -1 },
	{ "Retry-After:\r\n", -1 },
	{ "Retry-After: soon\r\n", -1 },
	{ "Retry-After-Ms: 1500\r\n", 1500 },
	{ "Retry-After-Ms: 1500.2\r\n", 1501 },
	{ "Retry-After-Ms: 250\r\nRetry-After: 9\r\n", 250 },
	{ "Retry-After: 9\r\nRetry-After-Ms: 250\r\n", 250 },
	{ "Retry-After-Ms: -4\r\nRetry-After: 9\r\n", 9000 },
	{ "Retry-After-Ms: 86400001\r\nRetry-After: 9\r\n", 9000 },
	{ "X-Retry-After: 3\r\n", -1 },
	{ "x-ratelimit-reset-requests: 12ms\r\nx-ratelimit-reset-tokens: 6m0s\r\n", -1 },
	{ DATE "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", 30000 },
	{ DATE "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0 },
	{ DATE "Retry-After: Sun, 06 Nov 1994 08:49:36 GMT\r\n", -1 },
	{ DATE "Retry-After: Mon, 07 Nov 1994 08:49:37 GMT\r\n", 86400000 },
	{ DATE "Retry-After: Mon, 07 Nov 1994 08:49:38 GMT\r\n", -1 },
	{ DATE "Retry-After: Sun Nov  6 08:49:47 1994\r\n", 10000 },
	{ "Date: Tue, 29 Feb 2028 23:59:59 GMT\r\nRetry-After: Wednesday, 01-Mar-28 00:00:09 GMT\r\n", 10000 },
	{ "Date: Fri, 31 Dec 2027 23:59:59 GMT\r\nRetry-After: Sat, 01 Jan 2028 00:00:00 GMT\r\n", 1000 },
	{ DATE "Retry-After: Sun, 06 Nov 1994 08:50:07 CET\r\n", -1 },
	{ DATE "Retry-After: Sun, 06 Foo 1994 08:50:07 GMT\r\n", -1 },
	{ DATE "Retry-After: Sun, 06 Nov 1994 25:50:07 GMT\r\n", -1 },
	{ DATE "Retry-After: Sun, 32 Nov 1994 08:50:07 GMT\r\n", -1 },
	{ DATE "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT and more\r\n", -1 },
	{ "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", -1 },
	{ "Date: yesterday\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", -1 },
};

static const struct
{
	const char *headers;
	const char *value;
} fields[] = {
	{ "HTTP/1.1 200 OK\r\nX-Id: a\r\n\r\n", "a" },
	{ "X-Id: a", "a" },
	{ "X-Id: a\n", "a" },
	{ "X-Id:\r\n", "" },
	{ "X-Id:   \r\n", "" },
	{ "x-iD:a:b \r\n", "a:b" },
	{ "X-Id: first\r\nX-Id: second\r\n", "first" },
	{ "HTTP/1.1 100 Continue\r\nX-Id: old\r\n\r\nHTTP/1.1 200 OK\r\nX-Id: new\r\n\r\n", "new" },
	{ "HTTP/1.1 100 Continue\r\nX-Id: old\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", NULL },
	{ "X-Id : a\r\n", NULL },
	{ " X-Id: a\r\n", NULL },
	{ "X-Ident: a\r\nY: X-Id: b\r\n", NULL },
	{ "X-I", NULL },
	{ "X-Id", NULL },
	{ "", NULL },
	{ "\r\n\r\n\n\n", NULL },
};

int
main(void)
{
	const char *unterminated = "Retry-After: 77";

	for (int i = 0; i < (int) lengthof(fields); i++)
		is_text(li_header_value(fields[i].headers, strlen(fields[i].headers), "X-Id"),
				fields[i].value, psprintf("field %d", i));
	is_text(li_header_value(unterminated, 14, "retry-after"), "7",
			"no more than len bytes are read");

	for (int i = 0; i < (int) lengthof(hints); i++)
		is_int(li_retry_after_ms(hints[i].headers, strlen(hints[i].headers)),
			   hints[i].ms, psprintf("hint %d", i));

	ok(li_retry_forbidden("X-Should-Retry: false\r\n", 23), "a retry is forbidden");
	ok(li_retry_forbidden("x-should-retry: False\r\n", 23), "in any case");
	ok(!li_retry_forbidden("X-Should-Retry: true\r\n", 22), "or not");
	ok(!li_retry_forbidden("", 0), "or not mentioned");

	is_int(li_backoff_ms(1, false, 0.0), 0, "full jitter begins at 0");
	is_int(li_backoff_ms(1, false, 0.5), 500, "first step 1 s");
	is_int(li_backoff_ms(3, false, 0.5), 2000, "third step 4 s");
	is_int(li_backoff_ms(7, false, 0.5), 30000, "capped at 60 s");
	is_int(li_backoff_ms(7, true, 0.5), 32000, "but not when overloaded");
	is_int(li_backoff_ms(1000000, true, 0.5), 150000, "then at 5 min");
	is_int(li_backoff_ms(0, false, 0.5), 500, "no attempt counts as one");
	ok(li_backoff_ms(2147483647, false, 0.999999999) < 60000, "the largest attempt");
	return done_testing();
}
