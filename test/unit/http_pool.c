/*-------------------------------------------------------------------------
 *
 * http_pool.c
 *		The transport against a server that misbehaves on demand.
 *
 * Four functions of the C library are replaced for this program, libcurl
 * included, so that what is rare happens when asked for: the clock can jump, a
 * name is looked up as told, a send can fail, and signals can be counted.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/http/pool.c src/http/call.c src/http/buffer.c src/http/error.c src/http/resolve.c src/http/address.c; libs: -lcurl -ldl -lpthread */
#include "postgres_fe.h"

#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <curl/curl.h>

#include "http/pool.h"
#include "http_stub.h"
#include "tap.h"

/*-------------------------------------------------------------------------
 * Replaced functions
 *-------------------------------------------------------------------------
 */

static long clock_ahead_s = 0;

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int			rc = syscall(SYS_clock_gettime, clock, ts);

	if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW)
		ts->tv_sec += clock_ahead_s;
	return rc;
}

static int	lookups = 0;
static int	lookups_unmasked = 0;
static bool dns_down = false;
static bool dns_stuck = false;

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			struct addrinfo **result)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
				struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	sigset_t	mask;

	STUB_ADD(lookups);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (!sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGUSR1) ||
		!sigismember(&mask, SIGALRM))
		STUB_ADD(lookups_unmasked);

	while (STUB_GET(dns_stuck))
		usleep(10000);
	if (STUB_GET(dns_down) || strcmp(node, "again.test") == 0)
		return EAI_AGAIN;
	if (strcmp(node, "stub.test") == 0 || strcmp(node, "second.test") == 0)
		return real("127.0.0.1", service, hints, result);
	if (strcmp(node, "private.test") == 0)
		return real("10.0.0.1", service, hints, result);
	if (strcmp(node, "metadata.test") == 0)
		return real("169.254.169.254", service, hints, result);
	return EAI_NONAME;
}

static int	good_sends = 0;		/* before those that fail */
static int	fail_sends = 0;
static int	failed_sends = 0;
static pthread_t main_thread;

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	if (pthread_equal(pthread_self(), main_thread) && fail_sends > 0 &&
		good_sends-- <= 0)
	{
		fail_sends--;
		failed_sends++;
		errno = EPIPE;
		return -1;
	}
	return sendto(fd, data, len, flags, NULL, 0);
}

/*-------------------------------------------------------------------------
 * Helpers
 *-------------------------------------------------------------------------
 */

static LiHttpPool *pool;

static LiHttpCall *last = NULL; /* of get(); void when the pool is destroyed */

static const char *const plain_headers[] = {
	"Content-Type: application/json", "Authorization: Bearer none", NULL
};

static LiHttpRequest
request_to(const char *path)
{
	LiHttpRequest request = {
		.url = psprintf("http://127.0.0.1:%d%s", stub_port, path),
		.headers = plain_headers,
		.body = "{\"question\":1}",
		.body_len = 14,
		.connect_timeout_ms = 5000,
		.timeout_ms = 20000,
		.max_response = 100000
	};

	return request;
}

static int64
real_ms(void)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One turn of a caller's loop. */
static void
turn(void)
{
	struct pollfd pfd = { .fd = li_http_pool_fd(pool), .events = POLLIN };
	long		timeout = li_http_pool_timeout(pool);

	poll(&pfd, 1, timeout < 0 || timeout > 20 ? 20 : (int) timeout);
	li_http_drive(pool);
}

static void
fresh_pool(int max_connections)
{
	if (pool != NULL)
		li_http_pool_destroy(pool);
	last = NULL;
	pool = li_http_pool_create(max_connections);
	if (pool == NULL)
	{
		printf("Bail out! no pool\n");
		exit(1);
	}
}

/* Turns until one call is done; NULL when 20 s were not enough. */
static LiHttpCall *
next_done(void)
{
	int64		deadline = real_ms() + 20000;
	LiHttpCall *call;

	while ((call = li_http_next_done(pool)) == NULL && real_ms() < deadline)
		turn();
	return call;
}

/* The response of one call; valid until the next get(). */
static const LiHttpResponse *
get(const LiHttpRequest *request)
{
	if (last != NULL)
		li_http_call_free(last);
	li_http_start(pool, request, NULL);
	last = next_done();
	if (last == NULL)
	{
		printf("Bail out! a call did not end\n");
		exit(1);
	}
	return li_http_call_response(last);
}

