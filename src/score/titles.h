/*-------------------------------------------------------------------------
 *
 * titles.h
 *		Words of a title that speak of an executive.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_TITLES_H
#define LI_SCORE_TITLES_H

#define LI_TITLE_INDICATORS 31	/* the most that li_title_indicators() finds */

/*
 * The executive words of "title" (UTF-8), each once, in the order in which
 * they first occur; returns their number.  "found" has room for
 * LI_TITLE_INDICATORS; the words are static, in small letters.
 */
extern int	li_title_indicators(const char *title, const char **found);

#endif							/* LI_SCORE_TITLES_H */
