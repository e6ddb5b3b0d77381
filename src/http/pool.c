/*-------------------------------------------------------------------------
 *
 * pool.c
 *		Many HTTP transfers at once behind one readable descriptor.
 *
 * One curl multi handle, driven by events.  Its sockets sit in a private,
 * level-triggered epoll descriptor, which is itself one readable descriptor
 * for the caller's WaitEventSet (that can neither hold hundreds of sockets nor
 * drop one).  A call moves from WAITING (for its host's address) to RUNNING,
 * DONE, TAKEN (by the caller) and FREE, where its handle and buffers wait for
 * the next request.
 *
 * Rules: nothing in here or in call.c, least of all a callback, may leave by
 * longjmp, so memory is malloc'd, faults are values and no interrupt is served.
 * All signals are blocked while libcurl and the resolver run, so that no thread
 * they start can ever execute a signal handler of PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <curl/curl.h>

#include "lib/ilist.h"

#include "http/call.h"
#include "http/pool.h"
#include "http/resolve.h"

#define EVENTS_PER_DRIVE 256

/*
 * From its first byte on an answer must not stop for this long.  A byte now
 * and then is enough: some gateways send blanks while the model thinks.
 */
#define STALL_US INT64CONST(30000000)
#define SWEEP_US INT64CONST(1000000)

struct LiHttpPool
{
	CURLM	   *multi;
	int			epoll_fd;
	LiResolver *resolver;
	dlist_head	calls[LI_CALL_STATES];
	int			open_calls;
	int64		next_sweep_us;
};

static void
block_signals(sigset_t *saved)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
}

