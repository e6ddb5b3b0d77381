/*-------------------------------------------------------------------------
 *
 * form.h
 *		What was asked for, and so what an answer must look like.
 *
 * Free of jansson, whose json_object() is also the name of a function that the
 * server's headers declare: files that include those use this header.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_FORM_H
#define LI_SCORE_FORM_H

typedef enum LiAnswerKind
{
	LI_ANSWER_OBJECT,			/* any JSON object */
	LI_ANSWER_SCHEMA,			/* a template's response_schema */
	LI_ANSWER_RUBRIC,
	LI_ANSWER_COMPATIBILITY
} LiAnswerKind;

typedef struct LiRole
{
	const char *role;
	const char *title;
	const char *description;	/* NULL: none */
} LiRole;

typedef struct LiAnswerForm
{
	LiAnswerKind kind;
	const char *schema;			/* JSON text; NULL for LI_ANSWER_OBJECT */
	const char *const *keys;	/* LI_ANSWER_RUBRIC: the criteria */
	int			n_keys;
	const LiRole *roles;		/* LI_ANSWER_COMPATIBILITY */
	int			n_roles;
} LiAnswerForm;

#endif							/* LI_SCORE_FORM_H */
