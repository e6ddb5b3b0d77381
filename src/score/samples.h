/*-------------------------------------------------------------------------
 *
 * samples.h
 *		Stored answers: several put together, one used again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_SAMPLES_H
#define LI_SCORE_SAMPLES_H

#include "score/answer.h"

/* What an answer as it is stored says. */
typedef struct LiStored
{
	LiJudgement judgement;		/* without fault, path and answer */
	bool		injection;		/* the profile reads like an instruction */
	bool		shortened;		/* of the profile */
	bool		spread;			/* the samples differ too much */
	const char *parsed_score;	/* JSON object; NULL: out of memory */
} LiStored;

/*
 * All three take answers as li_result_write() gave them, perhaps through
 * jsonb, perhaps from an older library; one that does not have the form asked
 * for, down to the keys, counts as not there.  Results are in the current
 * memory context.
 */

/* Whether three or more samples are so close that more would tell nothing. */
extern bool li_samples_agree(const LiAnswerForm *form, const char *const *parsed, int n);

/* Fills *stored with the medians of the samples; false when none has the form. */
extern bool li_samples_combine(const LiAnswerForm *form, const char *const *parsed, int n,
							   LiStored *stored);

/*
 * Fills *stored with the answer to the same question of another job, marked as
 * such; false when it does not have the form.
 */
extern bool li_stored_reuse(const LiAnswerForm *form, const char *parsed, LiStored *stored);

#endif							/* LI_SCORE_SAMPLES_H */