static void
restore_signals(const sigset_t *saved)
{
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

static bool
is_open(LiCallState state)
{
	return state == LI_CALL_WAITING || state == LI_CALL_RUNNING;
}

static void
move_call(LiHttpCall *call, LiCallState state)
{
	LiHttpPool *pool = call->pool;

	pool->open_calls += is_open(state) - is_open(call->state);
	dlist_delete(&call->node);
	dlist_push_tail(&pool->calls[state], &call->node);
	call->state = state;
}

static int
socket_callback(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	LiHttpPool *pool = arg;
	struct epoll_event event = { .data.fd = fd };

	if (what == CURL_POLL_REMOVE)
	{
		epoll_ctl(pool->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
				   (what & CURL_POLL_OUT ? EPOLLOUT : 0);
	if (known == NULL)
	{
		if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
			return -1;
		curl_multi_assign(pool->multi, fd, pool); /* any pointer: known now */
	}
	else if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
		return -1;
	return 0;
}

/* A call that never reached libcurl, or was taken from it. */
static void
finish(LiHttpCall *call, LiHttpError error, const char *message)
{
	li_call_fail(call, error, message);
	move_call(call, LI_CALL_DONE);
}

static void
finish_transfer(LiHttpCall *call, CURLcode code)
{
	li_call_conclude(call, code);
	move_call(call, LI_CALL_DONE);
}

/* Takes a running call out of libcurl's hands; its connection is closed. */
static void
stop_transfer(LiHttpCall *call)
{
	curl_multi_remove_handle(call->pool->multi, call->easy);
}

/* Gives a call whose host's addresses are known to libcurl. */
static void
launch(LiHttpCall *call, bool fresh)
{
	CURLcode	rc = li_call_prepare(call, fresh);

	if (rc == CURLE_OK &&
		curl_multi_add_handle(call->pool->multi, call->easy) != CURLM_OK)
		rc = CURLE_OUT_OF_MEMORY;
	if (rc == CURLE_OK)
		move_call(call, LI_CALL_RUNNING);
	else
		finish_transfer(call, rc);
}

/* Launches a waiting call if its host's addresses are known, or ends it. */
static void
begin(LiHttpCall *call)
{
	switch (li_host_state(call->host, li_now_us()))
	{
		case LI_HOST_READY:
			launch(call, false);
			break;
		case LI_HOST_WAITING:
			break;
		case LI_HOST_TEMPORARY:
			finish(call, LI_HTTP_RESOLVE_TEMPORARY,
				   "the server's name could not be looked up");
			break;
		case LI_HOST_UNKNOWN:
			finish(call, LI_HTTP_RESOLVE_UNKNOWN,
				   "the server's name does not exist");
			break;
	}
}

LiHttpCall *
li_http_start(LiHttpPool *pool, const LiHttpRequest *request, void *owner)
{
	LiHttpCall *call;
	const char *fault;
	sigset_t	saved;

	if (dlist_is_empty(&pool->calls[LI_CALL_FREE]))
	{
		call = li_call_create();
		if (call == NULL)
			return NULL;
		call->pool = pool;
		call->state = LI_CALL_FREE;
		dlist_push_tail(&pool->calls[LI_CALL_FREE], &call->node);
	}
	/* the one used last is still in the processor's cache */
	call = dlist_tail_element(LiHttpCall, node, &pool->calls[LI_CALL_FREE]);
	call->owner = owner;
	li_call_reset(call, request);
	move_call(call, LI_CALL_WAITING);

	if (pool->open_calls == 1)
		pool->next_sweep_us = call->start_us + SWEEP_US;

	block_signals(&saved);
	call->host = li_resolver_host(pool->resolver, request->url, &fault);
	if (call->host == NULL)
		finish(call, LI_HTTP_BAD_REQUEST, fault);
	else if (!li_call_set_headers(call))
		finish(call, LI_HTTP_BAD_REQUEST, "a request header is malformed");
	else
		begin(call);
	restore_signals(&saved);
	return call;
}

/*-------------------------------------------------------------------------
 * Driving
 *-------------------------------------------------------------------------
 */

static void
collect_done(LiHttpPool *pool)
{
	CURLMsg	   *msg;
	int			left;

	while ((msg = curl_multi_info_read(pool->multi, &left)) != NULL)
	{
		LiHttpCall *call;
		CURLcode	code = msg->data.result;
		char	   *private;

		if (msg->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		call = (LiHttpCall *) private;
		stop_transfer(call);
		if (li_call_may_resend(call, code))
		{
			call->resent = call->spoilt = true;
			launch(call, true);
		}
		else
			finish_transfer(call, code);
	}
}

/* Once a second: what no event tells of. */
static void
sweep(LiHttpPool *pool)
{
	int64		now = li_now_us();
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &pool->calls[LI_CALL_WAITING])
	{
		LiHttpCall *call = dlist_container(LiHttpCall, node, iter.cur);

		if (now - call->start_us >
			(int64) 1000 * Min(call->request->connect_timeout_ms,
							   call->request->timeout_ms))
			finish(call, LI_HTTP_TIMEOUT, "the look-up of the server's name took too long");
	}
	dlist_foreach_modify(iter, &pool->calls[LI_CALL_RUNNING])
	{
		LiHttpCall *call = dlist_container(LiHttpCall, node, iter.cur);

		if (call->last_byte_us > 0 && now - call->last_byte_us > STALL_US)
		{
			stop_transfer(call);
			finish_transfer(call, CURLE_OPERATION_TIMEDOUT);
		}
	}
	pool->next_sweep_us = now + SWEEP_US;
}

static void
begin_waiting(LiHttpPool *pool)
{
	dlist_mutable_iter iter;

	li_resolver_clear(pool->resolver);
	dlist_foreach_modify(iter, &pool->calls[LI_CALL_WAITING])
		begin(dlist_container(LiHttpCall, node, iter.cur));
}

/*
 * Does what can be done without waiting.  What is still ready afterwards makes
 * the descriptor readable again at once.
 */
bool
li_http_drive(LiHttpPool *pool)
{
	struct epoll_event events[EVENTS_PER_DRIVE];
	int			resolver_fd = li_resolver_fd(pool->resolver);
	int			running;
	int			n;
	long		timeout;
	bool		names = false;
	sigset_t	saved;

	block_signals(&saved);

	n = epoll_wait(pool->epoll_fd, events, EVENTS_PER_DRIVE, 0);
	for (int i = 0; i < n; i++)
	{
		int			mask = 0;

		if (events[i].data.fd == resolver_fd)
		{
			begin_waiting(pool);
			names = true;
			continue;
		}
		if (events[i].events & EPOLLIN)
			mask |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			mask |= CURL_CSELECT_OUT;
		if (events[i].events & (EPOLLERR | EPOLLHUP))
			mask |= CURL_CSELECT_ERR;
		curl_multi_socket_action(pool->multi, events[i].data.fd, mask, &running);
	}
	if (curl_multi_timeout(pool->multi, &timeout) == CURLM_OK && timeout == 0)
		curl_multi_socket_action(pool->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect_done(pool);
	if (pool->open_calls > 0 && li_now_us() >= pool->next_sweep_us)
		sweep(pool);

	restore_signals(&saved);
	return names;
}

LiNameState
li_http_name_state(LiHttpPool *pool, const char *url)
{
	const char *fault;
	LiHost	   *host = li_resolver_host(pool->resolver, url, &fault);

	return host == NULL ? LI_NAME_KNOWN : li_host_name_state(host, li_now_us());
}

long
li_http_pool_timeout(const LiHttpPool *pool)
{
	long		timeout = -1;
	long		sweep_ms;

	if (!dlist_is_empty(&unconstify(LiHttpPool *, pool)->calls[LI_CALL_DONE]))
		return 0;
	if (pool->open_calls == 0)
		return -1;
	curl_multi_timeout(pool->multi, &timeout);
	sweep_ms = (long) ((pool->next_sweep_us - li_now_us()) / 1000) + 1;
	sweep_ms = Max(sweep_ms, 0);
	return timeout < 0 ? sweep_ms : Min(timeout, sweep_ms);
}

/*-------------------------------------------------------------------------
 * The pool and its calls
 *-------------------------------------------------------------------------
 */

LiHttpPool *
li_http_pool_create(int max_connections)
{
	LiHttpPool *pool;
	struct epoll_event event = { .events = EPOLLIN };

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return NULL;
	pool = calloc(1, sizeof(LiHttpPool));
	if (pool == NULL)
		return NULL;
	for (int i = 0; i < LI_CALL_STATES; i++)
		dlist_init(&pool->calls[i]);
	pool->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	pool->multi = curl_multi_init();
	pool->resolver = li_resolver_create();
	if (pool->epoll_fd < 0 || pool->multi == NULL || pool->resolver == NULL)
	{
		li_http_pool_destroy(pool);
		return NULL;
	}
	event.data.fd = li_resolver_fd(pool->resolver);
	if (epoll_ctl(pool->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event) < 0)
	{
		li_http_pool_destroy(pool);
		return NULL;
	}
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, socket_callback);
	curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
	curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING);
	curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long) max_connections);
	curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
					  (long) max_connections);
	return pool;
}

