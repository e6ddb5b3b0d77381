/*-------------------------------------------------------------------------
 *
 * chars.c
 *		Characters of UTF-8 text, one at a time.
 *
 * Case and classes come from the C library's C.UTF-8 locale, not from the
 * database's: how a quote is matched or a name withheld must not depend on
 * LC_CTYPE, and the server has Unicode case tables of its own only from 17 on.
 * towlower_l() maps one character to one, which is all that offsets into the
 * original text can bear ("Straße" and "STRASSE" therefore stay different).
 * Without that locale only ASCII is folded.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <locale.h>
#include <wctype.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#include "common/unicode_norm.h"

#include "score/chars.h"

static locale_t
utf8_locale(void)
{
	static locale_t locale = (locale_t) 0;
	static bool tried = false;

	if (!tried)
	{
		tried = true;
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
	}
	return locale;
}

int
li_char_read_long(const char *s, const char *end, uint32 *cp)
{
	const unsigned char *u = (const unsigned char *) s;
	uint32		c = u[0];
	int			more;

	if (c >= 0xc2 && c <= 0xdf)
	{
		more = 1;
		c &= 0x1f;
	}
	else if (c >= 0xe0 && c <= 0xef)
	{
		more = 2;
		c &= 0x0f;
	}
	else if (c >= 0xf0 && c <= 0xf4)
	{
		more = 3;
		c &= 0x07;
	}
	else
	{
		*cp = 0xfffd;
		return 1;
	}
	if (end - s <= more)
	{
		*cp = 0xfffd;
		return 1;
	}
	for (int i = 1; i <= more; i++)
	{
		if ((u[i] & 0xc0) != 0x80)
		{
			*cp = 0xfffd;
			return 1;
		}
		c = (c << 6) | (u[i] & 0x3f);
	}
	*cp = c;
	return more + 1;
}

int
li_char_write(uint32 cp, char *out)
{
	unsigned char *u = (unsigned char *) out;

	if (cp < 0x80)
	{
		u[0] = cp;
		return 1;
	}
	if (cp < 0x800)
	{
		u[0] = 0xc0 | (cp >> 6);
		u[1] = 0x80 | (cp & 0x3f);
		return 2;
	}
	if (cp < 0x10000)
	{
		u[0] = 0xe0 | (cp >> 12);
		u[1] = 0x80 | ((cp >> 6) & 0x3f);
		u[2] = 0x80 | (cp & 0x3f);
		return 3;
	}
	u[0] = 0xf0 | (cp >> 18);
	u[1] = 0x80 | ((cp >> 12) & 0x3f);
	u[2] = 0x80 | ((cp >> 6) & 0x3f);
	u[3] = 0x80 | (cp & 0x3f);
	return 4;
}

int
li_char_count(const char *s, size_t len)
{
	int			count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((unsigned char) s[i] & 0xc0) != 0x80;
	return count;
}

size_t
li_char_clip(const char *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	while (max > 0 && ((unsigned char) s[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/*
 * Characters that composition leaves alone, whatever their neighbours are:
 * what most texts are made of, so that the full check is rarely needed.  Letters
 * of Latin, Cyrillic and Han, punctuation and currencies.
 */
static bool
is_settled(uint32 cp)
{
	return cp < 0x300 || (cp >= 0x400 && cp < 0x483) || (cp >= 0x48a && cp < 0x530) ||
		(cp >= 0x2010 && cp < 0x2060) || (cp >= 0x20a0 && cp < 0x20d0) ||
		(cp >= 0x4e00 && cp < 0xa000);
}

uint32 *
li_char_compose_run(const uint32 *chars, int n, int *composed_n)
{
	pg_wchar   *composed;
	int			len = 0;
	uint32	   *result = NULL;
	int			settled = 0;

	while (settled < n && is_settled(chars[settled]))
		settled++;
	if (settled == n)
		return NULL;
#ifndef FRONTEND
	/* only the server has the tables that spare the work */
	if (unicode_is_normalized_quickcheck(UNICODE_NFC, chars) == UNICODE_NORM_QC_YES)
		return NULL;
#endif
	composed = unicode_normalize(UNICODE_NFC, chars);
	if (composed == NULL)
		return NULL;			/* only without a server: out of memory */
	while (composed[len] != 0)
		len++;
	if (len != n || memcmp(composed, chars, n * sizeof(uint32)) != 0)
	{
		result = palloc((len + 1) * sizeof(uint32));
		memcpy(result, composed, (len + 1) * sizeof(uint32));
		*composed_n = len;
	}
#ifdef FRONTEND
	free(composed);
#else
	pfree(composed);
#endif
	return result;
}

