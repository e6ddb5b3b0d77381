/*-------------------------------------------------------------------------
 *
 * clean.c
 *		Text of a profile as it may be sent to a model.
 *
 * Three passes over each value: invisible characters go and spaces become
 * plain ones; strings by which the person could be reached or looked up go;
 * white space is put in order.  The first pass comes first because "an<zero
 * width space>na@example.org" is an address once it has been printed.
 *
 * What counts as such a string is decided for precision: profiles are full of
 * "Node.js", "Booking.com", "ISO/IEC 27001:2013" and "05/2012-06/2015", and a
 * model cannot quote what it was not sent.  docs/scoring.md lists the rules.
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
#include "score/clean.h"

/* A stretch of text that is to go. */
typedef struct Span
{
	const char *from;
	const char *to;
} Span;

/* Hosts whose paths name a person, whatever their capitals. */
static const char *const profile_hosts[] = {
	"linkedin.com", "lnkd.in", "github.com", "gitlab.com", "twitter.com", "x.com",
	"facebook.com", "instagram.com", "youtube.com", "medium.com", "xing.com",
	"stackoverflow.com", "t.me", "wa.me", "bit.ly", "calendly.com", "about.me",
	"linktr.ee", NULL
};

/* Endings of a bare host; no "io", "ai", "net", "js": those end names too. */
static const char *const bare_endings[] = {
	"com", "org", "info", "biz", "edu", "gov", "de", "at", "ch", "fr", "uk", "eu",
	"nl", "be", "es", "it", "pl", "se", "no", "dk", "fi", "pt", "ie", "us", "ca",
	"au", "br", "in", "jp", "cn", "blog", "online", "site", NULL
};

/* Endings of a host that a path follows. */
static const char *const path_endings[] = {
	"io", "ai", "me", "co", "dev", "app", "tech", "ly", "to", "page", NULL
};

static const char *const phone_words[] = {
	"tel", "phone", "telephone", "telefon", "mobile", "mobil", "cell", "fax",
	"call", "whatsapp", "ph", "handy", NULL
};

static bool
in_list(const char *s, size_t len, const char *const *list)
{
	for (; *list != NULL; list++)
	{
		if (strlen(*list) == len && pg_strncasecmp(s, *list, len) == 0)
			return true;
	}
	return false;
}

/* Bytes that may belong to a word; every byte of a non-ASCII character does. */
static bool
is_word_byte(char c)
{
	return isalnum((unsigned char) c) || (unsigned char) c >= 0x80;
}

static bool
is_host_byte(char c)
{
	return is_word_byte(c) || c == '-' || c == '.';
}

static bool
is_url_end(char c)
{
	return c == '\0' || c == ' ' || c == '\n' || c == '<' || c == '>' || c == '"' || c == '|';
}

/* The end of a URL that "p" lies in, without the punctuation of the sentence. */
static const char *
url_end(const char *p)
{
	const char *end = p;

	while (!is_url_end(*end))
		end++;
	while (end > p && strchr(".,;:!?'*", end[-1]) != NULL)
		end--;
	if (end > p && end[-1] == ')' && memchr(p, '(', end - p) == NULL)
		end--;
	if (end > p && end[-1] == ']' && memchr(p, '[', end - p) == NULL)
		end--;
	return end;
}

static bool
all_lower(const char *s, const char *end)
{
	for (; s < end; s++)
	{
		if (isupper((unsigned char) *s))
			return false;
	}
	return true;
}

/* at '@': an e-mail address, with what leads to it */
static bool
find_email(const char *start, const char *p, Span *span)
{
	const char *from = p;
	const char *to = p + 1;
	bool		dot = false;

	while (from > start && (is_word_byte(from[-1]) || strchr("._%+-'", from[-1]) != NULL))
		from--;
	while (is_host_byte(*to))
	{
		if (*to == '.' && is_word_byte(to[1]))
			dot = true;
		to++;
	}
	while (to > p + 1 && (to[-1] == '.' || to[-1] == '-'))
		to--;
	if (from == p || to == p + 1 || !dot)
		return false;
	if (from - start >= 7 && pg_strncasecmp(from - 7, "mailto:", 7) == 0)
		from -= 7;
	span->from = from;
	span->to = to;
	return true;
}

/* at ':': a URL with a scheme */
static bool
find_url(const char *start, const char *p, Span *span)
{
	const char *from = p;

	if (p[1] != '/' || p[2] != '/' || is_url_end(p[3]))
		return false;
	while (from > start && isalpha((unsigned char) from[-1]))
		from--;
	if (from == p)
		return false;
	span->from = from;
	span->to = url_end(p + 3);
	return true;
}

