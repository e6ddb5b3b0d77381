/*-------------------------------------------------------------------------
 *
 * result.h
 *		A judged answer as it is stored.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_RESULT_H
#define LI_SCORE_RESULT_H

#include "score/answer.h"
#include "score/profile_text.h"

/* What is known of the call beside its answer. */
typedef struct LiResultFacts
{
	const char *model;			/* that answered; NULL: not told */
	const char *finish_reason;	/* NULL: not told */
	int			prompt_tokens;	/* -1: not told */
	int			completion_tokens;	/* -1: not told */
	const char *timestamp;		/* when it was judged */
	const LiShortened *shortened;
	int			n_shortened;
	const char *const *injection;	/* kinds of instruction in the profile */
	int			n_injection;
} LiResultFacts;

/*
 * The answer with "_metadata" as JSON text that jsonb accepts, in the current
 * memory context; NULL: out of memory.  A member of that name that the model
 * gave is replaced.
 */
extern char *li_result_write(const LiJudgement *judgement, const LiResultFacts *facts);

#endif							/* LI_SCORE_RESULT_H */
