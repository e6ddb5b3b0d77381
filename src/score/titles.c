/*-------------------------------------------------------------------------
 *
 * titles.c
 *		Words of a title that speak of an executive.
 *
 * A title is read word by word, because the short ones stand inside others:
 * "cto" in "doctor", "coo" in "coordinator".  A word ends where its script
 * ends it: a Latin word between Han characters stands alone, one between
 * Cyrillic letters does not.  English only: what is not found is a warning,
 * never a refusal (sql/flow.sql).
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "score/chars.h"
#include "score/titles.h"

#define MAX_WORD 15				/* no indicator has a longer word */

/* Of those that end at one word the first counts, so the longer ones come first. */
static const struct
{
	const char *before;			/* the word before it; NULL: any */
	const char *word;
	const char *name;
}			indicators[] =
{
	{"vice", "president", "vice president"},
	{"vice", "chairman", "vice chairman"},
	{"managing", "director", "managing director"},
	{"general", "manager", "general manager"},
	{NULL, "chief", "chief"},
	{NULL, "ceo", "ceo"},
	{NULL, "cto", "cto"},
	{NULL, "cio", "cio"},
	{NULL, "ciso", "ciso"},
	{NULL, "cso", "cso"},
	{NULL, "cdo", "cdo"},
	{NULL, "cpo", "cpo"},
	{NULL, "coo", "coo"},
	{NULL, "cfo", "cfo"},
	{NULL, "cmo", "cmo"},
	{NULL, "cro", "cro"},
	{NULL, "chro", "chro"},
	{NULL, "cxo", "cxo"},
	{NULL, "vp", "vp"},
	{NULL, "svp", "svp"},
	{NULL, "evp", "evp"},
	{NULL, "avp", "avp"},
	{NULL, "president", "president"},
	{NULL, "head", "head"},
	{NULL, "director", "director"},
	{NULL, "founder", "founder"},
	{NULL, "cofounder", "cofounder"},
	{NULL, "partner", "partner"},
	{NULL, "chairman", "chairman"},
	{NULL, "chairwoman", "chairwoman"},
	{NULL, "chairperson", "chairperson"},
};

StaticAssertDecl(lengthof(indicators) == LI_TITLE_INDICATORS, "titles.h says how many there are");

/* A word in small letters; what is not ASCII is kept as '?', which equals nothing. */
typedef struct Word
{
	char		text[MAX_WORD + 2];
	int			len;			/* MAX_WORD + 1: too long to be one of ours */
} Word;

static void
add_char(Word *word, uint32 cp)
{
	if (word->len <= MAX_WORD)
		word->text[word->len++] = cp < 0x80 ? (char) cp : '?';
	word->text[word->len] = '\0';
}

static int
add_indicator(const Word *before, const Word *word, const char **found, int n)
{
	for (int i = 0; i < lengthof(indicators); i++)
	{
		if (strcmp(word->text, indicators[i].word) != 0 ||
			(indicators[i].before != NULL && strcmp(before->text, indicators[i].before) != 0))
			continue;
		for (int j = 0; j < n; j++)
			if (found[j] == indicators[i].name)
				return n;
		found[n++] = indicators[i].name;
		break;
	}
	return n;
}

int
li_title_indicators(const char *title, const char **found)
{
	const char *p = li_char_compose(title);
	const char *end = p + strlen(p);
	Word		before = {0};
	Word		word = {0};
	int			n = 0;

	while (p < end)
	{
		uint32		cp;

		p += li_char_read(p, end, &cp);
		if (cp >= 0xff01 && cp <= 0xff5e)
			cp -= 0xfee0;		/* the wide forms of ASCII */
		if (li_char_is_word(cp))
			add_char(&word, li_char_fold(cp));
		else if (word.len > 0 && !li_char_is_invisible(cp))
		{
			n = add_indicator(&before, &word, found, n);
			before = word;
			memset(&word, 0, sizeof(word));
		}
	}
	return add_indicator(&before, &word, found, n);
}
