/*-------------------------------------------------------------------------
 *
 * prompt.h
 *		The three messages of a question.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_PROMPT_H
#define LI_SCORE_PROMPT_H

#include "score/profile_text.h"

/* What placeholders stand for; NULL: not known. */
typedef struct LiPromptValues
{
	const LiProfileValues *profile;
	const char *role;
	const char *role_title;
	const char *roles;			/* compatibility: all roles, a line each */
	const char *rubric;
} LiPromptValues;

typedef enum LiPromptPart
{
	LI_PROMPT_SYSTEM,			/* system_text: nothing of a person's */
	LI_PROMPT_TEXT				/* prompt_text */
} LiPromptPart;

/*
 * The name of the first placeholder that may not stand in this part of a
 * template of this kind, in the current memory context; NULL: all may.
 */
extern char *li_prompt_fault(const char *text, LiPromptPart part, bool compatibility);

/* Does the text hold the placeholder? */
extern bool li_prompt_has(const char *text, const char *name);

/*
 * The text with its placeholders replaced; values are never expanded again.
 * What is no known placeholder stays as it is.  In the current memory context.
 */
extern char *li_prompt_expand(const char *text, const LiPromptValues *values);

/* The third message. */
extern char *li_prompt_fence(const char *profile_text, const char *nonce);

/* Bytes that li_prompt_fence() adds to a profile text. */
extern size_t li_prompt_fence_size(const char *nonce);

/* The second message with the sentence that names a fault; path may be NULL. */
extern char *li_prompt_reask(const char *prompt, const char *code, const char *path);

/* Sent where a template or a free prompt gives no system text. */
extern const char li_prompt_system_default[];

#endif							/* LI_SCORE_PROMPT_H */
