/*-------------------------------------------------------------------------
 *
 * diff.h
 *		What changed between two texts, line by line.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_DIFF_H
#define LI_SCORE_DIFF_H

/*
 * Sets *hunks to the unified hunks that lead from "old_text" to "new_text",
 * with three lines of context, and returns their number; 0 when the texts are
 * equal.  Lines end at "\n"; what follows the last one is a line too, so that
 * a final line end counts as a change.  NULL is a text without lines.  A hunk
 * has no line end at its end.  All in the current memory context.
 */
extern int	li_diff(const char *old_text, const char *new_text, char ***hunks);

#endif							/* LI_SCORE_DIFF_H */
