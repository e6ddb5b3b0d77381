/*-------------------------------------------------------------------------
 *
 * call.c
 *		One request on its way through libcurl.
 *
 * A request is a paid call, so it leaves at most once without the caller's
 * knowledge.  libcurl sends a request again, unasked, when a kept connection
 * dies before a byte of the answer.  The body is therefore given by a read
 * function that cannot be rewound: once a byte of it was read, a second
 * sending is an error (LI_HTTP_CUT), and the caller decides.  Before that no
 * server can have seen the whole request; then it is sent once more on a fresh
 * connection, which nobody needs to know.
 *
 * HTTP/1.1 also over TLS: a connection carries one request at a time, so that
 * its death is the death of one call, and the rule above holds.  HTTP/2 would
 * pay only with multiplexing, which joins the fates of many calls.
 *
 * The address is checked when a socket is opened, and again when a kept
 * connection is used, since the permission may have been withdrawn meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <time.h>

#include "faults.h"
#include "http/address.h"
#include "http/call.h"
#include "http/error.h"

#define MAX_HEADER_BYTES (64 * 1024)
#define KEEP_IDLE_S 110L /* below the 120 s of common gateways */
#define KEEP_LIFE_S 600L /* so that a change in DNS is followed */

/* Within a function that has "easy" and "rc": the first error stays. */
#define SET(option, value) \
	do \
	{ \
		if (rc == CURLE_OK) \
			rc = curl_easy_setopt(easy, option, value); \
	} while (0)

int64
li_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/*-------------------------------------------------------------------------
 * Callbacks of libcurl
 *-------------------------------------------------------------------------
 */

static size_t
read_callback(char *to, size_t size, size_t count, void *arg)
{
	LiHttpCall *call = arg;
	size_t		len = Min(size * count, call->request->body_len - call->body_sent);

	memcpy(to, call->request->body + call->body_sent, len);
	call->body_sent += len;
	return len;
}

static void
note_byte(LiHttpCall *call)
{
	call->last_byte_us = li_now_us();
	if (call->response.first_byte_us < 0)
	{
		call->response.first_byte_us = call->last_byte_us - call->start_us;
		LI_FAULT("first-byte");
	}
}

static size_t
write_callback(char *data, size_t size, size_t count, void *arg)
{
	LiHttpCall *call = arg;
	size_t		len = size * count;

	note_byte(call);
	if (len > call->request->max_response - call->body.len)
	{
		call->too_large = true;
		return 0;
	}
	if (!li_buffer_append(&call->body, data, len))
	{
		call->no_memory = true;
		return 0;
	}
	return len;
}

/* Keeps the block of the final response: a new status line drops the last. */
static size_t
header_callback(char *data, size_t size, size_t count, void *arg)
{
	LiHttpCall *call = arg;
	size_t		len = size * count;

	note_byte(call);
	call->header_bytes += len;
	if (call->header_bytes > MAX_HEADER_BYTES)
	{
		call->too_large = true;
		return 0;
	}
	if (call->headers_done)
	{
		/* a trailer after the body, or the response after a 1xx */
		if (call->body.len > 0 || len < 5 || memcmp(data, "HTTP/", 5) != 0)
			return len;
		li_buffer_clear(&call->headers);
		call->headers_done = false;
	}
	if (len <= 2 && (data[0] == '\r' || data[0] == '\n'))
		call->headers_done = true;
	if (!li_buffer_append(&call->headers, data, len))
	{
		call->no_memory = true;
		return 0;
	}
	return len;
}

/* libcurl asks for a socket to a certain address. */
static curl_socket_t
open_socket_callback(void *arg, curlsocktype purpose,
					 struct curl_sockaddr *address)
{
	LiHttpCall *call = arg;

	if (!li_http_address_allowed(li_http_address_class(&address->addr),
								 li_host_tls(call->host),
								 call->request->allow_private))
	{
		call->address_refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
				  address->protocol);
}