static const LiHttpResponse *
get_path(const char *path)
{
	LiHttpRequest request = request_to(path);

	return get(&request);
}

/* Turns until the counter has the value. */
static bool
turn_until(int *counter, int value)
{
	int64		deadline = real_ms() + 20000;

	while (STUB_GET(*counter) < value && real_ms() < deadline)
		turn();
	return STUB_GET(*counter) == value;
}

/*-------------------------------------------------------------------------
 * Tests
 *-------------------------------------------------------------------------
 */

static void
test_plain(void)
{
	LiHttpRequest request = request_to("/echo");
	const LiHttpResponse *r;
	int			connections;
	int			owner;
	LiHttpCall *call;
	size_t		len = 8 * 1024 * 1024;
	char	   *large;

	r = get_path("/ok");
	is_int(r->error, LI_HTTP_OK, "an answer");
	is_int(r->status, 200, "its status");
	is_text(r->body, "{\"ok\":true}", "its body");
	is_int(r->body_len, 11, "its length");
	is_text(r->message, "", "no message");
	ok(strncmp(r->headers, "HTTP/1.1 200 OK\r\n", 17) == 0 &&
		   strstr(r->headers, "\r\nX-Request-Id: abc\r\n") != NULL &&
		   strlen(r->headers) == r->headers_len,
	   "its headers");
	ok(r->sent_us >= 0 && r->first_byte_us >= r->sent_us &&
		   r->total_us >= r->first_byte_us && r->total_us < 5000000,
	   "times in order");
	ok(strncmp(stub_last_head, "POST /ok HTTP/1.1\r\n", 19) == 0, "a POST");
	ok(strcasestr(stub_last_head, "\r\nexpect:") == NULL, "no Expect");
	ok(strcasestr(stub_last_head, "\r\naccept-encoding:") == NULL, "no Accept-Encoding");
	ok(strstr(stub_last_head, "\r\nAuthorization: Bearer none\r\n") != NULL,
	   "headers sent");
	ok(strcasestr(stub_last_head, "x-www-form-urlencoded") == NULL,
	   "no content type of libcurl's own");

	connections = STUB_GET(stub_connections);
	for (int i = 0; i < 20; i++)
		get_path("/ok");
	is_int(STUB_GET(stub_connections), connections, "the connection is kept");

	request.body = NULL;
	request.url = psprintf("http://127.0.0.1:%d/ok", stub_port);
	r = get(&request);
	ok(r->error == LI_HTTP_OK && strncmp(stub_last_head, "GET /ok ", 8) == 0, "a GET");

	request = request_to("/ok");
	call = li_http_start(pool, &request, &owner);
	is_int(li_http_pool_open_calls(pool), 1, "one call under way");
	ok(next_done() == call && li_http_call_owner(call) == &owner, "its owner");
	is_int(li_http_pool_open_calls(pool), 0, "none under way");
	ok(li_http_next_done(pool) == NULL, "handed out once");
	li_http_call_free(call);

	large = malloc(len);
	memset(large, 'a', len);
	request = request_to("/echo");
	request.body = large;
	request.body_len = len;
	request.max_response = len;
	r = get(&request);
	ok(r->error == LI_HTTP_OK && r->body_len == len &&
		   memcmp(r->body, large, len) == 0,
	   "8 MB there and back, the cap exactly");
	request.max_response = len - 1;
	is_int(get(&request)->error, LI_HTTP_TOO_LARGE, "one byte above the cap");
	free(large);

	r = get_path("/nul");
	ok(r->body_len == 3 && memcmp(r->body, "a\0b", 4) == 0, "a NUL in the body");
	r = get_path("/empty");
	ok(r->error == LI_HTTP_OK && r->body_len == 0 && r->body[0] == '\0', "an empty body");
	r = get_path("/status/404");
	ok(r->error == LI_HTTP_OK && r->status == 404, "404 is an answer");
	is_text(r->body, "told", "and has a body");
	r = get_path("/status/302");
	ok(r->error == LI_HTTP_OK && r->status == 302, "a redirect is not followed");
	r = get_path("/interim");
	ok(r->status == 200 && strstr(r->headers, "X-New") && !strstr(r->headers, "X-Old"),
	   "headers of the final response only");
	r = get_path("/trailer");
	ok(r->error == LI_HTTP_OK && strcmp(r->body, "{}") == 0 &&
		   !strstr(r->headers, "X-Trailer"),
	   "trailers are not headers");
}

