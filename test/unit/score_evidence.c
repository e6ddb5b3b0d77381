/*-------------------------------------------------------------------------
 *
 * score_evidence.c
 *		Quotes found in a text, and where.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/evidence.c src/score/fold.c src/score/chars.c */
#include "postgres_fe.h"

#include <time.h>

#include "score/chars.h"
#include "score/evidence.h"
#include "tap.h"

static const char sent[] =
	"Headline: CTO \u2013 \u201eBuilder\u201c\n"
	"Description:\n"
	"  - Led 40 engineers in K\u00f6ln\u2019s office,\n"
	"  - cut cost by 38\u00a0% \u2014 twice\n"
	"\n"
	"Skills: Go; \u0421\u0415\u0422\u042c; na\u00efve";

/* "match start end counts", and what the offsets cut out of the text */
static const char *
find(const char *quote)
{
	LiEvidence *evidence = li_evidence_new(sent);
	LiGrounding g;
	const char *p = sent;
	const char *end = sent + strlen(sent);
	const char *from = NULL;
	const char *to = NULL;

	li_evidence_find(evidence, quote, &g);
	if (g.match == LI_MATCH_ABSENT)
		return g.start == -1 && g.end == -1 && !g.counts ? "absent" : "wrong";
	for (int i = 0;; i++)
	{
		uint32		cp;

		if (i == g.start)
			from = p;
		if (i == g.end)
			to = p;
		if (p == end)
			break;
		p += li_char_read(p, end, &cp);
	}
	return psprintf("%s%s [%.*s]", li_match_name(g.match), g.counts ? "" : " short",
					(int) (to - from), from);
}

static void
test_matches(void)
{
	is_text(find("Led 40 engineers"), "exact [Led 40 engineers]", "as it is");
	is_text(find("  - cut cost"), "exact short [  - cut cost]", "the bullet and its blanks do not make a quote long");
	is_text(find("led 40 ENGINEERS"), "normalized [Led 40 engineers]", "other case");
	is_text(find("K\u00f6ln's office, cut cost"), "normalized [K\u00f6ln\u2019s office,\n  - cut cost]",
			"over a line end and a bullet");
	is_text(find("Ko\u0308ln's office,"), "normalized [K\u00f6ln\u2019s office,]", "letters not composed");
	is_text(find("CTO - \"Builder\""), "normalized [CTO \u2013 \u201eBuilder\u201c]", "quotation marks and dashes");
	is_text(find("by 38 % - twice"), "normalized [by 38\u00a0% \u2014 twice]", "other blanks");
	is_text(find("\u2022 led 40 engineers"), "normalized [Led 40 engineers]", "a bullet of the quote's own");
	is_text(find("- Led 40 engineers in"), "exact [- Led 40 engineers in]", "or of the text");
	is_text(find("* cut cost by 38"), "normalized [cut cost by 38]", "or of another kind");
	is_text(find("go; \u0441\u0435\u0442\u044c; na\u00efve"), "normalized [Go; \u0421\u0415\u0422\u042c; na\u00efve]", "Cyrillic is folded");
	is_text(find("40 engi\u200bneers"), "normalized [40 engineers]", "invisible characters");
	is_text(find("office"), "exact short [office]", "too short to be evidence");
	is_text(find("40 engineer"), "exact short [40 engineer]", "eleven characters");
	is_text(find("40 engineers"), "exact [40 engineers]", "twelve characters");
	is_text(find("Led 41 engineers"), "absent", "a wrong number");
	is_text(find(""), "absent", "an empty quote");
	is_text(find(" \n"), "absent", "a blank one");
	is_text(find("\u2022"), "absent", "only a bullet");
	is_text(find("- - -"), "absent", "only dashes");
}

/* Text that is not in NFC: the run that was composed is found as a whole. */
static void
test_foreign(void)
{
	LiEvidence *evidence = li_evidence_new("Ru\u0308hrwerk Ru\u0308hrwerke");
	LiGrounding g;

	li_evidence_find(evidence, "r\u00fchrwerke", &g);
	is_int(g.match, LI_MATCH_NORMALIZED, "composed quote, other text");
	is_int(g.start, 10, "its start");
	is_int(g.end, 20, "its end");
	li_evidence_find(evidence, "\u00fchrwerk r", &g);
	is_int(g.start, 1, "a run counts from its first letter");
	is_int(g.end, 11, "to the end of the match");
	li_evidence_find(li_evidence_new(""), "quotation mark", &g);
	is_int(g.match, LI_MATCH_ABSENT, "nothing in an empty text");
	li_evidence_find(li_evidence_new("\xff\xe2\x82 broken text here"), "Broken Text here", &g);
	is_int(g.start, 4, "broken bytes are characters of their own");
}

/* The goal is below a millisecond; the test allows what sanitizers cost. */
static void
test_linear(void)
{
	size_t		len = 60000;
	char	   *big = palloc(len + 1);
	LiEvidence *evidence;
	LiGrounding g;
	clock_t		start;

	for (size_t i = 0; i < len; i++)
		big[i] = "abcdefgh ijk. "[i * 7 % 14];
	big[len] = '\0';
	start = clock();
	evidence = li_evidence_new(big);
	for (int i = 0; i < 15; i++)
		li_evidence_find(evidence, "abcdefgh ijk. abcdefgh ijk. not there", &g);
	ok(clock() - start < CLOCKS_PER_SEC / 2, "fifteen quotes in 60,000 bytes are quick");
}

int
main(void)
{
	test_matches();
	test_foreign();
	test_linear();
	return done_testing();
}