void
li_http_pool_destroy(LiHttpPool *pool)
{
	sigset_t	saved;

	li_http_abort_all(pool);
	block_signals(&saved);
	while (!dlist_is_empty(&pool->calls[LI_CALL_FREE]))
	{
		LiHttpCall *call = dlist_container(LiHttpCall, node,
										   dlist_pop_head_node(&pool->calls[LI_CALL_FREE]));

		li_call_destroy(call);
	}
	/* closes the kept connections, and with them takes their sockets out */
	if (pool->multi != NULL)
		curl_multi_cleanup(pool->multi);
	if (pool->resolver != NULL)
		li_resolver_destroy(pool->resolver);
	if (pool->epoll_fd >= 0)
		close(pool->epoll_fd);
	free(pool);
	curl_global_cleanup();
	restore_signals(&saved);
}

int
li_http_pool_fd(const LiHttpPool *pool)
{
	return pool->epoll_fd;
}

LiHttpCall *
li_http_next_done(LiHttpPool *pool)
{
	LiHttpCall *call;

	if (dlist_is_empty(&pool->calls[LI_CALL_DONE]))
		return NULL;
	call = dlist_head_element(LiHttpCall, node, &pool->calls[LI_CALL_DONE]);
	move_call(call, LI_CALL_TAKEN);
	return call;
}

void *
li_http_call_owner(const LiHttpCall *call)
{
	return call->owner;
}

const LiHttpResponse *
li_http_call_response(const LiHttpCall *call)
{
	return &call->response;
}

int64
li_http_call_sent_us(const LiHttpCall *call)
{
	return call->response.sent_us;
}

void
li_http_call_free(LiHttpCall *call)
{
	if (call->state == LI_CALL_RUNNING)
	{
		sigset_t	saved;

		block_signals(&saved);
		stop_transfer(call);
		call->spoilt = true;
		restore_signals(&saved);
	}
	call->request = NULL;
	li_buffer_clear(&call->headers);
	li_buffer_clear(&call->body);
	move_call(call, LI_CALL_FREE);
}

void
li_http_abort_all(LiHttpPool *pool)
{
	for (int state = LI_CALL_WAITING; state < LI_CALL_STATES; state++)
	{
		while (!dlist_is_empty(&pool->calls[state]))
			li_http_call_free(dlist_head_element(LiHttpCall, node,
												 &pool->calls[state]));
	}
}

int
li_http_pool_open_calls(const LiHttpPool *pool)
{
	return pool->open_calls;
}
