/*-------------------------------------------------------------------------
 *
 * split.c
 *		Text in the pieces within which bytes are merged to tokens.
 *
 * The vocabularies define the pieces by a regular expression with ordered
 * alternatives.  Written for this scanner, with C for the optional
 * contraction (?i:'s|'t|'re|'ve|'m|'ll|'d), P for [^\r\n\p{L}\p{N}],
 * U for [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and W for [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
 *
 *	cl100k_base		C | P?\p{L}+ | \p{N}{1,3} | _?[^\s\p{L}\p{N}]+[\r\n]*
 *					| \s*[\r\n]+ | \s+(?!\S) | \s+
 *	o200k_base		P?U*W+C? | P?U+W*C? | \p{N}{1,3} | _?[^\s\p{L}\p{N}]+[\r\n/]*
 *					| \s*[\r\n]+ | \s+(?!\S) | \s+
 *
 * (_ is a blank.)  Where backtracking can end is worked out at each place, so
 * that no character is looked at more than a few times.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "tokens/split.h"

#define BIT(class)	(1U << (class))
#define LETTERS		(BIT(LI_CLASS_UPPER) | BIT(LI_CLASS_LOWER) | BIT(LI_CLASS_LETTER))
#define UPPERS		(BIT(LI_CLASS_UPPER) | BIT(LI_CLASS_LETTER) | BIT(LI_CLASS_MARK))
#define LOWERS		(BIT(LI_CLASS_LOWER) | BIT(LI_CLASS_LETTER) | BIT(LI_CLASS_MARK))
#define SPACES		(BIT(LI_CLASS_SPACE) | BIT(LI_CLASS_LINE_END))
#define LINE_ENDS	BIT(LI_CLASS_LINE_END)
#define SIGNS		(BIT(LI_CLASS_OTHER) | BIT(LI_CLASS_MARK))	/* [^\s\p{L}\p{N}] */
#define PREFIXES	(SIGNS | BIT(LI_CLASS_SPACE))	/* P */

typedef struct Scanner
{
	const LiRanks *ranks;
	const uint8 *end;
} Scanner;

/*
 * The class, as a bit, of the character at "p", and its end.  No bit at the end
 * of the text.
 */
static inline uint32
class_at(const Scanner *s, const uint8 *p, const uint8 **next)
{
	uint32		c;
	size_t		left = s->end - p;
	int			more;

	if (left == 0)
		return 0;
	c = p[0];
	*next = p + 1;
	if (c < 0x80)
		return BIT(s->ranks->blocks[(uint32) s->ranks->blocks_index[0] << 8 | c]);

	if (c >= 0xc2 && c < 0xe0)
		c &= 0x1f, more = 1;
	else if (c >= 0xe0 && c < 0xf0)
		c &= 0x0f, more = 2;
	else if (c >= 0xf0 && c < 0xf5)
		c &= 0x07, more = 3;
	else
		return BIT(LI_CLASS_OTHER);
	if (left <= (size_t) more)
		return BIT(LI_CLASS_OTHER);
	for (int i = 1; i <= more; i++)
	{
		if ((p[i] & 0xc0) != 0x80)
			return BIT(LI_CLASS_OTHER);
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c > 0x10ffff)
		return BIT(LI_CLASS_OTHER);
	*next = p + 1 + more;
	return BIT(li_ranks_class(s->ranks, c));
}

/* The end of the longest run of these classes. */
static inline const uint8 *
run_of(const Scanner *s, uint32 classes, const uint8 *p)
{
	const uint8 *next = p;

	while (class_at(s, p, &next) & classes)
		p = next;
	return p;
}

/*
 * The end of a contraction at "p", or "p".  Without regard to case, s is also
 * the long s, U+017F.
 */
static const uint8 *
contraction(const Scanner *s, const uint8 *p)
{
	size_t		left = s->end - p;
	uint8		a;
	uint8		b;

	if (left < 2 || p[0] != '\'')
		return p;
	a = p[1] | 0x20;
	b = left > 2 ? p[2] | 0x20 : 0;
	if (a == 's' || a == 't' || a == 'm' || a == 'd')
		return p + 2;
	if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
		return p + 3;
	if (left > 2 && p[1] == 0xc5 && p[2] == 0xbf)
		return p + 3;
	return p;
}

