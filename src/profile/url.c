/*-------------------------------------------------------------------------
 * url.c
 *		LinkedIn addresses: one person, one URL.
 *
 * People paste addresses from browsers, mails and spreadsheets, so much is
 * accepted: no scheme, country hosts, tracking parameters, sub-pages, percent
 * encoding, invisible characters.  The host is compared whole, after anything
 * with user-info, a backslash or a strange port was refused: whoever trusts a
 * normalised URL must land on linkedin.com and nowhere else.
 *
 * Pure: builds without the server.  Faults are the kind OTHER, never errors.
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <ctype.h>
#include <string.h>

#include "profile/text.h"
#include "profile/url.h"

#define URL_ROOT "https://www.linkedin.com"

/* The word that linkedin_url_kind() answers with. */
const char *
li_url_kind_name(LiUrlKind kind)
{
	switch (kind)
	{
		case LI_URL_PERSON:
			return "person";
		case LI_URL_COMPANY:
			return "company";
		case LI_URL_SCHOOL:
			return "school";
		case LI_URL_LEGACY:
			return "legacy";
		case LI_URL_OTHER:
			break;
	}
	return "other";
}

/*
 * The text without invisible characters and without white space at its ends;
 * null when it is empty or not UTF-8.
 */
static char *
visible(const char *s)
{
	StringInfoData buf;
	size_t		left = strlen(s);

	initStringInfo(&buf);
	while (left > 0)
	{
		uint32		c;
		int			n = li_utf8_decode(s, left, &c);

		if (n < 0)
			return NULL;
		if (!li_is_invisible(c))
			li_utf8_append(&buf, c);
		s += n;
		left -= n;
	}
	return li_text_trim(buf.data);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/*
 * A name as it stands in a path, brought to its one form: percent-decoded,
 * visible characters only, NFC, lower case.  Null when it decodes to something
 * that cannot be one path segment.
 */
static char *
normal_slug(const char *raw, size_t len)
{
	StringInfoData buf;
	char	   *slug;

	if (len > 3 * LI_MAX_SLUG_BYTES)
		return NULL;
	initStringInfo(&buf);
	for (size_t i = 0; i < len; i++)
	{
		int			c = (unsigned char) raw[i];

		if (c == '%')
		{
			int			high = i + 2 < len ? hex_digit(raw[i + 1]) : -1;
			int			low = i + 2 < len ? hex_digit(raw[i + 2]) : -1;

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return NULL;
			c = high * 16 + low;
			i += 2;
		}
		appendStringInfoChar(&buf, (char) c);
	}
	slug = visible(buf.data);
	if (slug == NULL)
		return NULL;
	slug = li_utf8_lower(li_utf8_nfc(slug));
	if (strlen(slug) > LI_MAX_SLUG_BYTES || strcmp(slug, ".") == 0 ||
		strcmp(slug, "..") == 0)
		return NULL;
	for (const char *p = slug; *p;)
	{
		uint32		c;

		p += li_utf8_decode(p, strlen(p), &c);
		if (li_is_space(c) || c < 0x20 || c == 0x7F ||
			(c < 0x80 && strchr("/\\?#%\"<>{}|^`@:;,", (int) c) != NULL))
			return NULL;
	}
	return slug;
}

/* linkedin.com, www., m. or a country's two letters in front of it. */
static bool
is_linkedin_host(const char *host, size_t len)
{
	static const char domain[] = "linkedin.com";
	size_t		dlen = sizeof(domain) - 1;
	size_t		prefix;

	if (len < dlen || pg_strncasecmp(host + len - dlen, domain, dlen) != 0)
		return false;
	prefix = len - dlen;
	if (prefix == 0)
		return true;
	if (host[--prefix] != '.')
		return false;
	if (prefix == 1)
		return host[0] == 'm' || host[0] == 'M';
	if (prefix == 2)
		return isalpha((unsigned char) host[0]) && isalpha((unsigned char) host[1]);
	return prefix == 3 && pg_strncasecmp(host, "www", 3) == 0;
}

/*
 * One past the host in "host[:port]"; a port other than the usual two leaves
 * nothing of it.
 */
static size_t
host_length(const char *authority, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (authority[i] == '@')
			return 0;
		if (authority[i] == ':')
		{
			size_t		port = len - i - 1;

			if ((port == 2 && strncmp(authority + i + 1, "80", 2) == 0) ||
				(port == 3 && strncmp(authority + i + 1, "443", 3) == 0))
				return i;
			return 0;
		}
	}
	return len;
}

/* The next non-empty path segment; returns its length and moves *path past it. */
static size_t
next_segment(const char **path, const char **segment)
{
	size_t		len;

	while (**path == '/')
		(*path)++;
	*segment = *path;
	len = strcspn(*path, "/");
	*path += len;
	return len;
}

static bool
segment_is(const char *segment, size_t len, const char *word)
{
	return len == strlen(word) && pg_strncasecmp(segment, word, len) == 0;
}

/*
 * Reads an address.  Never fails: what is not LinkedIn's is OTHER.  The strings
 * of the result are palloc'd.
 */
LiUrl
li_url_parse(const char *url)
{
	LiUrl		result = {LI_URL_OTHER, NULL, NULL};
	char	   *text = visible(url);
	char	   *p;
	size_t		len;
	const char *path;
	const char *segment;
	const char *room;

	if (text == NULL || strchr(text, '\\') != NULL)
		return result;
	text[strcspn(text, "?#")] = '\0';

	p = text;
	if (pg_strncasecmp(p, "https://", 8) == 0)
		p += 8;
	else if (pg_strncasecmp(p, "http://", 7) == 0)
		p += 7;

	len = strcspn(p, "/");
	if (!is_linkedin_host(p, host_length(p, len)))
		return result;

	path = p + len;
	len = next_segment(&path, &segment);
	if (segment_is(segment, len, "in"))
	{
		result.kind = LI_URL_PERSON;
		room = "in";
	}
	else if (segment_is(segment, len, "company"))
	{
		result.kind = LI_URL_COMPANY;
		room = "company";
	}
	else if (segment_is(segment, len, "school"))
	{
		result.kind = LI_URL_SCHOOL;
		room = "school";
	}
	else
	{
		bool		pub = segment_is(segment, len, "pub");
		bool		view = segment_is(segment, len, "profile");

		len = next_segment(&path, &segment);
		if ((pub && len > 0) || (view && segment_is(segment, len, "view")))
			result.kind = LI_URL_LEGACY;
		return result;
	}

	len = next_segment(&path, &segment);
	result.slug = len > 0 ? normal_slug(segment, len) : NULL;
	if (result.slug == NULL)
	{
		result.kind = LI_URL_OTHER;
		return result;
	}
	result.normalized = psprintf(URL_ROOT "/%s/%s", room, result.slug);
	return result;
}

/*
 * A vanity name in its one form; a person's address is accepted in its place.
 * Null when it is neither.
 */
char *
li_public_id(const char *raw)
{
	char	   *text = visible(raw);

	if (text == NULL)
		return NULL;
	if (strchr(text, '/') != NULL)
	{
		LiUrl		url = li_url_parse(text);

		return url.kind == LI_URL_PERSON ? url.slug : NULL;
	}
	return normal_slug(text, strlen(text));
}