/* A connection, new or kept, is about to be given the request. */
static int
before_request_callback(void *arg, char *remote, char *local, int remote_port,
						int local_port)
{
	LiHttpCall *call = arg;

	call->address_refused =
		!li_http_address_allowed(li_http_address_class_text(remote),
								 li_host_tls(call->host),
								 call->request->allow_private);
	if (call->address_refused || call->body_sent > 0)
		return CURL_PREREQFUNC_ABORT;

	if (call->response.sent_us < 0)
		call->response.sent_us = li_now_us() - call->start_us;
	return CURL_PREREQFUNC_OK;
}

/*-------------------------------------------------------------------------
 * Before
 *-------------------------------------------------------------------------
 */

/* Options that are the same for every request. */
static CURLcode
set_constant_options(LiHttpCall *call)
{
	CURL	   *easy = call->easy;
	CURLcode	rc = CURLE_OK;

	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_UNRESTRICTED_AUTH, 0L);
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_PROXY, "");		/* nor the one of the environment */
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_MAXAGE_CONN, KEEP_IDLE_S);
	SET(CURLOPT_MAXLIFETIME_CONN, KEEP_LIFE_S);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	SET(CURLOPT_READFUNCTION, read_callback);
	SET(CURLOPT_READDATA, call);
	SET(CURLOPT_WRITEFUNCTION, write_callback);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_HEADERFUNCTION, header_callback);
	SET(CURLOPT_HEADERDATA, call);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket_callback);
	SET(CURLOPT_OPENSOCKETDATA, call);
	SET(CURLOPT_PREREQFUNCTION, before_request_callback);
	SET(CURLOPT_PREREQDATA, call);
	return rc;
}

LiHttpCall *
li_call_create(void)
{
	LiHttpCall *call = calloc(1, sizeof(LiHttpCall));

	if (call == NULL)
		return NULL;
	call->easy = curl_easy_init();
	if (call->easy == NULL || set_constant_options(call) != CURLE_OK)
	{
		li_call_destroy(call);
		return NULL;
	}
	return call;
}

void
li_call_destroy(LiHttpCall *call)
{
	curl_easy_cleanup(call->easy);
	free(call->headers.data);
	free(call->body.data);
	free(call);
}

void
li_call_reset(LiHttpCall *call, const LiHttpRequest *request)
{
	call->request = request;
	call->host = NULL;
	call->body_sent = 0;
	call->resent = false;
	call->address_refused = false;
	call->too_large = false;
	call->no_memory = false;
	call->headers_done = false;
	call->header_bytes = 0;
	call->start_us = li_now_us();
	call->last_byte_us = 0;
	li_buffer_clear(&call->headers);
	li_buffer_clear(&call->body);
	memset(&call->response, 0, sizeof(call->response));
	call->response.sent_us = -1;
	call->response.first_byte_us = -1;
}

bool
li_call_set_headers(LiHttpCall *call)
{
	const char *const *header = call->request->headers;
	struct curl_slist *list = call->header_list;
	int			n = 0;

	/* an empty one, or libcurl waits for "100 Continue" with large bodies */
	list[n++].data = (char *) "Expect:";
	for (; header != NULL && *header != NULL; header++)
	{
		if (n > LI_MAX_REQUEST_HEADERS || strchr(*header, ':') == NULL ||
			strpbrk(*header, "\r\n") != NULL)
			return false;
		list[n++].data = unconstify(char *, *header);
	}
	for (int i = 0; i < n; i++)
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
	return true;
}

/* What is left of a limit in ms, at least 1: to libcurl 0 means none. */
static long
time_left_ms(const LiHttpCall *call, int limit_ms)
{
	int64		left = limit_ms - (li_now_us() - call->start_us) / 1000;

	return (long) Max(left, 1);
}

/*
 * A handle whose transfer failed is not used again: libcurl 8 remembers that the
 * body was to be rewound and fails every later transfer of the handle for that.
 * The connections belong to the multi handle and stay.
 */
