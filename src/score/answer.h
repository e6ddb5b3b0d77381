/*-------------------------------------------------------------------------
 *
 * answer.h
 *		Judging what a model has answered.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_ANSWER_H
#define LI_SCORE_ANSWER_H

#include "score/evidence.h"
#include "score/form.h"

struct LiJson;					/* json.h; see form.h */

/* Strings in the memory context current at li_answer_judge(), or static. */
typedef struct LiJudgement
{
	const char *fault;			/* invalid_json, schema_violation; NULL: accepted */
	const char *path;			/* where; names from our schema only; may be empty */

	int			missing;		/* criteria that were left out */
	const char *missing_path;	/* the first of them */
	bool		unscored;		/* a criterion has no score, for whatever reason */
	bool		ungrounded;		/* a scored criterion without evidence */
	const char **scores;		/* per key: numeric; NULL: none */
	const char *model_total;	/* numeric; NULL: the model gave none */
	const char *overall;		/* OBJECT, SCHEMA: its overall_score; NULL: none */
	const char *recommended_role;

	struct LiJson *answer;		/* the answer with its grounding; NULL on a fault */
} LiJudgement;

/*
 * Judges "content" against "form"; quotes are looked for in "evidence".  What
 * the model left out of a rubric is filled in as unscored.
 */
extern void li_answer_judge(const LiAnswerForm *form, const char *content,
							LiEvidence *evidence, LiJudgement *judgement);

#endif							/* LI_SCORE_ANSWER_H */