static void
test_faults(void)
{
	LiHttpRequest request;
	const LiHttpResponse *r;
	int64		started;
	int			requests;
	int			listener;
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t	len = sizeof(address);
	const char *bad_headers[] = { "X: a\r\nY: b", NULL };
	const char *bad_urls[] = {
		"", "nonsense", "127.0.0.1/ok", "ftp://127.0.0.1/", "file:///etc/passwd",
		"http://", "http:///x", "https://user:pass@127.0.0.1/", "http://127.0.0.1:99999/",
		"http://[::1/", "http://a b/", "http://127.0.0.1/\r\nX: y",
		"http://b\xc3\xbc"
		"cher.test/",
		"gopher://127.0.0.1/"
	};

	r = get_path("/cut");
	is_int(r->error, LI_HTTP_CUT, "a body cut short");
	is_int(r->status, 200, "its status is told all the same");
	is_int(get_path("/cut-chunk")->error, LI_HTTP_CUT, "a chunked body cut short");
	is_int(get_path("/no-status")->error, LI_HTTP_CUT, "no HTTP at all");
	r = get_path("/chunked");
	is_int(r->error, LI_HTTP_TOO_LARGE, "an endless chunked body");
	is_text(r->message, "the response is too large", "says which");
	r = get_path("/headers");
	is_int(r->error, LI_HTTP_TOO_LARGE, "endless headers");
	is_text(r->message, "the response's headers are too large", "says which");
	is_int(get_path("/interims")->error, LI_HTTP_TOO_LARGE, "endless interim responses");

	requests = STUB_GET(stub_requests);
	request = request_to("/hang");
	request.timeout_ms = 300;
	started = real_ms();
	r = get(&request);
	is_int(r->error, LI_HTTP_TIMEOUT, "no answer in time");
	ok(r->sent_us >= 0 && r->first_byte_us == -1, "was sent, no byte came");
	ok(real_ms() - started < 3000, "and it took no longer");
	request = request_to("/drip");
	request.timeout_ms = 300;
	r = get(&request);
	is_int(r->error, LI_HTTP_TIMEOUT, "a drip ends at the deadline");
	ok(r->first_byte_us >= 0, "its first byte had come");
	is_int(STUB_GET(stub_requests), requests + 2, "each was sent once");

	/* a listener that accepts nothing more, and a port nobody listens on */
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bind(listener, (struct sockaddr *) &address, len);
	getsockname(listener, (struct sockaddr *) &address, &len);
	request = request_to("/ok");
	request.url = psprintf("http://127.0.0.1:%d/", ntohs(address.sin_port));
	r = get(&request);
	is_int(r->error, LI_HTTP_CONNECT, "connection refused");
	ok(strstr(r->message, "refused") != NULL, "says so");
	is_int(r->sent_us, -1, "nothing was sent");
	request.url = psprintf("https://127.0.0.1:%d/ok", stub_port);
	r = get(&request);
	/* libcurl looks for its CA file first, where the system has none */
	is_int(r->error, access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0 ? LI_HTTP_TLS_HANDSHAKE : LI_HTTP_TLS_CERTIFICATE,
		   "TLS to a plain server");
	request.ca_file = "/nonexistent.pem";
	is_int(get(&request)->error, LI_HTTP_TLS_CERTIFICATE, "no such CA file");
	close(listener);

	for (int i = 0; i < (int) lengthof(bad_urls); i++)
	{
		request = request_to("/ok");
		request.url = bad_urls[i];
		r = get(&request);
		is_int(r->error, LI_HTTP_BAD_REQUEST, psprintf("URL %d is refused", i));
		ok(strstr(r->message, "pass") == NULL, "without quoting it");
	}
	request = request_to("/ok");
	request.headers = bad_headers;
	is_int(get(&request)->error, LI_HTTP_BAD_REQUEST, "a header with CR LF");
	is_int(get_path("/ok")->error, LI_HTTP_OK, "the pool is well");
}

