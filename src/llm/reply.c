/*-------------------------------------------------------------------------
 *
 * reply.c
 *		What the dialects share when they read a reply.
 *
 * Replies are read with as little trust as they deserve: code is a string, an
 * integer or null, error an object or a string, every header and member may be
 * missing.  A server that speaks one dialect may have a gateway before it that
 * speaks another, so errors are read alike for all of them.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "llm/headers.h"
#include "llm/outcome.h"
#include "llm/rates.h"
#include "llm/redact.h"
#include "llm/reply.h"

/* No call has so many; a larger count is a lie or a mistake. */
#define MAX_TOKENS	100000000

/* A header may hold any bytes; an id has no use for most of them. */
static char *
ascii_name(const char *text)
{
	char	   *copy = li_clip(text, LI_MAX_NAME_BYTES);

	for (char *p = copy; *p != '\0'; p++)
	{
		if ((unsigned char) *p >= 0x80)
			*p = '?';
	}
	return copy;
}

void
li_reply_begin(LiAnswer *answer, const LiHttpResponse *response)
{
	static const char *const names[] = {
		"x-request-id", "request-id", "apim-request-id"
	};

	memset(answer, 0, sizeof(LiAnswer));
	answer->outcome = li_outcome(LI_OK, NULL, NULL);
	answer->prompt_tokens = -1;
	answer->cached_tokens = -1;
	answer->completion_tokens = -1;
	answer->rates = li_rates_of_headers(response->headers, response->headers_len);
	for (int i = 0; i < (int) lengthof(names) && answer->request_id == NULL; i++)
	{
		char	   *id = li_header_value(response->headers, response->headers_len,
								   names[i]);

		if (id != NULL && *id != '\0')
			answer->request_id = ascii_name(id);
	}
}

/* Says the response that it is something else than JSON? */
static bool
claims_other_type(const LiHttpResponse *response)
{
	char	   *type = li_header_value(response->headers, response->headers_len,
									   "content-type");
	size_t		len;

	if (type == NULL)
		return false;
	len = strcspn(type, "; \t");
	return len < 4 || pg_strncasecmp(type + len - 4, "json", 4) != 0;
}

LiJson *
li_reply_object(LiAnswer *answer, const LiHttpResponse *response)
{
	size_t		blank = 0;
	LiJson	   *json;
	LiJsonError error;

	while (blank < response->body_len &&
		   strchr(" \t\r\n", response->body[blank]) != NULL &&
		   response->body[blank] != '\0')
		blank++;
	if (blank == response->body_len)
	{
		answer->outcome = li_outcome(LI_RETRY, "empty_response",
									 "the provider's reply is empty");
		return NULL;
	}

	/* a gateway's page, not the provider's reply: no token was paid for it */
	if (response->body[blank] != '{' || claims_other_type(response))
	{
		answer->outcome = li_outcome(LI_RETRY, "provider_error",
									 "the provider's reply is not JSON");
		return NULL;
	}

	json = li_json_parse(response->body, response->body_len, &error);
	if (json == NULL)
		answer->outcome = li_outcome(LI_REASK, "invalid_json",
									 psprintf("the provider's reply cannot be read: %s",
											  error.message));
	return json;
}

/* A code or type, which some servers give as a number. */
static const char *
word_of(const json_t *value)
{
	if (json_is_integer(value))
		return psprintf("%lld", (long long) json_integer_value(value));
	return json_string_value(value);
}

/*
 * The facts of an error reply.  "root" is NULL when the body is not JSON.  The
 * strings are the tree's.
 */
static LiErrorReply
error_reply(int status, const json_t *root)
{
	const json_t *error = json_object_get(root, "error");
	LiErrorReply reply = { .status = status };

	if (json_is_string(error))
		reply.message = json_string_value(error);
	else
	{
		/* early versions of vLLM have the members at the top */
		const json_t *object = json_is_object(error) ? error : root;

		reply.code = word_of(json_object_get(object, "code"));
		if (reply.code == NULL)
			reply.code = word_of(json_object_get(json_object_get(object, "details"),
												 "error_code"));
		reply.type = word_of(json_object_get(object, "type"));
		reply.param = json_string_value(json_object_get(object, "param"));
		reply.message = json_string_value(json_object_get(object, "message"));
	}
	return reply;
}

static void
read_error(const LiEndpoint *endpoint, const LiHttpResponse *response,
		   const LiAsk *ask, const json_t *root, LiAnswer *answer)
{
	LiErrorReply reply = error_reply(response->status, root);

	/* some routers answer 200 and put the status they got into the code */
	if (response->status < 300)
	{
		int			code = reply.code != NULL ? atoi(reply.code) : 0;

		reply.status = code >= 400 && code <= 599 ? code : 500;
	}
	if (answer->request_id == NULL)
		answer->request_id = li_reply_name(root, "request_id");
	answer->outcome = li_outcome_of_error(&reply, response, endpoint, ask);
}

void
li_reply_read(const LiEndpoint *endpoint, const LiHttpResponse *response,
			  const LiAsk *ask, LiReadCompletion read_completion, LiAnswer *answer)
{
	LiJson	   *json;

	li_reply_begin(answer, response);
	if (response->error != LI_HTTP_OK)
	{
		answer->outcome = li_outcome_of_transport(response);
		return;
	}
	if (response->status >= 300)
	{
		json = li_json_parse(response->body, response->body_len, NULL);
		read_error(endpoint, response, ask, json != NULL ? json->root : NULL, answer);
		li_json_free(json);
		return;
	}

	json = li_reply_object(answer, response);
	if (json == NULL)
		return;
	if (json_is_string(json_object_get(json->root, "error")) ||
		json_object_size(json_object_get(json->root, "error")) > 0)
		read_error(endpoint, response, ask, json->root, answer);
	else
	{
		answer->reply = li_json_dump_compact(json->root);
		answer->model = li_reply_name(json->root, "model");
		read_completion(json->root, answer);
		if (answer->prompt_tokens >= 0) /* the bill would be negative */
			answer->cached_tokens = Min(answer->cached_tokens, answer->prompt_tokens);
	}
	li_json_free(json);
}

char *
li_reply_text(const json_t *content)
{
	StringInfoData text;
	size_t		i;
	json_t	   *part;

	initStringInfo(&text);
	if (json_is_string(content))
		appendStringInfoString(&text, json_string_value(content));
	json_array_foreach (content, i, part)
	{
		const char *type = json_string_value(json_object_get(part, "type"));
		const char *value = json_string_value(json_object_get(part, "text"));

		if (type != NULL && strcmp(type, "text") == 0 && value != NULL)
			appendStringInfoString(&text, value);
	}
	return text.data;
}

bool
li_reply_is_blank(const char *text)
{
	return strspn(text, " \t\r\n") == strlen(text);
}

char *
li_reply_name(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? li_clip(text, LI_MAX_NAME_BYTES) : NULL;
}

int
li_reply_count(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	json_int_t	count = json_is_integer(value) ? json_integer_value(value) : -1;

	return count >= 0 && count <= MAX_TOKENS ? (int) count : -1;
}
