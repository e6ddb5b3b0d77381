/*-------------------------------------------------------------------------
 *
 * request.c
 *		What the dialects share when they build a request.
 *
 * A key with a line break in it would be two headers, so everything that
 * becomes part of a header or URL is printable ASCII or refused.
 *
 * Bodies are written, not built as trees: a tree would turn the temperature
 * into a double, copy each text twice, and be malloc'd memory to look after.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "mb/pg_wchar.h"

#include "llm/request.h"

#define MAX_HEADERS 32
#define MAX_SCHEMA_NAME 64

/* Nothing but printable ASCII, and blanks only where they are allowed? */
static bool
is_printable(const char *text, bool blanks)
{
	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++)
	{
		if (*text <= ' ' ? !(blanks && *text == ' ') : *text == 0x7F)
			return false;
	}
	return true;
}

static bool
is_header(const char *header)
{
	/* what frames the message is libcurl's business */
	static const char *const reserved[] = {
		"Connection", "Content-Length", "Content-Type", "Expect", "Host",
		"TE", "Trailer", "Transfer-Encoding", "Upgrade"
	};
	size_t		name_len = strcspn(header, ":");

	if (name_len == 0 || header[name_len] == '\0' ||
		strspn(header, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					   "0123456789-_") != name_len)
		return false;
	for (int i = 0; i < (int) lengthof(reserved); i++)
	{
		if (strlen(reserved[i]) == name_len &&
			pg_strncasecmp(header, reserved[i], name_len) == 0)
			return false;
	}
	return is_printable(header + name_len, true);
}

/* The grammar of RFC 8259, section 6. */
static bool
is_json_number(const char *text)
{
	static const char digits[] = "0123456789";
	size_t		n;

	if (*text == '-')
		text++;
	n = strspn(text, digits);
	if (n == 0 || (n > 1 && *text == '0'))
		return false;
	text += n;
	if (*text == '.')
	{
		n = strspn(++text, digits);
		if (n == 0)
			return false;
		text += n;
	}
	if (*text == 'e' || *text == 'E')
	{
		text++;
		if (*text == '+' || *text == '-')
			text++;
		n = strspn(text, digits);
		if (n == 0)
			return false;
		text += n;
	}
	return *text == '\0';
}

static bool
is_utf8(const char *text)
{
	int			len = strlen(text);

	return pg_encoding_verifymbstr(PG_UTF8, text, len) == len;
}

static bool
is_schema_name(const char *name)
{
	size_t		len = strlen(name);

	return len > 0 && len <= MAX_SCHEMA_NAME &&
		   strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
						"0123456789-_") == len;
}

const char *
li_request_fault(const LiEndpoint *endpoint, const LiAsk *ask)
{
	int			n = 0;

	if (endpoint->base_url == NULL || !is_printable(endpoint->base_url, false) ||
		strpbrk(endpoint->base_url, "?#") != NULL)
		return "the provider's base_url holds characters that are not allowed";
	if (endpoint->key != NULL && !is_printable(endpoint->key, false))
		return "the provider's key holds characters that are not allowed";
	if (endpoint->organization != NULL && !is_printable(endpoint->organization, false))
		return "the provider's organization holds characters that are not allowed";
	for (const char *const *h = endpoint->headers; h != NULL && *h != NULL; h++)
	{
		if (!is_header(*h))
			return "one of the provider's headers is not allowed";
		if (++n > MAX_HEADERS)
			return "the provider has too many headers";
	}

	if (ask->model == NULL || !is_printable(ask->model, false))
		return "the model's name holds characters that are not allowed";
	if (ask->temperature != NULL && !is_json_number(ask->temperature))
		return "the temperature is not a number";
	if (ask->reasoning_effort != NULL && !is_printable(ask->reasoning_effort, false))
		return "the model's reasoning_effort holds characters that are not allowed";
	if (ask->schema != NULL &&
		(ask->schema_name == NULL || !is_schema_name(ask->schema_name)))
		return "the schema's name is not allowed";
	if (ask->user_text[0] == NULL)
		return "there is no prompt";
	if ((ask->system_text != NULL && !is_utf8(ask->system_text)) ||
		!is_utf8(ask->user_text[0]) ||
		(ask->user_text[1] != NULL && !is_utf8(ask->user_text[1])))
		return "the prompt is not valid UTF-8";
	return NULL;
}

char *
li_request_url(const LiEndpoint *endpoint, const char *path)
{
	size_t		len = strlen(endpoint->base_url);

	while (len > 0 && endpoint->base_url[len - 1] == '/')
		len--;
	return psprintf("%.*s%s", (int) len, endpoint->base_url, path);
}

bool
li_request_host_is(const LiEndpoint *endpoint, const char *host)
{
	const char *begin = strstr(endpoint->base_url, "://");
	size_t		host_len = strlen(host);
	size_t		len;

	if (begin == NULL)
		return false;
	begin += 3;
	len = strcspn(begin, ":/");
	return len >= host_len &&
		   pg_strncasecmp(begin + len - host_len, host, host_len) == 0 &&
		   (len == host_len || begin[len - host_len - 1] == '.');
}

void
li_append_json_string(StringInfo out, const char *text)
{
	static const char hex[] = "0123456789abcdef";

	appendStringInfoChar(out, '"');
	while (*text != '\0')
	{
		const char *plain = text;
		unsigned char c;

		while ((unsigned char) *text >= ' ' && *text != '"' && *text != '\\')
			text++;
		appendBinaryStringInfo(out, plain, text - plain);
		c = (unsigned char) *text;
		if (c == '\0')
			break;
		text++;
		switch (c)
		{
			case '"':
				appendStringInfoString(out, "\\\"");
				break;
			case '\\':
				appendStringInfoString(out, "\\\\");
				break;
			case '\n':
				appendStringInfoString(out, "\\n");
				break;
			case '\r':
				appendStringInfoString(out, "\\r");
				break;
			case '\t':
				appendStringInfoString(out, "\\t");
				break;
			default:
				appendStringInfoString(out, "\\u00");
				appendStringInfoChar(out, hex[c >> 4]);
				appendStringInfoChar(out, hex[c & 15]);
				break;
		}
	}
	appendStringInfoChar(out, '"');
}

const char *const *
li_request_headers(const LiEndpoint *endpoint, char *const *own, int count)
{
	const char **list = palloc((count + MAX_HEADERS + 3) * sizeof(char *));
	int			n = 0;

	list[n++] = "Content-Type: application/json";
	list[n++] = "User-Agent: linkedin_ingest";
	for (int i = 0; i < count; i++)
	{
		if (own[i] != NULL)
			list[n++] = own[i];
	}
	for (const char *const *h = endpoint->headers; h != NULL && *h != NULL; h++)
		list[n++] = *h;
	list[n] = NULL;
	return list;
}
