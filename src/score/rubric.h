/*-------------------------------------------------------------------------
 *
 * rubric.h
 *		Criteria, their weights, and the answer they ask for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_RUBRIC_H
#define LI_SCORE_RUBRIC_H

#include "json.h"
#include "score/faults.h"

typedef struct LiCriterion
{
	const char *key;
	const char *title;
	const char *description;
	const char *levels;			/* lines "  25: ..."; empty: none */
	const char *weight;			/* numeric */
} LiCriterion;

typedef struct LiRubric
{
	LiCriterion *criteria;
	int			n;
} LiRubric;

/*
 * Reads a rubric; in the current memory context.  Adds every fault to "faults"
 * and returns NULL if there was one.
 */
extern LiRubric *li_rubric_read(const json_t *json, LiFaults *faults);

/* The criteria as a prompt tells them; weights are no part of the question. */
extern char *li_rubric_describe(const LiRubric *rubric);

/*
 * The schema of the answer as JSON text.  With "fractions" a score may be any
 * number from 0 to 100.
 */
extern char *li_rubric_schema(const LiRubric *rubric, bool fractions);

#endif							/* LI_SCORE_RUBRIC_H */
