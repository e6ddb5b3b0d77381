/*-------------------------------------------------------------------------
 *
 * task.h
 *		Scoring, as the engine sees it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_TASK_H
#define LI_SCORE_TASK_H

#include "../task.h"

extern const LiTaskKind li_scoring_task;

/* The question of a job that li_scoring_task.open() has opened. */
extern const struct LiQuestion *li_scoring_question(const void *state);

#endif							/* LI_SCORE_TASK_H */
