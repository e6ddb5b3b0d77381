/*-------------------------------------------------------------------------
 * text.c
 *		UTF-8 text as providers send it: trimming, folding, fences.
 *
 * Stored text keeps what the person wrote (emoji, right-to-left marks, CJK);
 * only what PostgreSQL cannot store is dropped here: NUL and halves of
 * surrogate pairs.  Case folding and normalisation are our own and the server
 * library's, never the locale's, because URLs and public ids are compared by
 * them: their result must be the same in every database and for ever.
 *
 * Pure: builds without the server.  All results are palloc'd; nothing here
 * throws but an out-of-memory error of palloc.
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>
#include <string.h>

#include "common/unicode_norm.h"

#include "profile/text.h"

/*
 * Decodes one character at s, of at most len bytes.  Returns the number of
 * bytes read, 0 at the end, -1 where the bytes are not UTF-8 (also overlong
 * forms and surrogates).
 */
int
li_utf8_decode(const char *s, size_t len, uint32 *codepoint)
{
	const unsigned char *u = (const unsigned char *) s;
	uint32		c;
	uint32		least;
	int			n;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
	{
		*codepoint = u[0];
		return 1;
	}
	if (u[0] >= 0xC2 && u[0] <= 0xDF)
		n = 2, c = u[0] & 0x1F, least = 0x80;
	else if ((u[0] & 0xF0) == 0xE0)
		n = 3, c = u[0] & 0x0F, least = 0x800;
	else if (u[0] >= 0xF0 && u[0] <= 0xF4)
		n = 4, c = u[0] & 0x07, least = 0x10000;
	else
		return -1;
	if (len < (size_t) n)
		return -1;
	for (int i = 1; i < n; i++)
	{
		if ((u[i] & 0xC0) != 0x80)
			return -1;
		c = (c << 6) | (u[i] & 0x3F);
	}
	if (c < least || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return -1;
	*codepoint = c;
	return n;
}

/* Appends one character in UTF-8. */
void
li_utf8_append(StringInfo buf, uint32 c)
{
	if (c < 0x80)
		appendStringInfoChar(buf, (char) c);
	else if (c < 0x800)
	{
		appendStringInfoChar(buf, (char) (0xC0 | (c >> 6)));
		appendStringInfoChar(buf, (char) (0x80 | (c & 0x3F)));
	}
	else if (c < 0x10000)
	{
		appendStringInfoChar(buf, (char) (0xE0 | (c >> 12)));
		appendStringInfoChar(buf, (char) (0x80 | ((c >> 6) & 0x3F)));
		appendStringInfoChar(buf, (char) (0x80 | (c & 0x3F)));
	}
	else
	{
		appendStringInfoChar(buf, (char) (0xF0 | (c >> 18)));
		appendStringInfoChar(buf, (char) (0x80 | ((c >> 12) & 0x3F)));
		appendStringInfoChar(buf, (char) (0x80 | ((c >> 6) & 0x3F)));
		appendStringInfoChar(buf, (char) (0x80 | (c & 0x3F)));
	}
}

/*
 * The lower-case form of one letter, by ranges of the alphabets LinkedIn names
 * are written in: Latin, Greek, Cyrillic, Armenian.  Others have no case, or
 * no vanity names.
 */
static uint32
lower_codepoint(uint32 c)
{
	if (c < 0x80)
		return (c >= 'A' && c <= 'Z') ? c + 32 : c;
	if (c >= 0xC0 && c <= 0xDE)
		return c == 0xD7 ? c : c + 32;
	if (c == 0x130)
		return 'i';
	if (c == 0x178)
		return 0xFF;
	if (c == 0x1E9E)
		return 0xDF;
	/* pairs with the capital at the even place */
	if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) ||
		(c >= 0x1E00 && c <= 0x1E95) || (c >= 0x1EA0 && c <= 0x1EFF) ||
		(c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) ||
		(c >= 0x4D0 && c <= 0x52F) || (c >= 0x218 && c <= 0x21B))
		return c | 1;
	/* pairs with the capital at the odd place */
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E) ||
		(c >= 0x4C1 && c <= 0x4CE))
		return (c & 1) ? c + 1 : c;
	if (c == 0x386)
		return 0x3AC;
	if (c >= 0x388 && c <= 0x38A)
		return c + 37;
	if (c == 0x38C)
		return 0x3CC;
	if (c == 0x38E || c == 0x38F)
		return c + 63;
	if (c >= 0x391 && c <= 0x3AB && c != 0x3A2)
		return c + 32;
	if (c >= 0x400 && c <= 0x40F)
		return c + 80;
	if (c >= 0x410 && c <= 0x42F)
		return c + 32;
	if (c >= 0x531 && c <= 0x556)
		return c + 48;
	return c;
}

