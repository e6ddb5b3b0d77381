/*-------------------------------------------------------------------------
 *
 * reply.c
 *		What the dialects share when they read a reply.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "llm/headers.h"
#include "llm/outcome.h"
#include "llm/redact.h"
#include "llm/reply.h"

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

	return count >= 0 && count <= PG_INT32_MAX ? (int) count : -1;
}
