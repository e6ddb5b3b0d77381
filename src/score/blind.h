/*-------------------------------------------------------------------------
 *
 * blind.h
 *		Withholding a person's name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_BLIND_H
#define LI_SCORE_BLIND_H

#define LI_BLIND_NAME "the candidate"

typedef struct LiBlind LiBlind;

/*
 * The names to withhold, already cleaned; first and last name may be NULL.
 * In the current memory context, into which the names are copied.
 */
extern LiBlind *li_blind_new(const char *full_name, const char *first_name,
							 const char *last_name);

/* "text" without the names, in the current memory context; NULL stays NULL. */
extern char *li_blind_apply(const LiBlind *blind, const char *text);

#endif							/* LI_SCORE_BLIND_H */