/* Lower case, character by character; bytes that are not UTF-8 are dropped. */
char *
li_utf8_lower(const char *s)
{
	StringInfoData buf;
	size_t		left = strlen(s);

	initStringInfo(&buf);
	while (left > 0)
	{
		uint32		c;
		int			n = li_utf8_decode(s, left, &c);

		if (n > 0)
			li_utf8_append(&buf, lower_codepoint(c));
		else
			n = 1;
		s += n;
		left -= n;
	}
	return buf.data;
}

/* True when both are null, or equal but for case. */
bool
li_utf8_equal_caseless(const char *a, const char *b)
{
	char	   *la;
	char	   *lb;
	bool		equal;

	if (a == NULL || b == NULL)
		return a == b;
	la = li_utf8_lower(a);
	lb = li_utf8_lower(b);
	equal = strcmp(la, lb) == 0;
	pfree(la);
	pfree(lb);
	return equal;
}

/* Unicode normal form C; bytes that are not UTF-8 are dropped. */
char *
li_utf8_nfc(const char *s)
{
	StringInfoData buf;
	size_t		left = strlen(s);
	pg_wchar   *in = palloc((left + 1) * sizeof(pg_wchar));
	pg_wchar   *out;
	int			count = 0;

	while (left > 0)
	{
		uint32		c;
		int			n = li_utf8_decode(s, left, &c);

		if (n > 0)
			in[count++] = c;
		else
			n = 1;
		s += n;
		left -= n;
	}
	in[count] = 0;

	initStringInfo(&buf);
	out = unicode_normalize(UNICODE_NFC, in);
	for (const pg_wchar *w = out ? out : in; *w; w++)
		li_utf8_append(&buf, *w);
	if (out)
	{
#ifdef FRONTEND
		free(out);
#else
		pfree(out);
#endif
	}
	pfree(in);
	return buf.data;
}

