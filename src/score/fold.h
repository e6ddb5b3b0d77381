/*-------------------------------------------------------------------------
 *
 * fold.h
 *		Text in a form in which spelling differences are gone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_FOLD_H
#define LI_SCORE_FOLD_H

/*
 * The folded text, and for each of its bytes the characters of the original
 * that it stands for: [start, end), counted from 0.
 */
typedef struct LiFolded
{
	char	   *text;
	size_t		len;
	int		   *start;
	int		   *end;
} LiFolded;

/* In the current memory context. */
extern LiFolded *li_fold(const char *text, size_t len);

#endif							/* LI_SCORE_FOLD_H */
