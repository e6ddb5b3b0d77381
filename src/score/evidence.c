/*-------------------------------------------------------------------------
 *
 * evidence.c
 *		Is a quote really in the text that was sent?
 *
 * A quote is looked for as it is, then in the folded text (fold.c).  The text
 * is folded once, at the first quote that needs it, and searched as bytes: in
 * UTF-8 no character's bytes lie inside another's.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "score/chars.h"
#include "score/evidence.h"
#include "score/fold.h"

#define STEP 512				/* bytes between two known character counts */

struct LiEvidence
{
	const char *text;
	size_t		len;
	int		   *counts;			/* characters before byte i * STEP; NULL: not yet */
	LiFolded   *folded;			/* NULL: not yet */
};

LiEvidence *
li_evidence_new(const char *text)
{
	LiEvidence *evidence = palloc0(sizeof(LiEvidence));

	evidence->text = text;
	evidence->len = strlen(text);
	return evidence;
}

const LiFolded *
li_evidence_folded(LiEvidence *evidence)
{
	if (evidence->folded == NULL)
		evidence->folded = li_fold(evidence->text, evidence->len);
	return evidence->folded;
}

/* The number of characters before byte "offset". */
static int
chars_before(LiEvidence *evidence, size_t offset)
{
	if (evidence->counts == NULL)
	{
		size_t		n = evidence->len / STEP + 1;

		evidence->counts = palloc(n * sizeof(int));
		evidence->counts[0] = 0;
		for (size_t i = 1; i < n; i++)
			evidence->counts[i] = evidence->counts[i - 1] +
				li_char_count(evidence->text + (i - 1) * STEP, STEP);
	}
	return evidence->counts[offset / STEP] +
		li_char_count(evidence->text + offset / STEP * STEP, offset % STEP);
}

void
li_evidence_find(LiEvidence *evidence, const char *quote, LiGrounding *grounding)
{
	size_t		len = strlen(quote);
	LiFolded   *folded = li_fold(quote, len);
	const char *found = NULL;

	grounding->match = LI_MATCH_ABSENT;
	grounding->start = grounding->end = -1;
	if (folded->len > 0)
	{
		found = memmem(evidence->text, evidence->len, quote, len);
		if (found != NULL)
		{
			grounding->match = LI_MATCH_EXACT;
			grounding->start = chars_before(evidence, found - evidence->text);
			grounding->end = chars_before(evidence, found - evidence->text + len);
		}
		else
		{
			const LiFolded *text = li_evidence_folded(evidence);

			found = memmem(text->text, text->len, folded->text, folded->len);
			if (found != NULL)
			{
				size_t		at = found - text->text;

				grounding->match = LI_MATCH_NORMALIZED;
				grounding->start = text->start[at];
				grounding->end = text->end[at + folded->len - 1];
			}
		}
	}
	grounding->counts = found != NULL &&
		li_char_count(folded->text, folded->len) >= LI_EVIDENCE_MIN_CHARS;
	pfree(folded->text);
	pfree(folded->start);
	pfree(folded->end);
	pfree(folded);
}

const char *
li_match_name(LiMatch match)
{
	switch (match)
	{
		case LI_MATCH_EXACT:
			return "exact";
		case LI_MATCH_NORMALIZED:
			return "normalized";
		case LI_MATCH_ABSENT:
			break;
	}
	return "absent";
}
