/*-------------------------------------------------------------------------
 *
 * call.h
 *		One request on its way through libcurl.
 *
 * Only pool.c uses this.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_CALL_H
#define LI_HTTP_CALL_H

#include <curl/curl.h>

#include "lib/ilist.h"

#include "http/buffer.h"
#include "http/pool.h"
#include "http/resolve.h"

#define LI_MAX_REQUEST_HEADERS 64

/* Which of the pool's lists a call is in. */
typedef enum LiCallState
{
	LI_CALL_FREE,				/* handle and buffers wait for a request */
	LI_CALL_WAITING,			/* for the addresses of its host */
	LI_CALL_RUNNING,			/* in libcurl's hands */
	LI_CALL_DONE,
	LI_CALL_TAKEN				/* by the caller */
} LiCallState;

#define LI_CALL_STATES (LI_CALL_TAKEN + 1)

struct LiHttpCall
{
	/* the pool's */
	dlist_node	node;
	LiHttpPool *pool;
	LiCallState state;
	void	   *owner;

	/* call.c's; the pool reads some of them */
	CURL	   *easy;
	bool		spoilt;			/* the handle's last transfer failed */
	bool		custom_ca;		/* the handle's CA options are not the default */
	const LiHttpRequest *request; /* NULL unless WAITING or RUNNING */
	LiHost	   *host;
	size_t		body_sent;		/* bytes that libcurl has read */
	bool		resent;			/* the one free resend is used */
	bool		address_refused;
	bool		too_large;
	bool		no_memory;
	bool		headers_done;
	size_t		header_bytes;	/* of all header blocks */
	int64		start_us;
	int64		last_byte_us;	/* of the answer; 0: none yet */
	LiBuffer	headers;
	LiBuffer	body;
	LiHttpResponse response;

	/* lists as libcurl wants them, pointing at strings of others */
	struct curl_slist header_list[LI_MAX_REQUEST_HEADERS + 1];
	struct curl_slist pin;
};

/* Monotonic. */
extern int64 li_now_us(void);

/* NULL: no memory. */
extern LiHttpCall *li_call_create(void);
extern void li_call_destroy(LiHttpCall *call);

/* Makes a call that holds nothing any more ready for a request. */
extern void li_call_reset(LiHttpCall *call, const LiHttpRequest *request);

/* Takes over the request's header lines; false: one of them may not be sent. */
extern bool li_call_set_headers(LiHttpCall *call);

/*
 * Sets the handle's options, so that it can be given to the multi handle.
 * fresh: on a new connection.
 */
extern CURLcode li_call_prepare(LiHttpCall *call, bool fresh);

/*
 * May a transfer that ended with "code" be sent again without anybody paying
 * twice?
 */
extern bool li_call_may_resend(const LiHttpCall *call, CURLcode code);

/* Fills the response of a transfer that has ended... */
extern void li_call_conclude(LiHttpCall *call, CURLcode code);

/* ...or never was one, or was ended by us. */
extern void li_call_fail(LiHttpCall *call, LiHttpError error,
						 const char *message);

#endif /* LI_HTTP_CALL_H */
