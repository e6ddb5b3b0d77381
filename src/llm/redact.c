/*-------------------------------------------------------------------------
 *
 * redact.c
 *		Text of others made fit for an error message.
 *
 * Providers quote what they refuse: a part of the key with a 401, a piece of
 * the request with a 400.  An error message is stored and may be logged, so
 * keys and a person's data must not get into it.  What is cut too much is only
 * inconvenient; the whole reply is known to the provider under its request id.
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

#include "llm/redact.h"

#define REDACTED "[redacted]"
#define OMITTED "[omitted]"
#define MAX_INPUT_BYTES 4096 /* of a message that is looked at */
#define MAX_QUOTE_BYTES 40
#define MIN_KEY_BYTES 20 /* shorter words are no keys */
#define ECHO_BYTES 12

/* The length of the character at s, which is valid UTF-8. */
static int
char_len(const char *s)
{
	unsigned char c = (unsigned char) *s;

	return c < 0x80 ? 1 : c < 0xE0 ? 2 :
					  c < 0xF0	   ? 3 :
									 4;
}

char *
li_clip(const char *text, int max_bytes)
{
	size_t		len = strlen(text);
	char	   *copy;

	if (len > max_bytes)
	{
		len = max_bytes;
		while (len > 0 && ((unsigned char) text[len] & 0xC0) == 0x80)
			len--;
	}
	copy = pnstrdup(text, len);
	for (char *p = copy; *p != '\0'; p++)
	{
		if ((unsigned char) *p < ' ' || *p == 0x7F)
			*p = ' ';
	}
	return copy;
}

static bool
is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		   (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*';
}

/* Is the word, or what a provider left of it, like a key? */
static bool
looks_like_key(const char *word, size_t len, const LiAsk *ask)
{
	bool		letter = false;
	bool		digit = false;

	if (len > 3 && (pg_strncasecmp(word, "sk-", 3) == 0 ||
					pg_strncasecmp(word, "sk_", 3) == 0))
		return true;
	if (ask->model != NULL && strlen(ask->model) == len &&
		memcmp(word, ask->model, len) == 0)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (word[i] == '*' && i + 1 < len && word[i + 1] == '*')
			return true;
		letter |= isalpha((unsigned char) word[i]) != 0;
		digit |= isdigit((unsigned char) word[i]) != 0;
	}
	return len >= MIN_KEY_BYTES && letter && digit;
}

/* Replaces words that are or may be secrets. */
static char *
without_secrets(const char *text, const char *key, const LiAsk *ask)
{
	StringInfoData out;
	size_t		key_len = key != NULL ? strlen(key) : 0;
	bool		after_bearer = false;

	initStringInfo(&out);
	while (*text != '\0')
	{
		const char *word = text;
		size_t		len;

		if (key_len > 0 && strncmp(text, key, key_len) == 0)
		{
			appendStringInfoString(&out, REDACTED);
			text += key_len;
			continue;
		}
		if (strncmp(text, "://", 3) == 0)
		{
			size_t		authority = strcspn(text + 3, "/?# \t");
			const char *at = memchr(text + 3, '@', authority);

			appendStringInfoString(&out, "://");
			text += 3;
			if (at != NULL)
			{
				appendStringInfoString(&out, REDACTED "@");
				text = at + 1;
			}
			continue;
		}
		if (after_bearer && !isspace((unsigned char) *text))
		{
			appendStringInfoString(&out, REDACTED);
			text += strcspn(text, " \t\"'`,;");
			after_bearer = false;
			if (text == word)
				appendStringInfoChar(&out, *text++);
			continue;
		}
		if (!is_word_char(*text))
		{
			appendStringInfoChar(&out, *text++);
			continue;
		}

		while (is_word_char(*text))
		{
			text++;
			if (key_len > 0 && strncmp(text, key, key_len) == 0)
				break;
		}
		len = text - word;
		if (looks_like_key(word, len, ask))
			appendStringInfoString(&out, REDACTED);
		else
			appendBinaryStringInfo(&out, word, len);
		after_bearer = len == 6 && pg_strncasecmp(word, "bearer", 6) == 0;
	}
	return out.data;
}

/* If a quotation opens at s, its closing mark; NULL: none opens there. */
static const char *
closing_quote(const char *s, const char *begin)
{
	static const char *const marks[][2] = {
		{ "\"", "\"" }, { "`", "`" }, { "'", "'" }, { "\xE2\x80\x9C", "\xE2\x80\x9D" }, /* typographic, double */
		{ "\xE2\x80\x98", "\xE2\x80\x99" }, /* typographic, single */
		{ "\xC2\xAB", "\xC2\xBB" } /* guillemets */
	};

	/* an apostrophe is not a quote */
	if (*s == '\'' && s > begin && isalnum((unsigned char) s[-1]))
		return NULL;
	for (int i = 0; i < (int) lengthof(marks); i++)
	{
		if (strncmp(s, marks[i][0], strlen(marks[i][0])) == 0)
			return marks[i][1];
	}
	return NULL;
}

/* Replaces long quotations, also one whose end is missing. */
static char *
without_quotations(const char *text)
{
	StringInfoData out;
	const char *begin = text;

	initStringInfo(&out);
	while (*text != '\0')
	{
		const char *closing = closing_quote(text, begin);
		int			len = char_len(text);
		const char *inside = text + len;
		const char *end;

		appendBinaryStringInfo(&out, text, len);
		text = inside;
		if (closing == NULL)
			continue;

		end = strstr(inside, closing);
		while (end != NULL && *closing == '\'' && isalnum((unsigned char) end[1]))
			end = strstr(end + 1, closing);
		if (end == NULL)
			end = inside + strlen(inside);
		if (end - inside > MAX_QUOTE_BYTES)
			appendStringInfoString(&out, OMITTED);
		else
			appendBinaryStringInfo(&out, inside, end - inside);
		if (*end != '\0')
		{
			appendStringInfoString(&out, closing);
			end += strlen(closing);
		}
		text = end;
	}
	return out.data;
}

/*
 * Does the message repeat the question?  It is looked up piece by piece, so
 * whatever is as long as two pieces is found.
 */
static bool
echoes(const char *message, const LiAsk *ask)
{
	const char *texts[] = { ask->system_text, ask->user_text[0], ask->user_text[1] };
	size_t		len = strlen(message);
	char		piece[ECHO_BYTES + 1];

	for (size_t at = 0; at + ECHO_BYTES <= len; at += ECHO_BYTES)
	{
		memcpy(piece, message + at, ECHO_BYTES);
		piece[ECHO_BYTES] = '\0';
		for (int i = 0; i < (int) lengthof(texts); i++)
		{
			if (texts[i] != NULL && strstr(texts[i], piece) != NULL)
				return true;
		}
	}
	return false;
}

char *
li_safe_message(const char *message, const LiEndpoint *endpoint, const LiAsk *ask)
{
	char	   *text;

	text = li_clip(message, MAX_INPUT_BYTES);
	text = without_secrets(text, endpoint->key, ask);
	text = without_quotations(text);
	text = li_clip(text, LI_MAX_MESSAGE_BYTES);
	if (strspn(text, " ") == strlen(text) || echoes(text, ask))
		return NULL;
	return text;
}
