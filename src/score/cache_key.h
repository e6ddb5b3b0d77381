/*-------------------------------------------------------------------------
 *
 * cache_key.h
 *		When two jobs ask the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_CACHE_KEY_H
#define LI_SCORE_CACHE_KEY_H

#include "score/load.h"
#include "../task.h"

/*
 * A hash of the person, the provider and all that is sent but the nonce, as
 * hexadecimal digits in the current memory context.  "ask" has the messages,
 * "profile_text" what is between the fences, "form" what the answer is held
 * to.  Throws when no hash can be computed.
 */
extern char *li_cache_key(const LiJob *job, const LiFacts *facts, const LiAsk *ask,
						  const char *profile_text, const LiAnswerForm *form);

#endif							/* LI_SCORE_CACHE_KEY_H */
