/*-------------------------------------------------------------------------
 *
 * outcome.h
 *		What a failed call means: one table for all dialects.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_OUTCOME_H
#define LI_LLM_OUTCOME_H

#include "http/message.h"
#include "llm/provider.h"
#include "task.h"

/* What an error reply says; any of the texts may be NULL. */
typedef struct LiErrorReply
{
	int			status;
	const char *code;
	const char *type;
	const char *param;
	const char *message;		/* as it came; never stored like that */
} LiErrorReply;

/* An outcome without a hint; code and message are static or in the context. */
extern LiOutcome li_outcome(LiClass class, const char *code, const char *message);

/* No complete response was read (response->error is not LI_HTTP_OK). */
extern LiOutcome li_outcome_of_transport(const LiHttpResponse *response);

/*
 * The server answered with an error.  The headers of the response add the
 * hints; endpoint and ask tell what the message must not repeat.
 */
extern LiOutcome li_outcome_of_error(const LiErrorReply *reply,
									 const LiHttpResponse *response,
									 const LiEndpoint *endpoint,
									 const LiAsk *ask);

#endif /* LI_LLM_OUTCOME_H */
