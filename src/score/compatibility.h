/*-------------------------------------------------------------------------
 *
 * compatibility.h
 *		One question that rates every role, and its answer.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_COMPATIBILITY_H
#define LI_SCORE_COMPATIBILITY_H

#include "score/form.h"

struct json_t;					/* json.h; see form.h */

#define LI_COMPATIBILITY_GATE 0.40

/* The roles as a prompt tells them, a line each; in the current memory context. */
extern char *li_compatibility_describe(const LiRole *roles, int n);

/* The schema of the answer as JSON text. */
extern char *li_compatibility_schema(const LiRole *roles, int n);

/*
 * The role with the highest confidence that passes the gate, of equals the
 * first; NULL: none does.  "answer" follows the schema.
 */
extern const char *li_compatibility_recommend(const LiRole *roles, int n,
											  const struct json_t *answer);

#endif							/* LI_SCORE_COMPATIBILITY_H */