/* at '.': a host without a scheme, perhaps with a path */
static bool
find_host(const char *start, const char *p, LiCleanKind kind, Span *span)
{
	const char *from = p;
	const char *to = p + 1;
	const char *ending;
	const char *host;
	bool		path;

	if (!is_word_byte(p[1]))
		return false;
	while (from > start && is_host_byte(from[-1]))
		from--;
	while (is_host_byte(*to))
		to++;
	while (to > p + 1 && (to[-1] == '.' || to[-1] == '-'))
		to--;
	if (from == p)
		return false;
	ending = to;
	while (ending > from && ending[-1] != '.')
		ending--;
	if (ending == to)
		return false;
	path = *to == '/' && (is_word_byte(to[1]) || to[1] == '@' || to[1] == '~');

	host = from;
	if (pg_strncasecmp(host, "www.", 4) == 0)
	{
		span->from = from;
		span->to = url_end(to);
		return true;
	}
	if (path)
	{
		/* "uk.linkedin.com": the last two labels name the site */
		const char *site = ending - 1;

		while (site > host && site[-1] != '.')
			site--;
		if (!in_list(site, to - site, profile_hosts) &&
			!(all_lower(host, to) &&
			  (in_list(ending, to - ending, bare_endings) ||
			   in_list(ending, to - ending, path_endings))))
			return false;
		span->from = from;
		span->to = url_end(to);
		return true;
	}
	if (kind == LI_CLEAN_NAME || !all_lower(host, to) ||
		!in_list(ending, to - ending, bare_endings))
		return false;
	/* "v1.0.in" or "e.g.in" are no hosts: each label has two letters or more */
	for (const char *label = host; label < to;)
	{
		const char *next = label;

		while (next < to && *next != '.')
			next++;
		if (next - label < 2)
			return false;
		label = next + 1;
	}
	span->from = from;
	span->to = to;
	return true;
}

/* at '-': a UUID, its first group before */
static bool
find_uuid(const char *start, const char *p, Span *span)
{
	static const int groups[] = {4, 4, 4, 12};
	const char *to = p;

	if (p - start < 8)
		return false;
	for (int i = 1; i <= 8; i++)
	{
		if (!isxdigit((unsigned char) p[-i]))
			return false;
	}
	for (int g = 0; g < 4; g++)
	{
		if (*to++ != '-')
			return false;
		for (int i = 0; i < groups[g]; i++)
		{
			if (!isxdigit((unsigned char) *to))
				return false;
			to++;
		}
	}
	span->from = p - 8;
	span->to = to;
	return !is_word_byte(*to);
}

/* Does one of phone_words stand right before "p"? */
static bool
after_phone_word(const char *start, const char *p)
{
	const char *end = p;
	const char *word;

	while (end > start && strchr(" .:#-", end[-1]) != NULL)
		end--;
	word = end;
	while (word > start && isalpha((unsigned char) word[-1]))
		word--;
	return in_list(word, end - word, phone_words);
}

/*
 * At a digit, '+' or '(' that follows no word: a telephone number.
 *
 * Figures, years, date ranges and standards look alike; see the conditions at
 * the end, each for a way in which numbers are really written.
 */
static bool
find_phone(const char *start, const char *p, Span *span)
{
	const char *q = p;
	const char *to = p;
	int			groups[12];		/* digits per group */
	int			n = 0;
	int			digits = 0;
	bool		plus = false;
	bool		slash = false;
	bool		yes;

	if (*q == '+')
	{
		plus = true;
		q++;
	}
	while (n < 12)
	{
		int			len = 0;

		if (*q == '(')
			q++;
		while (isdigit((unsigned char) q[len]))
			len++;
		if (len == 0)
			break;
		q += len;
		groups[n++] = len;
		digits += len;
		to = q;
		if (*q == ')')
		{
			q++;
			to = q;
		}
		if (*q == ' ' || *q == '-' || *q == '.' || *q == '/')
		{
			slash |= *q == '/';
			q++;
		}
		else if (*q != '(' && !isdigit((unsigned char) *q))
			break;
	}
	if (n == 0 || is_word_byte(*to) || *to == '%' || digits > 15)
		return false;

	if (plus)
		yes = digits >= 8;		/* international */
	else if (after_phone_word(start, p))
		yes = digits >= 6;
	else if (n == 1)			/* unbroken; not a round figure */
		yes = digits >= 10 && strncmp(to - 3, "000", 3) != 0;
	else if (p[0] == '0' && p[1] == '0')
		yes = digits >= 10;		/* international, dialled */
	else if (p[0] == '0' || (p[0] == '(' && p[1] == '0'))
		yes = digits >= 9 && digits <= 13 &&	/* national, area code first */
			((groups[0] >= 3 && !(slash && n > 3)) ||
			 (n == 5 && digits == 10));
	else
		yes = (n == 3 && groups[0] == 3 && groups[1] == 3 && groups[2] == 4) ||
			(n == 4 && groups[0] == 1 && *p == '1' && groups[1] == 3 &&
			 groups[2] == 3 && groups[3] == 4);	/* North America */

	span->from = p;
	span->to = to;
	return yes;
}

