/*-------------------------------------------------------------------------
 *
 * request.h
 *		What the dialects share when they build a request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_REQUEST_H
#define LI_LLM_REQUEST_H

#include "lib/stringinfo.h"

#include "llm/provider.h"

/*
 * Checks everything that goes into the URL, the headers and the parameters.
 * NULL, or a static text that names what is at fault.
 */
extern const char *li_request_fault(const LiEndpoint *endpoint, const LiAsk *ask);

/* base_url and path ("/chat/completions") joined by one slash. */
extern char *li_request_url(const LiEndpoint *endpoint, const char *path);

/* Is base_url's host this one, or below it? */
extern bool li_request_host_is(const LiEndpoint *endpoint, const char *host);

/* A JSON string, byte for byte what was given; text is valid UTF-8. */
extern void li_append_json_string(StringInfo out, const char *text);

/*
 * "own" (count strings, NULL ones left out), what every request carries, and
 * the endpoint's extra headers, as LiHttpRequest wants them.
 */
extern const char *const *li_request_headers(const LiEndpoint *endpoint,
											 char *const *own, int count);

#endif /* LI_LLM_REQUEST_H */