static void
test_stall(void)
{
	LiHttpRequest stall = request_to("/stall");
	LiHttpRequest hang = request_to("/hang");
	int			before = STUB_GET(stub_requests);
	LiHttpCall *call;
	int64		deadline;

	stall.timeout_ms = hang.timeout_ms = 600000;
	li_http_start(pool, &stall, "stall");
	li_http_start(pool, &hang, "hang");
	turn_until(&stub_requests, before + 2);
	deadline = real_ms() + 200;
	while (real_ms() < deadline)
		turn();
	is_int(li_http_pool_open_calls(pool), 2, "both wait");
	clock_ahead_s += 31;
	call = next_done();
	is_text(li_http_call_owner(call), "stall", "an answer that stops is given up");
	is_int(li_http_call_response(call)->error, LI_HTTP_TIMEOUT, "as a time-out");
	is_int(li_http_pool_open_calls(pool), 1, "a model that thinks is not");
	clock_ahead_s += 600;
	li_http_call_free(call);
	call = next_done();
	is_int(li_http_call_response(call)->error, LI_HTTP_TIMEOUT, "until its deadline");
	li_http_call_free(call);
}

/*
 * A kept connection is dead, and libcurl reads the body only when the headers
 * have left.
 */
static void
test_dead_connection(void)
{
	const LiHttpResponse *r;
	int			requests;

	/* nothing left on a kept connection that was dead: sent again, for free */
	for (int failures = 1; failures <= 2; failures++)
	{
		get_path("/ok");
		requests = STUB_GET(stub_requests);
		good_sends = 0;
		fail_sends = failures;
		failed_sends = 0;
		r = get_path("/echo");
		is_int(failed_sends, failures, "the send failed");
		if (failures == 1)
		{
			is_int(r->error, LI_HTTP_OK, "nobody notices");
			is_text(r->body, "{\"question\":1}", "the whole body was sent");
			is_int(STUB_GET(stub_requests), requests + 1, "the server saw one request");
		}
		else
		{
			is_int(r->error, LI_HTTP_CUT, "a fresh connection that fails is a fault");
			is_int(STUB_GET(stub_requests), requests, "the server saw none");
		}
		fail_sends = 0;
	}

	/* the headers left, the body did not, but libcurl had read it */
	get_path("/ok");
	requests = STUB_GET(stub_requests);
	good_sends = 1;
	fail_sends = 1;
	r = get_path("/echo");
	is_int(r->error, LI_HTTP_CUT, "a kept connection died between headers and body");
	is_int(fail_sends, 0, "the send failed");
	is_int(STUB_GET(stub_requests), requests, "the server saw no request");
	fail_sends = 0;

	/*
	 * libcurl counts its own resends over the life of a handle and gives up at
	 * the sixth; then it is ours.
	 */
	for (int i = 0; i < 7; i++)
	{
		get_path("/ok");
		requests = STUB_GET(stub_requests);
		good_sends = 0;
		fail_sends = 1;
		r = get_path("/echo");
		ok(fail_sends == 0 && r->error == LI_HTTP_OK &&
			   strcmp(r->body, "{\"question\":1}") == 0 &&
			   STUB_GET(stub_requests) == requests + 1,
		   "a dead connection, time and again (%d)", i);
	}
}

/*
 * The same when it reads the body at once: it cannot be told how much left, so
 * the call is cut, and whoever made it decides.
 */
static void
test_dead_connection_eager(void)
{
	const LiHttpResponse *r;
	int			requests;

	for (int i = 0; i < 7; i++)
	{
		get_path("/ok");
		requests = STUB_GET(stub_requests);
		good_sends = 0;
		fail_sends = 1;
		failed_sends = 0;
		r = get_path("/echo");
		ok(failed_sends == 1 && r->error == LI_HTTP_CUT && STUB_GET(stub_requests) == requests,
		   "a dead connection, time and again (%d)", i);
		fail_sends = 0;
		r = get_path("/echo");
		ok(r->error == LI_HTTP_OK && strcmp(r->body, "{\"question\":1}") == 0 &&
			   STUB_GET(stub_requests) == requests + 1,
		   "and the next call is well");
	}
}

