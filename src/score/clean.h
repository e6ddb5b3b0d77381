/*-------------------------------------------------------------------------
 *
 * clean.h
 *		Text of a profile as it may be sent to a model.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_CLEAN_H
#define LI_SCORE_CLEAN_H

/*
 * What identifies the person inside texts, and what was noticed on the way.
 * Strings may be NULL.  li_cleaner_init() derives "handle".
 */
typedef struct LiCleaner
{
	const char *member_id;
	const char *public_id;		/* only one that cannot be an ordinary word */
	const char *handle;			/* letters of the name, run together, folded */
	bool		hidden_text;	/* text in invisible characters was removed */
} LiCleaner;

typedef enum LiCleanKind
{
	LI_CLEAN_TEXT,				/* keeps lines; bullets become "- " */
	LI_CLEAN_LINE,				/* one line */
	LI_CLEAN_NAME				/* one line; "booking.com" is a name here */
} LiCleanKind;

extern void li_cleaner_init(LiCleaner *cleaner, const char *full_name,
							const char *member_id, const char *public_id);

/*
 * A clean copy of "raw" in the current memory context; NULL when nothing is
 * left, or when "raw" is NULL.
 */
extern char *li_clean(LiCleaner *cleaner, LiCleanKind kind, const char *raw);

#endif							/* LI_SCORE_CLEAN_H */