/* At the start of a word: an id of the person's or of the network's. */
static bool
find_id(const LiCleaner *cleaner, const char *p, Span *span)
{
	const char *to = p;

	if (pg_strncasecmp(p, "urn:", 4) == 0 && is_word_byte(p[4]))
	{
		span->from = p;
		span->to = url_end(p);
		return true;
	}
	while (is_word_byte(*to) || *to == '-' || *to == '_')
		to++;
	span->from = p;
	span->to = to;
	if (p[0] == 'A' && to - p >= 20 && p[2] == 'o' && p[3] == 'A' &&
		(p[1] == 'C' || p[1] == 'D' || p[1] == 'E'))
		return true;			/* LinkedIn's member ids, ACoAA... */
	return (cleaner->member_id != NULL && strlen(cleaner->member_id) == to - p &&
			memcmp(p, cleaner->member_id, to - p) == 0) ||
		(cleaner->public_id != NULL && strlen(cleaner->public_id) == to - p &&
		 pg_strncasecmp(p, cleaner->public_id, to - p) == 0);
}

/*
 * At the start of a word: the name run together, as in "annaexample.dev",
 * "anna_example" or "Anna-Example42".
 */
static bool
find_handle(const LiCleaner *cleaner, const char *p, const char *end, Span *span)
{
	const char *h = cleaner->handle;
	const char *h_end = h + strlen(h);
	const char *to = p;

	while (h < h_end)
	{
		uint32		want;
		uint32		cp;
		int			len;

		if (to >= end)
			return false;
		len = li_char_read(to, end, &cp);
		if (to > p && (cp == '.' || cp == '-' || cp == '_'))
		{
			to += len;
			continue;
		}
		h += li_char_read(h, h_end, &want);
		if (li_char_fold(cp) != want)
			return false;
		to += len;
	}
	while (is_host_byte(*to) || *to == '_' || *to == '@')
		to++;
	while (to > p && (to[-1] == '.' || to[-1] == '-'))
		to--;
	span->from = p;
	span->to = to;
	return true;
}

/* Copies "text" to "out" without the strings described above. */
static void
drop_contacts(const LiCleaner *cleaner, LiCleanKind kind, const char *text, char *out)
{
	const char *end = text + strlen(text);
	const char *p = text;
	const char *start = text;	/* end of the last removal */
	bool		in_word = false;

	while (p < end)
	{
		unsigned char c = *p;
		Span		span;
		bool		found = false;

		switch (c)
		{
			case '@':
				found = find_email(start, p, &span);
				break;
			case ':':
				found = find_url(start, p, &span);
				break;
			case '.':
				found = find_host(start, p, kind, &span);
				break;
			case '-':
				found = find_uuid(start, p, &span);
				break;
			case '+':
			case '(':
				if (!in_word)
					found = find_phone(start, p, &span);
				break;
			default:
				if (!in_word && isdigit(c))
					found = (p == start || strchr(".,-/:$", p[-1]) == NULL) &&
						find_phone(start, p, &span);
				if (!found && !in_word && is_word_byte(c))
					found = find_id(cleaner, p, &span) ||
						(cleaner->handle != NULL &&
						 find_handle(cleaner, p, end, &span));
				break;
		}
		if (found)
		{
			/* what stands before "p" has been copied already */
			out -= p - span.from;
			if (span.from > start && span.from[-1] == '@')
				out--;
			p = span.to;
			start = p;
			in_word = false;
			continue;
		}
		in_word = is_word_byte(c);
		*out++ = *p++;
	}
	*out = '\0';
}

/*
 * Drops invisible characters, makes spaces and line ends plain ones.  Text
 * written in tag characters, which no reader sees, is remembered; the tags of
 * a flag of a part of a country (after U+1F3F4) are not such text.
 */