static void
test_resend(void)
{
	const LiHttpResponse *r;
	int			requests;

	/* the server had the whole request on a kept connection: never again */
	get_path("/ok");
	requests = STUB_GET(stub_requests);
	r = get_path("/close");
	is_int(r->error, LI_HTTP_CUT, "a kept connection closed after the request");
	is_int(STUB_GET(stub_requests), requests + 1, "the request left once");
	is_text(r->message, "the server closed a kept connection without an answer",
			"says what happened");

	/* the same on a new connection */
	requests = STUB_GET(stub_requests);
	is_int(get_path("/close")->error, LI_HTTP_CUT, "a new connection closed");
	is_int(STUB_GET(stub_requests), requests + 1, "the request left once");

	/* libcurl 8.7 and later read the body to send it with the headers */
	if (curl_version_info(CURLVERSION_NOW)->version_num >= 0x080700)
		test_dead_connection_eager();
	else
		test_dead_connection();
	fail_sends = 0;

	is_int(get_path("/ok")->error, LI_HTTP_OK, "the pool is well");
}

static void
test_names(void)
{
	LiHttpRequest request = request_to("/ok");
	const LiHttpResponse *r;
	LiHttpCall *call;
	int			before;
	int64		started;

	request.url = psprintf("http://stub.test:%d/ok", stub_port);
	before = STUB_GET(lookups);
	for (int i = 0; i < 50; i++)
		li_http_start(pool, &request, NULL);
	for (int i = 0; i < 50; i++)
	{
		call = next_done();
		if (li_http_call_response(call)->error != LI_HTTP_OK)
			ok(false, "a call by name: %s", li_http_call_response(call)->message);
		li_http_call_free(call);
	}
	is_int(STUB_GET(lookups), before + 1, "50 calls by name, one look-up");
	is_int(STUB_GET(lookups_unmasked), 0, "in a thread with all signals blocked");
	ok(strstr(stub_last_head, psprintf("\r\nHost: stub.test:%d\r\n", stub_port)) != NULL,
	   "the Host header names the server");

	clock_ahead_s += 61;
	is_int(get(&request)->error, LI_HTTP_OK, "an old look-up is still good");
	ok(turn_until(&lookups, before + 2), "but it is repeated");

	__atomic_store_n(&dns_down, true, __ATOMIC_SEQ_CST);
	clock_ahead_s += 61;
	is_int(get(&request)->error, LI_HTTP_OK, "DNS is down, known names work");
	ok(turn_until(&lookups, before + 3), "the look-up was tried");
	__atomic_store_n(&dns_down, false, __ATOMIC_SEQ_CST);

	is_int(li_http_name_state(pool, request.url), LI_NAME_KNOWN, "a known name");
	is_int(li_http_name_state(pool, "http://127.0.0.1/"), LI_NAME_KNOWN, "an address");
	is_int(li_http_name_state(pool, "nonsense"), LI_NAME_KNOWN, "no name at all");
	request.url = "http://again.test/";
	is_int(li_http_name_state(pool, request.url), LI_NAME_NEW, "a new name");
	r = get(&request);
	is_int(li_http_name_state(pool, request.url), LI_NAME_PENDING, "its look-up has just failed");
	is_int(r->error, LI_HTTP_RESOLVE_TEMPORARY, "a look-up that failed for now");
	is_int(r->sent_us, -1, "nothing was sent");

	request.url = "https://nosuch.test/";
	for (int i = 1; i <= 4; i++)
	{
		is_int(get(&request)->error,
			   i < 3 ? LI_HTTP_RESOLVE_TEMPORARY : LI_HTTP_RESOLVE_UNKNOWN,
			   psprintf("no such name, %d", i));
		clock_ahead_s += 2;
	}
	before = STUB_GET(lookups);
	get(&request);
	get(&request);
	is_int(STUB_GET(lookups), before + 1, "a failure is remembered for a second");

	/* a resolver that hangs holds up nothing */
	__atomic_store_n(&dns_stuck, true, __ATOMIC_SEQ_CST);
	request.url = psprintf("http://second.test:%d/ok", stub_port);
	request.connect_timeout_ms = 1500;
	li_http_start(pool, &request, "stuck");
	started = real_ms();
	is_int(get_path("/ok")->error, LI_HTTP_OK, "other calls go on");
	ok(real_ms() - started < 1000, "at once");
	call = next_done();
	is_text(li_http_call_owner(call), "stuck", "the stuck one ends");
	is_int(li_http_call_response(call)->error, LI_HTTP_TIMEOUT, "as a time-out");
	ok(real_ms() - started < 6000, "in time");
	li_http_call_free(call);
	is_int(li_http_name_state(pool, request.url), LI_NAME_PENDING, "its look-up goes on");
	clock_ahead_s += 121;
	is_int(li_http_name_state(pool, request.url), LI_NAME_NEW, "for two minutes, then a call causes another");

	li_http_start(pool, &request, NULL);
	started = real_ms();
	fresh_pool(64);
	ok(real_ms() - started < 1000, "the pool's end does not wait for it");
	__atomic_store_n(&dns_stuck, false, __ATOMIC_SEQ_CST);
}

