/*-------------------------------------------------------------------------
 *
 * template_check.h
 *		What is wrong with a template that is being saved?
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_TEMPLATE_CHECK_H
#define LI_SCORE_TEMPLATE_CHECK_H

#include "score/faults.h"

/*
 * Adds what is wrong to "faults" and what is doubtful to "doubts".  Texts may
 * be NULL; rubric and response_schema are JSON.
 */
extern void li_template_check(bool compatibility, const char *system_text,
							  const char *prompt_text, const char *rubric,
							  const char *response_schema,
							  LiFaults *faults, LiFaults *doubts);

#endif							/* LI_SCORE_TEMPLATE_CHECK_H */