/*
 * U*W+ at "p", else U+W*; NULL: neither.  U* takes all it can; if no W follows,
 * it gives back up to its last character that is one.
 */
static const uint8 *
cased_word(const Scanner *s, const uint8 *p, bool uppers_alone)
{
	const uint8 *start = p;
	const uint8 *back = NULL;
	const uint8 *next = p;
	uint32		class;

	while ((class = class_at(s, p, &next)) & UPPERS)
	{
		p = next;
		if (class & LOWERS)
			back = p;
	}
	if (class & LOWERS)
		return run_of(s, LOWERS, next);
	if (back != NULL)
		return back;
	return uppers_alone && p > start ? p : NULL;
}

/* The first two alternatives of o200k_base. */
static const uint8 *
o200k_word(const Scanner *s, const uint8 *p, uint32 class, const uint8 *next)
{
	const uint8 *end = NULL;

	for (int alone = 0; alone < 2 && end == NULL; alone++)
	{
		if (class & PREFIXES)
			end = cased_word(s, next, alone != 0);
		if (end == NULL && (class & (UPPERS | LOWERS)))
			end = cased_word(s, p, alone != 0);
	}
	return end != NULL ? contraction(s, end) : NULL;
}

/* The second alternative of cl100k_base. */
static const uint8 *
cl100k_word(const Scanner *s, const uint8 *p, uint32 class, const uint8 *next)
{
	const uint8 *behind;

	if (class & LETTERS)
		return run_of(s, LETTERS, next);
	if ((class & PREFIXES) && (class_at(s, next, &behind) & LETTERS))
		return run_of(s, LETTERS, behind);
	return NULL;
}

static const uint8 *
number(const Scanner *s, const uint8 *p)
{
	const uint8 *next = p;

	for (int i = 0; i < 3 && (class_at(s, p, &next) & BIT(LI_CLASS_NUMBER)); i++)
		p = next;
	return p;
}

/* A run of signs that begins at "p", and what may follow it. */
static const uint8 *
signs(const Scanner *s, const uint8 *p)
{
	bool		slash = s->ranks->rules == LI_SPLIT_O200K;

	p = run_of(s, SIGNS, p);
	while (p < s->end && (*p == '\r' || *p == '\n' || (slash && *p == '/')))
		p++;
	return p;
}

/*
 * White space: up to its last line end, if it has one; else all of it at the
 * end of the text, or all but the last character, which goes with what follows.
 */
static const uint8 *
white_space(const Scanner *s, const uint8 *p)
{
	const uint8 *line_end = NULL;
	const uint8 *last = p;
	const uint8 *start = p;
	const uint8 *next = p;
	uint32		class;

	while ((class = class_at(s, p, &next)) & SPACES)
	{
		last = p;
		p = next;
		if (class & LINE_ENDS)
			line_end = p;
	}
	if (line_end != NULL)
		return line_end;
	return p == s->end || last == start ? p : last;
}

const uint8 *
li_split_next(const LiRanks *ranks, const uint8 *text, const uint8 *end)
{
	Scanner		s = {ranks, end};
	const uint8 *next = text;
	const uint8 *behind;
	uint32		class = class_at(&s, text, &next);
	const uint8 *piece = NULL;

	if (ranks->rules == LI_SPLIT_O200K)
		piece = o200k_word(&s, text, class, next);
	else
	{
		piece = contraction(&s, text);
		if (piece == text)
			piece = cl100k_word(&s, text, class, next);
	}
	if (piece != NULL)
		return piece;

	if (class & BIT(LI_CLASS_NUMBER))
		return number(&s, text);
	if (class & SIGNS)
		return signs(&s, next);
	if (*text == ' ' && (class_at(&s, next, &behind) & SIGNS))
		return signs(&s, next);
	return white_space(&s, text);
}