static void
test_addresses(void)
{
	LiHttpRequest request = request_to("/ok");
	const char *refused[] = {
		"http://10.0.0.1/", "https://10.0.0.1/", "https://192.168.1.1/",
		"https://169.254.169.254/latest/meta-data/", "https://[::ffff:10.0.0.1]/",
		"https://[fd00::1]/", "https://[fe80::1%25lo]/", "https://0.0.0.0/", "http://8.8.8.8/",
		"https://private.test/", "https://metadata.test/", "https://0x0a000001/",
		"https://167772161/"
	};
	const LiHttpResponse *r;

	for (int i = 0; i < (int) lengthof(refused); i++)
	{
		request.url = refused[i];
		r = get(&request);
		is_int(r->error, LI_HTTP_ADDRESS_REFUSED, refused[i]);
		if (r->error != LI_HTTP_ADDRESS_REFUSED)
			printf("# %s\n", r->message);
	}
	request.url = "https://169.254.169.254/";
	request.allow_private = true;
	is_int(get(&request)->error, LI_HTTP_ADDRESS_REFUSED,
		   "metadata is refused even where private addresses are allowed");
	request.url = psprintf("http://127.1:%d/ok", stub_port);
	is_int(get(&request)->error, LI_HTTP_OK, "loopback, oddly written");
}

static void
test_many(void)
{
	LiHttpRequest request = request_to("/echo");
	int			done = 0;
	int			before;
	LiHttpCall *call;
	int64		started;

	fresh_pool(50);
	before = STUB_GET(stub_connections);
	for (int i = 0; i < 200; i++)
		li_http_start(pool, &request, NULL);
	is_int(li_http_pool_open_calls(pool), 200, "200 calls at once");
	while (done < 200 && (call = next_done()) != NULL)
	{
		if (li_http_call_response(call)->error != LI_HTTP_OK ||
			strcmp(li_http_call_response(call)->body, request.body) != 0)
			ok(false, "one of many: %s", li_http_call_response(call)->message);
		li_http_call_free(call);
		done++;
	}
	is_int(done, 200, "all are answered");
	ok(STUB_GET(stub_connections) - before <= 50, "over at most 50 connections");

	/* ended in every state */
	request = request_to("/hang");
	before = STUB_GET(stub_requests);
	for (int i = 0; i < 40; i++)
		li_http_start(pool, &request, NULL);
	turn_until(&stub_requests, before + 40);
	request = request_to("/stall");
	call = li_http_start(pool, &request, NULL);
	turn_until(&stub_requests, before + 41);
	ok(li_http_call_sent_us(call) >= 0, "sent, as far as a cancel can tell");
	started = real_ms();
	li_http_call_free(call);
	is_int(li_http_pool_open_calls(pool), 40, "one is cancelled");
	request.url = "nonsense";
	li_http_start(pool, &request, NULL);
	call = li_http_next_done(pool);
	ok(call != NULL, "one is done and in the caller's hands");
	li_http_start(pool, &request, NULL);
	is_int(li_http_pool_timeout(pool), 0, "one is done and waits for the caller");
	li_http_abort_all(pool);
	ok(real_ms() - started < 1000, "all are aborted at once");
	is_int(li_http_pool_open_calls(pool), 0, "none is left");
	ok(li_http_next_done(pool) == NULL, "none is handed out");
	is_int(li_http_pool_timeout(pool), -1, "nothing to wait for");
	li_http_abort_all(pool);
	is_int(get_path("/ok")->error, LI_HTTP_OK, "the pool goes on");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	main_thread = pthread_self();
	setenv("http_proxy", "http://127.0.0.1:1/", 1);
	setenv("https_proxy", "http://127.0.0.1:1/", 1);
	stub_start();
	fresh_pool(64);

	test_plain();
	test_faults();
	test_stall();
	test_resend();
	test_addresses();
	test_names();
	test_many();

	li_http_pool_destroy(pool);
	return done_testing();
}
