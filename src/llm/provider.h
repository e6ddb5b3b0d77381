/*-------------------------------------------------------------------------
 *
 * provider.h
 *		A provider's dialect: a question to request bytes, a reply to an answer.
 *
 * One dialect is one file that fills one LiProvider; li_provider_find() knows
 * them by llm_providers.kind.  No SQL, no libcurl, no clock: pure functions
 * that also build without the server.  What dialects have in common is in
 * request.c (building), reply.c (reading), outcome.c (errors), retry.c (hints),
 * rates.c (limits) and redact.c (messages).
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_PROVIDER_H
#define LI_LLM_PROVIDER_H

#include "http/message.h"
#include "task.h"

/* Where to send; strings as in llm_providers, references already resolved. */
typedef struct LiEndpoint
{
	const char *base_url;
	const char *key;			/* NULL: none needed */
	const char *organization;	/* NULL: none */
	const char *const *headers; /* extra "Name: value", NULL-terminated; NULL: none */
} LiEndpoint;

typedef struct LiProvider
{
	const char *kind;

	/*
	 * Fills url, headers, body and body_len of *request (memory in the current
	 * context).  Returns NULL, or a static text that says which part of the
	 * endpoint or the question may not stand in a request (never its value).
	 */
	const char *(*build)(const LiEndpoint *endpoint, const LiAsk *ask,
						 LiHttpRequest *request);

	/*
	 * Reads whatever came back, transport errors included, into *answer.
	 * Strings in the current context; owns nothing afterwards.  The endpoint's
	 * key and the question are needed to keep them out of messages.
	 */
	void (*read)(const LiEndpoint *endpoint,
				 const LiHttpResponse *response, const LiAsk *ask,
				 LiAnswer *answer);
} LiProvider;

extern const LiProvider li_provider_openai;
extern const LiProvider li_provider_azure;
extern const LiProvider li_provider_anthropic;

/* NULL: no such kind. */
extern const LiProvider *li_provider_find(const char *kind);

#endif /* LI_LLM_PROVIDER_H */
