/*-------------------------------------------------------------------------
 *
 * evidence.h
 *		Is a quote really in the text that was sent?
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_EVIDENCE_H
#define LI_SCORE_EVIDENCE_H

#define LI_EVIDENCE_MIN_CHARS 12	/* shorter quotes prove nothing */

typedef enum LiMatch
{
	LI_MATCH_ABSENT,
	LI_MATCH_NORMALIZED,
	LI_MATCH_EXACT
} LiMatch;

typedef struct LiGrounding
{
	LiMatch		match;
	int			start;			/* characters from the start of the text; -1: absent */
	int			end;			/* behind the last character */
	bool		counts;			/* found, and long enough to be evidence */
} LiGrounding;

typedef struct LiEvidence LiEvidence;

/* Prepares "text", which must stay, for any number of quotes. */
extern LiEvidence *li_evidence_new(const char *text);

extern void li_evidence_find(LiEvidence *evidence, const char *quote, LiGrounding *grounding);

/* The text folded, as the search keeps it. */
extern const struct LiFolded *li_evidence_folded(LiEvidence *evidence);

/* "absent", "normalized", "exact" */
extern const char *li_match_name(LiMatch match);

#endif							/* LI_SCORE_EVIDENCE_H */
