/*-------------------------------------------------------------------------
 *
 * reply.h
 *		What the dialects share when they read a reply.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_REPLY_H
#define LI_LLM_REPLY_H

#include "json.h"
#include "llm/provider.h"

/* An answer that knows nothing yet but the request id, if there is one. */
extern void li_reply_begin(LiAnswer *answer, const LiHttpResponse *response);

/*
 * The reply object of a successful response.  NULL: there is none, and the
 * answer's outcome says why.
 */
extern LiJson *li_reply_object(LiAnswer *answer, const LiHttpResponse *response);

/* A member that is a string, clipped to LI_MAX_NAME_BYTES; NULL: it is none. */
extern char *li_reply_name(const json_t *object, const char *key);

/* A member that is a count of tokens; -1: it is none. */
extern int li_reply_count(const json_t *object, const char *key);

#endif /* LI_LLM_REPLY_H */
