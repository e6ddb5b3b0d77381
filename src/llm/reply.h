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

/*
 * Fills *answer from the reply object of a successful response that holds no
 * error; what every answer has is there already.
 */
typedef void (*LiReadCompletion) (const json_t *root, LiAnswer *answer);

/*
 * LiProvider.read of every dialect: transport, limits and errors, which the
 * dialects tell alike, and for the rest the dialect's own function.
 */
extern void li_reply_read(const LiEndpoint *endpoint, const LiHttpResponse *response,
						  const LiAsk *ask, LiReadCompletion read_completion,
						  LiAnswer *answer);

/* An answer that knows nothing yet but what the headers tell. */
extern void li_reply_begin(LiAnswer *answer, const LiHttpResponse *response);

/*
 * The reply object of a successful response.  NULL: there is none, and the
 * answer's outcome says why.
 */
extern LiJson *li_reply_object(LiAnswer *answer, const LiHttpResponse *response);

/*
 * The text of a content, in the current context: a string, or a list of parts
 * of which those of type text are joined.  Never NULL.
 */
extern char *li_reply_text(const json_t *content);

/* Nothing but blanks? */
extern bool li_reply_is_blank(const char *text);

/* A member that is a string, clipped to LI_MAX_NAME_BYTES; NULL: it is none. */
extern char *li_reply_name(const json_t *object, const char *key);

/* A member that is a count of tokens; -1: it is none. */
extern int	li_reply_count(const json_t *object, const char *key);

#endif /* LI_LLM_REPLY_H */