static CURLcode
renew_handle(LiHttpCall *call)
{
	CURL	   *easy = curl_easy_init();
	CURLcode	rc;

	if (easy == NULL)
		return CURLE_OUT_OF_MEMORY;
	curl_easy_cleanup(call->easy);
	call->easy = easy;
	call->custom_ca = false;
	rc = set_constant_options(call);
	call->spoilt = rc != CURLE_OK;
	return rc;
}

CURLcode
li_call_prepare(LiHttpCall *call, bool fresh)
{
	const LiHttpRequest *request = call->request;
	CURLcode	rc = call->spoilt ? renew_handle(call) : CURLE_OK;
	CURL	   *easy = call->easy;

	if (call->custom_ca)
	{
		/* there is no other way back to the system's store */
		curl_easy_reset(easy);
		rc = set_constant_options(call);
		call->custom_ca = false;
	}
	if (request->ca_file != NULL)
	{
		call->custom_ca = true;
		SET(CURLOPT_CAINFO, request->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	call->pin.data = li_host_pin(call->host);
	SET(CURLOPT_RESOLVE, call->pin.data != NULL ? &call->pin : NULL);
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_HTTPHEADER, call->header_list);
	if (request->body != NULL)
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len);
	}
	else
		SET(CURLOPT_HTTPGET, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, time_left_ms(call, request->connect_timeout_ms));
	SET(CURLOPT_TIMEOUT_MS, time_left_ms(call, request->timeout_ms));
	SET(CURLOPT_FRESH_CONNECT, fresh ? 1L : 0L);
	return rc;
}

/*-------------------------------------------------------------------------
 * After
 *-------------------------------------------------------------------------
 */

bool
li_call_may_resend(const LiHttpCall *call, CURLcode code)
{
	long		new_connections = 0;

	switch (code)
	{
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_GOT_NOTHING:
		case CURLE_SEND_FAIL_REWIND:
			break;
		default:
			return false;
	}
	curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &new_connections);
	return !call->resent && call->request->body != NULL &&
		   call->body_sent == 0 && call->last_byte_us == 0 && new_connections == 0;
}

void
li_call_fail(LiHttpCall *call, LiHttpError error, const char *message)
{
	LiHttpResponse *response = &call->response;

	response->error = error;
	strlcpy(response->message, message, sizeof(response->message));
	response->headers = call->headers.len > 0 ? call->headers.data : "";
	response->headers_len = call->headers.len;
	response->body = call->body.len > 0 ? call->body.data : "";
	response->body_len = call->body.len;
	response->total_us = li_now_us() - call->start_us;
	call->request = NULL;
}

void
li_call_conclude(LiHttpCall *call, CURLcode code)
{
	LiHttpResponse *response = &call->response;
	LiHttpError error = li_http_error_of(code);
	char		message[sizeof(response->message)];
	long		status = 0;
	long		os_error = 0;

	call->spoilt = code != CURLE_OK;
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &os_error);
	response->status = (int) status;

	strlcpy(message, code == CURLE_OK ? "" : curl_easy_strerror(code),
			sizeof(message));
	if (call->address_refused)
	{
		error = LI_HTTP_ADDRESS_REFUSED;
		strlcpy(message, "requests may not be sent to the server's address",
				sizeof(message));
	}
	else if (call->too_large)
	{
		error = LI_HTTP_TOO_LARGE;
		strlcpy(message, call->header_bytes > MAX_HEADER_BYTES ? "the response's headers are too large" : "the response is too large", sizeof(message));
	}
	else if (call->no_memory)
		strlcpy(message, "out of memory", sizeof(message));
	else if (code == CURLE_SEND_FAIL_REWIND || code == CURLE_ABORTED_BY_CALLBACK)
		strlcpy(message, "the server closed a kept connection without an answer",
				sizeof(message));
	else if (error == LI_HTTP_CONNECT && os_error != 0)
		snprintf(message, sizeof(message), "%s: %s",
				 curl_easy_strerror(code), strerror((int) os_error));

	li_call_fail(call, error, message);
}
