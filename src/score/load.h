/*-------------------------------------------------------------------------
 *
 * load.h
 *		What a question is made of, read from the tables.
 *
 * Every function needs SPI to be connected, only reads, leaves the current
 * memory context as it was and allocates its result there.  They throw what
 * their statements throw.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_LOAD_H
#define LI_SCORE_LOAD_H

#include "score/form.h"
#include "score/profile_text.h"
#include "score/template.h"

/* Facts about the model and the role of a job. */
typedef struct LiFacts
{
	int			max_output_tokens;	/* 0: not known */
	bool		json_schema;	/* the model follows strict schemas */
	const char *token_parameter;	/* NULL: not known */
	const char *reasoning_effort;	/* NULL: not sent */
	const char *encoding;		/* how tokens are counted; NULL: not known */
	const char *role_title;		/* NULL: no role */
} LiFacts;

/* NULL: there is no such profile. */
extern LiProfile *li_load_profile(const char *profile_id);

/*
 * NULL with *problem (static) set: there is no such version, or it cannot be
 * used.  The result is shared, and valid until the next call: whoever keeps
 * some of it copies that.
 */
extern const LiTemplate *li_load_template(const char *template_id, int version,
										  const char **problem);

extern void li_load_facts(const char *role, const char *model, LiFacts *facts);

/* All roles by name; returns their number. */
extern int	li_load_roles(LiRole **roles);

#endif							/* LI_SCORE_LOAD_H */