const char *
li_char_compose(const char *s)
{
	const char *end = s + strlen(s);
	const char *first = s;
	uint32	   *chars;
	uint32	   *composed;
	int			n = 0;
	char	   *result;
	char	   *out;

	while (first < end && (unsigned char) *first < 0x80)
		first++;
	if (first == end)
		return s;

	chars = palloc((end - s + 1) * sizeof(uint32));
	for (const char *p = s; p < end; n++)
		p += li_char_read(p, end, &chars[n]);
	chars[n] = 0;
	composed = li_char_compose_run(chars, n, &n);
	pfree(chars);
	if (composed == NULL)
		return s;

	out = result = palloc(n * 4 + 1);
	for (int i = 0; i < n; i++)
		out += li_char_write(composed[i], out);
	*out = '\0';
	pfree(composed);
	return result;
}

uint32
li_char_fold(uint32 cp)
{
	locale_t	locale;

	if (cp < 0x80)
		return (cp >= 'A' && cp <= 'Z') ? cp + ('a' - 'A') : cp;
	if (cp == 0x3c2)
		return 0x3c3;			/* final sigma */
	locale = utf8_locale();
	return locale ? (uint32) towlower_l((wint_t) cp, locale) : cp;
}

/* Han, kana, Thai, Lao, Khmer, Myanmar; Hangul takes its particles unspaced. */
static bool
is_unspaced(uint32 cp)
{
	return (cp >= 0x0e00 && cp <= 0x0eff) || (cp >= 0x1000 && cp <= 0x109f) ||
		(cp >= 0x1780 && cp <= 0x17ff) || (cp >= 0x2e80 && cp <= 0x9fff) ||
		(cp >= 0xac00 && cp <= 0xd7af) || (cp >= 0xf900 && cp <= 0xfaff) ||
		(cp >= 0x20000 && cp <= 0x3ffff);
}

bool
li_char_is_letter(uint32 cp)
{
	locale_t	locale;

	if (cp < 0x80)
		return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
	locale = utf8_locale();
	return locale ? iswalpha_l((wint_t) cp, locale) != 0 : true;
}

bool
li_char_is_word(uint32 cp)
{
	if (cp < 0x80)
		return (cp >= '0' && cp <= '9') || li_char_is_letter(cp);
	return !is_unspaced(cp) && li_char_is_letter(cp);
}

bool
li_char_is_upper(uint32 cp)
{
	return li_char_fold(cp) != cp;
}

bool
li_char_is_line_end(uint32 cp)
{
	return cp == '\n' || cp == '\r' || cp == '\v' || cp == '\f' ||
		cp == 0x85 || cp == 0x2028 || cp == 0x2029;
}

bool
li_char_is_space(uint32 cp)
{
	if (cp < 0x80)
		return cp == ' ' || (cp >= '\t' && cp <= '\r');
	return cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
		(cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 ||
		cp == 0x202f || cp == 0x205f || cp == 0x3000;
}

/*
 * Controls, format characters (joiners, directional marks, tags) and fillers
 * that print as nothing; variation selectors too.
 */
bool
li_char_is_invisible(uint32 cp)
{
	if (cp < 0x80)
		return (cp < 0x20 && !(cp >= '\t' && cp <= '\r')) || cp == 0x7f;
	if (cp < 0xa0)
		return cp != 0x85;
	return cp == 0xad || cp == 0x34f || cp == 0x61c ||
		cp == 0x115f || cp == 0x1160 || cp == 0x17b4 || cp == 0x17b5 ||
		(cp >= 0x180b && cp <= 0x180f) || (cp >= 0x200b && cp <= 0x200f) ||
		(cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) ||
		cp == 0x3164 || (cp >= 0xfe00 && cp <= 0xfe0f) || cp == 0xfeff ||
		cp == 0xffa0 || (cp >= 0xfff0 && cp <= 0xfffb) ||
		(cp >= 0x1bca0 && cp <= 0x1bca3) || (cp >= 0x1d173 && cp <= 0x1d17a) ||
		(cp >= 0xe0000 && cp <= 0xe0fff) ||
		(cp & 0xfffe) == 0xfffe;
}

bool
li_char_is_bullet(uint32 cp)
{
	switch (cp)
	{
		case 0xb7:				/* middle dot */
		case 0x2022:			/* bullet */
		case 0x2023:			/* triangular bullet */
		case 0x2027:			/* hyphenation point */
		case 0x2043:			/* hyphen bullet */
		case 0x204c:
		case 0x204d:
		case 0x2219:			/* bullet operator */
		case 0x25a0:			/* squares */
		case 0x25a1:
		case 0x25aa:
		case 0x25ab:
		case 0x25b6:			/* triangles */
		case 0x25b8:
		case 0x25ba:
		case 0x25c6:			/* diamonds */
		case 0x25c7:
		case 0x25cb:			/* circles */
		case 0x25cf:
		case 0x25e6:
		case 0x2605:			/* stars */
		case 0x2606:
		case 0x2713:			/* ticks */
		case 0x2714:
		case 0x2794:			/* arrows */
		case 0x27a2:
		case 0x27a4:
		case 0x2b24:
		case 0xf0a7:			/* as word processors export them */
		case 0xf0b7:
			return true;
		default:
			return false;
	}
}