/* White space of Unicode. */
bool
li_is_space(uint32 c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
		c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
		c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/*
 * Characters that show nothing: byte-order mark, soft hyphen, zero-width and
 * direction marks.
 */
bool
li_is_invisible(uint32 c)
{
	return c == 0xAD || c == 0x180E || (c >= 0x200B && c <= 0x200F) ||
		(c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2064) ||
		(c >= 0x2066 && c <= 0x206F) || c == 0xFEFF;
}

/*
 * What text loses at its ends: white space, and the zero-width spaces that
 * come with copying.  Joiners and direction marks belong to the script.
 */
static bool
is_trimmed(uint32 c)
{
	return li_is_space(c) || c == 0x200B || c == 0x2060 || c == 0xFEFF;
}

/* The text without white space at its ends, or null when nothing is left. */
char *
li_text_trim(const char *s)
{
	const char *start = NULL;
	const char *end = NULL;
	size_t		left = strlen(s);

	while (left > 0)
	{
		uint32		c;
		int			n = li_utf8_decode(s, left, &c);
		bool		keep = n < 0 || !is_trimmed(c);

		if (n < 0)
			n = 1;
		if (keep && start == NULL)
			start = s;
		s += n;
		left -= n;
		if (keep)
			end = s;
	}
	if (start == NULL)
		return NULL;
	return pnstrdup(start, end - start);
}

/*
 * The inside of the first Markdown code fence, or the text itself when there
 * is none or when it already starts as JSON.  Language models wrap JSON so.
 */
char *
li_text_unfence(const char *s)
{
	const char *open;
	const char *body;
	const char *close;
	char	   *trimmed = li_text_trim(s);

	if (trimmed == NULL)
		return pstrdup("");
	if (strchr("{[\"", trimmed[0]) != NULL)
		return trimmed;
	open = strstr(trimmed, "```");
	if (open == NULL)
		return trimmed;
	/* the language word ends with its line, or where the JSON starts */
	body = open + 3 + strcspn(open + 3, "\n{[");
	if (*body == '\n')
		body++;
	if (*body == '\0')
		return trimmed;
	for (close = trimmed + strlen(trimmed) - 3; close >= body; close--)
	{
		if (strncmp(close, "```", 3) == 0)
			break;
	}
	if (close < body)
		close = trimmed + strlen(trimmed);
	return pnstrdup(body, close - body);
}

/*
 * The text on one line, control and invisible characters dropped, cut after
 * max_chars characters: for quoting a provider's message in an error.
 */
char *
li_text_one_line(const char *s, int max_chars)
{
	StringInfoData buf;
	size_t		left = strlen(s);
	bool		space = false;

	initStringInfo(&buf);
	while (left > 0 && max_chars > 0)
	{
		uint32		c;
		int			n = li_utf8_decode(s, left, &c);

		if (n < 0)
			n = 1;
		else if (li_is_space(c))
			space = buf.len > 0;
		else if (c >= 0x20 && c != 0x7F && !li_is_invisible(c))
		{
			if (space)
				appendStringInfoChar(&buf, ' ');
			space = false;
			li_utf8_append(&buf, c);
			max_chars--;
		}
		s += n;
		left -= n;
	}
	if (left > 0)
		appendStringInfoString(&buf, "...");
	return buf.data;
}

/* The value of four hexadecimal digits, or -1. */
static int
hex4(const char *s)
{
	int			value = 0;

	for (int i = 0; i < 4; i++)
	{
		int			d;

		if (s[i] >= '0' && s[i] <= '9')
			d = s[i] - '0';
		else if (s[i] >= 'a' && s[i] <= 'f')
			d = s[i] - 'a' + 10;
		else if (s[i] >= 'A' && s[i] <= 'F')
			d = s[i] - 'A' + 10;
		else
			return -1;
		value = value * 16 + d;
	}
	return value;
}

/*
 * JSON text without the escapes that no jsonb can hold: \u0000 and halves of
 * surrogate pairs.  Parsers refuse them, and one such escape in one field must
 * not cost the person.  Backslashes occur in JSON only inside strings, so the
 * text need not be parsed for this.
 */
char *
li_json_drop_bad_escapes(const char *json)
{
	StringInfoData buf;

	initStringInfo(&buf);
	while (*json)
	{
		const char *stop = strchr(json, '\\');
		int			unit;

		if (stop == NULL)
		{
			appendStringInfoString(&buf, json);
			break;
		}
		appendBinaryStringInfo(&buf, json, stop - json);
		json = stop;
		if (json[1] != 'u' || (unit = hex4(json + 2)) < 0)
		{
			int			n = json[1] ? 2 : 1;

			appendBinaryStringInfo(&buf, json, n);
			json += n;
		}
		else if (unit >= 0xD800 && unit <= 0xDBFF)
		{
			int			low = (json[6] == '\\' && json[7] == 'u') ? hex4(json + 8) : -1;

			if (low >= 0xDC00 && low <= 0xDFFF)
			{
				appendBinaryStringInfo(&buf, json, 12);
				json += 12;
			}
			else
				json += 6;
		}
		else
		{
			if (unit != 0 && !(unit >= 0xDC00 && unit <= 0xDFFF))
				appendBinaryStringInfo(&buf, json, 6);
			json += 6;
		}
	}
	return buf.data;
}

/*
 * JSON text with null in place of the numbers that no double can hold, which
 * parsers refuse: one of them in a field nobody reads must not cost the person.
 */
char *
li_json_drop_huge_numbers(const char *json)
{
	StringInfoData buf;
	bool		in_string = false;

	initStringInfo(&buf);
	while (*json)
	{
		size_t		len = 1;

		if (in_string && json[0] == '\\' && json[1] != '\0')
			len = 2;
		else if (*json == '"')
			in_string = !in_string;
		else if (!in_string && (*json == '-' || (*json >= '0' && *json <= '9')))
		{
			len = strspn(json, "+-.eE0123456789");
			if (isinf(strtod(json, NULL)))
			{
				appendStringInfoString(&buf, "null");
				json += len;
				continue;
			}
		}
		appendBinaryStringInfo(&buf, json, len);
		json += len;
	}
	return buf.data;
}
