/*-------------------------------------------------------------------------
 *
 * redact.h
 *		Text of others made fit for an error message.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_REDACT_H
#define LI_LLM_REDACT_H

#include "llm/provider.h"
#include "task.h"

/* Bytes of an id, a model's name and the like, and of an error message. */
#define LI_MAX_NAME_BYTES 200
#define LI_MAX_MESSAGE_BYTES 300

/*
 * A copy of UTF-8 text cut to at most max_bytes on a character boundary, with
 * blanks for control characters.
 */
extern char *li_clip(const char *text, int max_bytes);

/*
 * A provider's error message as one line of at most LI_MAX_MESSAGE_BYTES with
 * nothing in it that looks like a key, is the endpoint's key, is a long
 * quotation, or comes from the question.  NULL: nothing is left of it.
 */
extern char *li_safe_message(const char *message, const LiEndpoint *endpoint,
							 const LiAsk *ask);

#endif /* LI_LLM_REDACT_H */
