/*-------------------------------------------------------------------------
 *
 * blind.c
 *		Withholding a person's name.
 *
 * Models favour some names over others, so a blind template sends none.  The
 * full name goes in any case, as does first and last name side by side; the
 * single names, and the parts of a name of several, go only as whole words of
 * three letters or more, written as in the profile, since "Mark" is a name and
 * "mark" is not.  What stood for the name is one form of words, once even
 * where two names met, so that the profiles of two people who differ in
 * nothing but the name come out the same.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <ctype.h>

#include "lib/stringinfo.h"

#include "score/blind.h"
#include "score/chars.h"

#define MAX_NAMES 24

typedef struct Withheld
{
	char	   *text;			/* folded when any_case */
	size_t		len;
	bool		any_case;
} Withheld;

struct LiBlind
{
	Withheld	names[MAX_NAMES];	/* longest first */
	int			n;
	bool		starts[256];	/* bytes with which a name can start */
};

static bool
is_name_gap(char c)
{
	return c == ' ' || c == '-';
}

static void
add_name(LiBlind *blind, const char *text, size_t len, bool any_case)
{
	const char *end = text + len;
	Withheld   *name;
	char	   *out;
	int			i;

	if (len == 0 || blind->n == MAX_NAMES)
		return;
	for (i = blind->n; i > 0 && blind->names[i - 1].len < len; i--)
		blind->names[i] = blind->names[i - 1];
	name = &blind->names[i];
	blind->n++;

	name->text = out = palloc(len * 2 + 1);
	name->any_case = any_case;
	for (const char *p = text; p < end;)
	{
		uint32		cp;

		p += li_char_read(p, end, &cp);
		out += li_char_write(any_case ? li_char_fold(cp) : cp, out);
	}
	*out = '\0';
	name->len = out - name->text;
	blind->starts[(unsigned char) text[0]] = true;
	if (any_case)
	{
		/* the other case of the first letter may start with any byte */
		if ((unsigned char) text[0] >= 0x80)
		{
			for (int b = 0x80; b < 256; b++)
				blind->starts[b] = true;
		}
		else if (isalpha((unsigned char) text[0]))
			blind->starts[(unsigned char) text[0] ^ 0x20] = true;
	}
}

/* A single name, then its parts if it has several. */
static void
add_single(LiBlind *blind, const char *name)
{
	const char *end = name + strlen(name);
	const char *part = name;
	bool		several = strpbrk(name, " -") != NULL;

	if (several)
		add_name(blind, name, end - name, false);
	while (part < end)
	{
		const char *to = part;
		int			letters = 0;
		uint32		first = 0;

		while (to < end && !is_name_gap(*to))
		{
			uint32		cp;

			to += li_char_read(to, end, &cp);
			if (li_char_is_letter(cp))
			{
				if (letters == 0)
					first = cp;
				letters++;
			}
		}
		/* "van" and "der" are words; a name in small letters is as it is */
		if (letters >= 3 && (!several || li_char_is_upper(first)))
			add_name(blind, part, to - part, false);
		part = to < end ? to + 1 : end;
	}
}

LiBlind *
li_blind_new(const char *full_name, const char *first_name, const char *last_name)
{
	LiBlind    *blind = palloc0(sizeof(LiBlind));

	if (full_name != NULL)
		add_name(blind, full_name, strlen(full_name), true);
	if (first_name != NULL && last_name != NULL)
	{
		StringInfoData both;

		initStringInfo(&both);
		appendStringInfo(&both, "%s %s", first_name, last_name);
		add_name(blind, both.data, both.len, true);
		pfree(both.data);
	}
	if (first_name != NULL)
		add_single(blind, first_name);
	if (last_name != NULL)
		add_single(blind, last_name);
	if (first_name == NULL && last_name == NULL && full_name != NULL)
		add_single(blind, full_name);
	return blind;
}

/* The end of "name" if it stands at "p", a word start; else NULL. */
static const char *
match_name(const Withheld *name, const char *p, const char *end)
{
	const char *n = name->text;
	const char *n_end = n + name->len;
	uint32		last = 0;
	uint32		cp;

	while (n < n_end)
	{
		uint32		want;

		if (p >= end)
			return NULL;
		n += li_char_read(n, n_end, &want);
		p += li_char_read(p, end, &cp);
		if (want == ' ' && (cp == ' ' || cp == '\n'))
		{
			while (p < end && (*p == ' ' || *p == '\n'))
				p++;
			last = ' ';
			continue;
		}
		if ((name->any_case ? li_char_fold(cp) : cp) != want)
			return NULL;
		last = cp;
	}
	if (p < end && li_char_is_word(last))
	{
		li_char_read(p, end, &cp);
		if (li_char_is_word(cp))
			return NULL;
	}
	return p;
}

char *
li_blind_apply(const LiBlind *blind, const char *text)
{
	StringInfoData buf;
	const char *end;
	bool		after_word = false;
	int			last_name = -1; /* end of the last replacement in buf */

	if (text == NULL)
		return NULL;
	end = text + strlen(text);
	initStringInfo(&buf);
	for (const char *p = text; p < end;)
	{
		const char *from = p;
		uint32		cp;
		int			len;
		bool		word;

		/* most bytes start no name */
		while (p < end && (unsigned char) *p < 0x80 && !blind->starts[(unsigned char) *p])
			p++;
		if (p > from)
		{
			appendBinaryStringInfo(&buf, from, p - from);
			after_word = li_char_is_word((unsigned char) p[-1]);
			continue;
		}
		len = li_char_read(p, end, &cp);
		word = li_char_is_word(cp);
		if (blind->starts[(unsigned char) *p] && !(after_word && word))
		{
			const char *to = NULL;

			for (int i = 0; i < blind->n && to == NULL; i++)
				to = match_name(&blind->names[i], p, end);
			if (to != NULL)
			{
				int			gap = last_name;

				while (gap >= 0 && gap < buf.len && is_name_gap(buf.data[gap]))
					gap++;
				if (last_name >= 0 && gap == buf.len)
				{
					buf.len = last_name;	/* "the candidate the candidate" */
					buf.data[buf.len] = '\0';
				}
				else
					appendStringInfoString(&buf, LI_BLIND_NAME);
				last_name = buf.len;
				p = to;
				after_word = false;
				continue;
			}
		}
		appendBinaryStringInfo(&buf, p, len);
		after_word = word;
		p += len;
	}
	return buf.data;
}
