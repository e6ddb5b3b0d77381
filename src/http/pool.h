/*-------------------------------------------------------------------------
 *
 * pool.h
 *		Many HTTP transfers at once behind one readable descriptor.
 *
 * See pool.c for the rules.  Nothing here throws a PostgreSQL error, touches
 * SQL, waits, or knows what the bytes mean.  SIGPIPE must be ignored by the
 * process, as every server process does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_POOL_H
#define LI_HTTP_POOL_H

#include "http/message.h"

typedef struct LiHttpPool LiHttpPool;
typedef struct LiHttpCall LiHttpCall;

/*
 * A pool that holds at most max_connections connections, kept ones included;
 * further calls queue.  It needs that many descriptors and four of its own.
 * NULL: no memory or no descriptor.  Call it in the process that uses it,
 * never before a fork.
 */
extern LiHttpPool *li_http_pool_create(int max_connections);

/* Aborts everything and gives all memory back; does not wait for the network. */
extern void li_http_pool_destroy(LiHttpPool *pool);

/*
 * The descriptor to wait on (readable: call li_http_drive) and the longest
 * wait in ms before li_http_drive is due anyway (-1: none, 0: now).
 */
extern int li_http_pool_fd(const LiHttpPool *pool);
extern long li_http_pool_timeout(const LiHttpPool *pool);

/*
 * Starts a call; the next li_http_drive sends it.  A request that cannot be
 * sent becomes a call that is done, with the error in its response.  NULL:
 * out of memory.
 */
extern LiHttpCall *li_http_start(LiHttpPool *pool, const LiHttpRequest *request,
								 void *owner);

/* True: a look-up of a name has ended, so li_http_name_state may differ. */
extern bool li_http_drive(LiHttpPool *pool);

/*
 * What is known of the name in a URL.  Calls to a name whose look-up hangs or
 * fails can do nothing but fail too: the caller does well to send one at most.
 */
typedef enum LiNameState
{
	LI_NAME_KNOWN,				/* or it is an address, or no name at all */
	LI_NAME_NEW,				/* a call will cause a look-up */
	LI_NAME_PENDING				/* the look-up is under way or has just failed */
} LiNameState;

extern LiNameState li_http_name_state(LiHttpPool *pool, const char *url);

/* Hands out each call that is done once; NULL: no more for now. */
extern LiHttpCall *li_http_next_done(LiHttpPool *pool);

extern void *li_http_call_owner(const LiHttpCall *call);

/* Valid from when the call was handed out until it is freed. */
extern const LiHttpResponse *li_http_call_response(const LiHttpCall *call);

/*
 * When did the request leave, as microseconds since the start; -1: not yet.
 * For calls under way, so that a cancelled one is known to be paid or not.
 */
extern int64 li_http_call_sent_us(const LiHttpCall *call);

/* Ends a call in any state: one under way is aborted. */
extern void li_http_call_free(LiHttpCall *call);

/*
 * Frees every call, those under way and those handed out: all LiHttpCall
 * pointers the caller still has are void.  Safe at any time.
 */
extern void li_http_abort_all(LiHttpPool *pool);

/* Calls under way: started and not done. */
extern int li_http_pool_open_calls(const LiHttpPool *pool);

#endif /* LI_HTTP_POOL_H */
