/*-------------------------------------------------------------------------
 *
 * message.h
 *		An HTTP request and its response as plain structs.
 *
 * The one vocabulary that the transport (http/pool.c) and the provider
 * dialects (llm/) share: bytes and headers, no libcurl type, no JSON.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HTTP_MESSAGE_H
#define LI_HTTP_MESSAGE_H

/*
 * How a transfer ended.  Anything but LI_HTTP_OK means that no complete
 * response was read; "status" may then still be set when headers had come.
 */
typedef enum LiHttpError
{
	LI_HTTP_OK,					/* a complete response, whatever its status */
	LI_HTTP_RESOLVE_TEMPORARY,	/* name look-up failed for now */
	LI_HTTP_RESOLVE_UNKNOWN,	/* three look-ups in a row found no such name */
	LI_HTTP_CONNECT,			/* refused, unreachable, reset while connecting */
	LI_HTTP_ADDRESS_REFUSED,	/* our own rule: private or otherwise unwanted address */
	LI_HTTP_TLS_HANDSHAKE,		/* TLS was cut or failed for now */
	LI_HTTP_TLS_CERTIFICATE,	/* certificate, host name or CA file is wrong */
	LI_HTTP_TIMEOUT,			/* a deadline passed */
	LI_HTTP_CUT,				/* connection lost or body incomplete */
	LI_HTTP_TOO_LARGE,			/* body or headers beyond the cap */
	LI_HTTP_BAD_REQUEST			/* the request could not be formed (URL, header) */
} LiHttpError;

/*
 * A request.  All memory belongs to the caller and must stay valid until the
 * call is done or freed.
 */
typedef struct LiHttpRequest
{
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated */
	const char *body;			/* NULL: GET, else POST */
	size_t		body_len;
	int			connect_timeout_ms;
	int			timeout_ms;		/* whole transfer */
	size_t		max_response;	/* body bytes */
	const char *ca_file;		/* the only store trusted; NULL: the system's */
	bool		allow_private;	/* private addresses, and plain HTTP beyond
								 * loopback */
} LiHttpRequest;

/*
 * What came back.  Owned by the call; "headers" holds the raw header lines of
 * the final response (CRLF kept), "body" is NUL-terminated beside its length.
 * Both are empty, never NULL, when nothing came.
 */
typedef struct LiHttpResponse
{
	LiHttpError error;
	char		message[256];	/* for people; no secret, no body text */
	int			status;			/* 0: none came */
	const char *headers;
	size_t		headers_len;
	const char *body;
	size_t		body_len;
	int64		sent_us;		/* since start; -1: did not get that far */
	int64		first_byte_us;
	int64		total_us;
} LiHttpResponse;

#endif /* LI_HTTP_MESSAGE_H */
