/*-------------------------------------------------------------------------
 *
 * fold.c
 *		Text in a form in which spelling differences are gone.
 *
 * A model that quotes retypes: it straightens quotation marks, closes up line
 * ends and drops bullets.  Both sides of a comparison are therefore brought to
 * one form: NFC, case folded, white space of any length one space, quotation
 * marks and dashes of one kind, bullets and invisible characters dropped.
 *
 * Every byte of the result knows the characters of the original that it stands
 * for.  Characters map one to one except where text is not in NFC: there a run
 * of non-ASCII characters (with the letter before it, which an accent may
 * belong to) is composed as a whole and maps as a whole.  Profile texts are in
 * NFC before they are sent, so this matters for foreign text only.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <ctype.h>

#include "score/chars.h"
#include "score/fold.h"

typedef struct Folding
{
	LiFolded   *folded;
	size_t		room;
	bool		space;			/* white space not yet written, */
	int			space_start;	/* and where it lies */
	int			space_end;
	bool		line_start;
} Folding;

static uint32
unify(uint32 cp)
{
	if (cp < 0x80)
		return cp == '`' ? '\'' : cp;
	switch (cp)
	{
		case 0xb4:				/* acute accent */
		case 0x2bc:
		case 0x2018:
		case 0x2019:
		case 0x201a:
		case 0x201b:
		case 0x2032:			/* prime */
		case 0x2039:
		case 0x203a:
			return '\'';
		case 0xab:
		case 0xbb:
		case 0x201c:
		case 0x201d:
		case 0x201e:
		case 0x201f:
		case 0x2033:
		case 0x300c:
		case 0x300d:
			return '"';
		case 0x2010:
		case 0x2011:
		case 0x2012:
		case 0x2013:
		case 0x2014:
		case 0x2015:
		case 0x2212:			/* minus */
		case 0xfe58:
		case 0xfe63:
		case 0xff0d:
			return '-';
		default:
			return cp;
	}
}

static void
enlarge(Folding *f)
{
	LiFolded   *folded = f->folded;

	f->room = f->room * 2 + 16;
	folded->text = repalloc(folded->text, f->room + 1);
	folded->start = repalloc(folded->start, f->room * sizeof(int));
	folded->end = repalloc(folded->end, f->room * sizeof(int));
}

static inline void
put_bytes(Folding *f, const char *bytes, int n, int start, int end)
{
	LiFolded   *folded = f->folded;

	if (folded->len + n > f->room)
		enlarge(f);
	for (int i = 0; i < n; i++)
	{
		folded->text[folded->len] = bytes[i];
		folded->start[folded->len] = start;
		folded->end[folded->len] = end;
		folded->len++;
	}
}

/*
 * One character that stands for [start, end); "next" is the character after
 * it, 0 at the end, by which a dash that opens a line is known as a bullet.
 */
static void
put_char(Folding *f, uint32 cp, uint32 next, int start, int end)
{
	bool		line_start = f->line_start;
	char		bytes[4];

	if (li_char_is_invisible(cp))
		return;
	if (li_char_is_line_end(cp))
		f->line_start = true;
	if (li_char_is_space(cp) || li_char_is_bullet(cp))
	{
		if (!f->space)
			f->space_start = start;
		f->space_end = end;
		f->space = true;
		return;
	}
	f->line_start = false;
	cp = unify(cp);
	if (line_start && (cp == '-' || cp == '*') && li_char_is_space(next))
	{
		if (!f->space)
			f->space_start = start;
		f->space_end = end;
		f->space = true;
		return;
	}
	if (f->space && f->folded->len > 0)
		put_bytes(f, " ", 1, f->space_start, f->space_end);
	f->space = false;
	put_bytes(f, bytes, li_char_write(li_char_fold(cp), bytes), start, end);
}

/* A run that may need composing: chars[0 .. n) lie at [start, start + n). */
static void
put_run(Folding *f, uint32 *chars, int n, uint32 next, int start)
{
	int			composed_n;
	uint32	   *composed;

	chars[n] = 0;
	composed = li_char_compose_run(chars, n, &composed_n);
	if (composed == NULL)
	{
		for (int i = 0; i < n; i++)
			put_char(f, chars[i], i + 1 < n ? chars[i + 1] : next, start + i, start + i + 1);
		return;
	}
	for (int i = 0; i < composed_n; i++)
		put_char(f, composed[i], i + 1 < composed_n ? composed[i + 1] : next, start, start + n);
	pfree(composed);
}

LiFolded *
li_fold(const char *text, size_t len)
{
	LiFolded   *folded = palloc0(sizeof(LiFolded));
	Folding		f = {folded, len + 16, false, 0, 0, true};
	const char *end = text + len;
	uint32	   *run = NULL;
	int			at = 0;			/* characters read */

	folded->text = palloc(f.room + 1);
	folded->start = palloc(f.room * sizeof(int));
	folded->end = palloc(f.room * sizeof(int));

	for (const char *p = text; p < end;)
	{
		unsigned char c = *p;

		/* an ASCII character that no accent follows stands for itself */
		if (c < 0x80 && (p + 1 == end || (unsigned char) p[1] < 0x80))
		{
			if (!f.space && isalnum(c))
			{
				char		byte = pg_tolower(c);

				f.line_start = false;
				put_bytes(&f, &byte, 1, at, at + 1);
				p++;
				at++;
				continue;
			}
			put_char(&f, c, p + 1 < end ? (unsigned char) p[1] : 0, at, at + 1);
			p++;
			at++;
		}
		else
		{
			int			n = 0;
			uint32		cp;

			if (run == NULL)
				run = palloc((end - p + 1) * sizeof(uint32));
			do
			{
				p += li_char_read(p, end, &cp);
				run[n++] = cp;
			} while (p < end && (unsigned char) *p >= 0x80);
			put_run(&f, run, n, p < end ? (unsigned char) *p : 0, at);
			at += n;
		}
	}
	if (run != NULL)
		pfree(run);
	folded->text[folded->len] = '\0';
	return folded;
}
