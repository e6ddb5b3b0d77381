/*-------------------------------------------------------------------------
 *
 * template.h
 *		A template version, ready to ask with.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_TEMPLATE_H
#define LI_SCORE_TEMPLATE_H

#include "score/form.h"

/* As stored; NULL where SQL is null, rubric and response_schema as JSON text. */
typedef struct LiTemplateRow
{
	const char *stage;
	const char *system_text;
	const char *prompt_text;
	const char *rubric;
	const char *response_schema;
	bool		blind;
} LiTemplateRow;

typedef struct LiTemplate
{
	LiAnswerKind kind;
	const char *system_text;	/* NULL: none */
	const char *prompt_text;
	bool		blind;
	const char *rubric;			/* as told to the model; NULL: no rubric */
	const char *schema;			/* sent to the model; NULL: none is */
	const char *answer_schema;	/* what the answer is held to; NULL: any object,
								 * or compatibility, whose roles may change */
	const char *loose_schema;	/* rubric only: the same with fractions */
	const char **keys;			/* of the criteria */
	const char **weights;		/* numeric */
	int			n_keys;
} LiTemplate;

/*
 * Parses a row into *template, which refers to the row's texts; the rest is in
 * the current memory context.  *problem (static) is NULL unless the template
 * cannot be used, which a saved one can if its save was not checked (restore).
 */
extern void li_template_parse(const LiTemplateRow *row, LiTemplate *template,
							  const char **problem);

#endif							/* LI_SCORE_TEMPLATE_H */