static char *
drop_invisible(LiCleaner *cleaner, const char *raw)
{
	const char *end = raw + strlen(raw);
	char	   *result = palloc(end - raw + 1);
	char	   *out = result;
	int			tags = 0;
	bool		after_flag = false;

	for (const char *p = raw; p < end;)
	{
		uint32		cp;
		int			len;

		if ((unsigned char) *p >= ' ' && (unsigned char) *p < 0x7f)
		{
			*out++ = *p++;
			after_flag = false;
			continue;
		}
		len = li_char_read(p, end, &cp);
		if (cp >= 0xe0020 && cp <= 0xe007f)
		{
			if (!after_flag && ++tags >= 4)
				cleaner->hidden_text = true;
		}
		else
			after_flag = cp == 0x1f3f4;

		if (cp == '\r' && p + 1 < end && p[1] == '\n')
			;
		else if (li_char_is_line_end(cp))
			*out++ = '\n';
		else if (li_char_is_space(cp))
			*out++ = ' ';
		else if (cp == 0xfffd && len == 1)
			;					/* not a character */
		else if (!li_char_is_invisible(cp))
		{
			memcpy(out, p, len);
			out += len;
		}
		p += len;
	}
	*out = '\0';
	return result;
}

/*
 * Spaces in order, in place: no two in a row, none at the ends of a line, at
 * most one empty line.  Bullets that open a line become '-'.
 */
static char *
order_spaces(LiCleanKind kind, char *text)
{
	char	   *end = text + strlen(text);
	char	   *out = text;
	int			lines = 0;		/* line ends not yet written */
	bool		space = false;	/* a space not yet written */

	for (char *p = text; p < end;)
	{
		uint32		cp;
		int			len;

		if (*p == '\n')
		{
			lines++;
			p++;
			continue;
		}
		if (*p == ' ')
		{
			space = true;
			p++;
			continue;
		}
		if (!space && lines == 0 && out > text)
		{
			/* within a word or between bytes of a character */
			*out++ = *p++;
			continue;
		}
		len = li_char_read(p, end, &cp);
		if (out > text)
		{
			if (lines > 0 && kind == LI_CLEAN_TEXT)
			{
				*out++ = '\n';
				if (lines > 1)
					*out++ = '\n';
			}
			else if (space || lines > 0)
				*out++ = ' ';
		}
		if (kind == LI_CLEAN_TEXT && (lines > 0 || out == text) &&
			(li_char_is_bullet(cp) || (*p == '*' && p[1] == ' ')))
		{
			/* no longer than what was read: a bullet has two bytes or more */
			*out++ = '-';
			space = true;
		}
		else
		{
			memmove(out, p, len);
			out += len;
			space = false;
		}
		p += len;
		lines = 0;
	}
	*out = '\0';
	return text;
}

void
li_cleaner_init(LiCleaner *cleaner, const char *full_name,
				const char *member_id, const char *public_id)
{
	memset(cleaner, 0, sizeof(*cleaner));
	if (member_id != NULL && strlen(member_id) >= 6)
		cleaner->member_id = member_id;

	/* "security" may be a public id, and an ordinary word all the same */
	if (public_id != NULL && strlen(public_id) >= 6 &&
		strpbrk(public_id, "-0123456789") != NULL)
		cleaner->public_id = public_id;

	if (full_name != NULL)
	{
		const char *end = full_name + strlen(full_name);
		char	   *handle = palloc((end - full_name) * 2 + 1);
		char	   *out = handle;
		int			words = 0;
		int			letters = 0;
		bool		in_word = false;

		for (const char *p = full_name; p < end;)
		{
			uint32		cp;

			p += li_char_read(p, end, &cp);
			if (li_char_is_letter(cp))
			{
				out += li_char_write(li_char_fold(cp), out);
				words += !in_word;
				letters++;
				in_word = true;
			}
			else
				in_word = false;
		}
		*out = '\0';
		if (words >= 2 && letters >= 6)
			cleaner->handle = handle;
	}
}

char *
li_clean(LiCleaner *cleaner, LiCleanKind kind, const char *raw)
{
	char	   *visible;
	const char *composed;
	char	   *result;

	if (raw == NULL || *raw == '\0')
		return NULL;
	visible = drop_invisible(cleaner, raw);
	composed = li_char_compose(visible);
	result = palloc(strlen(composed) + 1);
	drop_contacts(cleaner, kind, composed, result);
	order_spaces(kind, result);
	return *result != '\0' ? result : NULL;
}
