/*-------------------------------------------------------------------------
 *
 * anthropic.c
 *		The dialect of Anthropic's Messages API, version 2023-06-01.
 *
 * The system text stands outside the messages, and the two user messages are
 * two blocks of one, because roles must alternate.
 *
 * The schemas that this provider takes know types, members and choices, but no
 * limits of numbers, texts and lists: with them in it a request is refused.  So
 * they are taken out and said in a description, which the model reads; the
 * answer is checked against them in any case.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "json.h"
#include "llm/outcome.h"
#include "llm/reply.h"
#include "llm/request.h"

/*-------------------------------------------------------------------------
 * The request
 *-------------------------------------------------------------------------
 */

/* Takes one keyword out of a schema and says it in words. */
static void
say_limit(json_t *schema, const char *keyword, StringInfo words)
{
	const json_t *limit = json_object_get(schema, keyword);

	if (!json_is_number(limit))
		return;
	/* the one limit that is taken */
	if (strcmp(keyword, "minItems") == 0 && json_number_value(limit) <= 1)
		return;
	appendStringInfo(words, "%s%s %.15g", words->len > 0 ? ", " : "", keyword,
					 json_number_value(limit));
	json_object_del(schema, keyword);
}

static void
say_limits(json_t *schema)
{
	static const char *const keywords[] = {
		"minimum", "maximum", "maxLength", "minItems", "maxItems"
	};
	StringInfoData words;
	const char *key;
	json_t	   *member;
	size_t		i;

	initStringInfo(&words);
	for (i = 0; i < lengthof(keywords); i++)
		say_limit(schema, keywords[i], &words);
	if (words.len > 0)
		json_object_set_new(schema, "description", json_string(words.data));

	json_object_foreach (json_object_get(schema, "properties"), key, member)
		say_limits(member);
	json_array_foreach (json_object_get(schema, "anyOf"), i, member)
		say_limits(member);
	member = json_object_get(schema, "items");
	if (member != NULL)
		say_limits(member);
}

/* The schema as this provider takes it; NULL: it is none. */
static char *
without_limits(const char *schema)
{
	LiJson	   *json = li_json_parse(schema, strlen(schema), NULL);
	char	   *text = NULL;

	if (json != NULL)
	{
		say_limits(json->root);
		text = li_json_dump_compact(json->root);
	}
	li_json_free(json);
	return text;
}

static void
append_text(StringInfo body, const char *text, const char *more)
{
	if (body->data[body->len - 1] != '[')
		appendStringInfoChar(body, ',');
	appendStringInfoString(body, "{\"type\":\"text\",\"text\":");
	if (more != NULL)
		text = psprintf("%s\n\n%s", text, more);
	li_append_json_string(body, text);
	appendStringInfoChar(body, '}');
}

static const char *
build_request(const LiEndpoint *endpoint, const LiAsk *ask, LiHttpRequest *request)
{
	const char *fault = li_request_fault(endpoint, ask);
	const char *const *user = ask->user_text;
	char	   *headers[2] = { "anthropic-version: 2023-06-01", NULL };
	char	   *schema = NULL;
	StringInfoData body;

	if (fault != NULL)
		return fault;
	if (ask->max_tokens <= 0)
		return "this provider needs max_tokens";
	if (ask->schema != NULL && ask->json_schema)
	{
		schema = without_limits(ask->schema);
		if (schema == NULL)
			return "the schema cannot be read";
	}

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"model\":");
	li_append_json_string(&body, ask->model);
	appendStringInfo(&body, ",\"max_tokens\":%d", ask->max_tokens);
	if (ask->temperature != NULL)
		appendStringInfo(&body, ",\"temperature\":%s", ask->temperature);
	if (ask->reasoning_effort != NULL || schema != NULL)
	{
		appendStringInfoString(&body, ",\"output_config\":{");
		if (ask->reasoning_effort != NULL)
		{
			appendStringInfoString(&body, "\"effort\":");
			li_append_json_string(&body, ask->reasoning_effort);
		}
		if (schema != NULL)
			appendStringInfo(&body, "%s\"format\":{\"type\":\"json_schema\",\"schema\":%s}",
							 ask->reasoning_effort != NULL ? "," : "", schema);
		appendStringInfoChar(&body, '}');
	}
	if (ask->system_text != NULL && ask->system_text[0] != '\0')
	{
		appendStringInfoString(&body, ",\"system\":");
		li_append_json_string(&body, ask->system_text);
	}
	appendStringInfoString(&body, ",\"messages\":[{\"role\":\"user\",\"content\":[");
	append_text(&body, user[0], ask->merge_user_messages ? user[1] : NULL);
	if (user[1] != NULL && !ask->merge_user_messages)
		append_text(&body, user[1], NULL);
	appendStringInfoString(&body, "]}]}");

	if (endpoint->key != NULL)
		headers[1] = psprintf("x-api-key: %s", endpoint->key);
	request->url = li_request_url(endpoint, "/messages");
	request->headers = li_request_headers(endpoint, headers, lengthof(headers));
	request->body = body.data;
	request->body_len = body.len;
	return NULL;
}

/*-------------------------------------------------------------------------
 * The reply
 *-------------------------------------------------------------------------
 */

/*
 * Tokens read from the provider's cache and written to it are counted beside
 * input_tokens, not in it; prompt_tokens is the whole prompt.  Those written
 * would cost more than others, but no request asks for that.
 */
static void
read_usage(const json_t *root, LiAnswer *answer)
{
	const json_t *usage = json_object_get(root, "usage");
	int64		prompt = li_reply_count(usage, "input_tokens");
	int			written = li_reply_count(usage, "cache_creation_input_tokens");

	answer->cached_tokens = li_reply_count(usage, "cache_read_input_tokens");
	answer->completion_tokens = li_reply_count(usage, "output_tokens");
	if (prompt >= 0)
		prompt += Max(written, 0) + (int64) Max(answer->cached_tokens, 0);
	if (prompt <= PG_INT32_MAX)
		answer->prompt_tokens = prompt;
}

static LiOutcome
judge(const char *stop_reason, const char *content)
{
	if (stop_reason != NULL && strcmp(stop_reason, "refusal") == 0)
		return li_outcome(LI_FAIL, "refused", "the model refused to answer");
	if (stop_reason != NULL && strcmp(stop_reason, "max_tokens") == 0)
		return li_outcome(LI_REASK, "truncated",
						  "the answer was cut at the limit of tokens");
	if (stop_reason != NULL && strcmp(stop_reason, "model_context_window_exceeded") == 0)
		return li_outcome(LI_SHRINK, "context_length_exceeded",
						  "the prompt leaves the model no room to answer");
	if (li_reply_is_blank(content))
		return li_outcome(LI_RETRY, "empty_response", "the model's answer is empty");
	return li_outcome(LI_OK, NULL, NULL);
}

static void
read_completion(const json_t *root, LiAnswer *answer)
{
	const json_t *content = json_object_get(root, "content");
	char	   *text;

	answer->finish_reason = li_reply_name(root, "stop_reason");
	read_usage(root, answer);
	if (!json_is_array(content))
	{
		answer->outcome = li_outcome(LI_RETRY, "empty_response",
									 "the provider's reply holds no answer");
		return;
	}
	text = li_reply_text(content);
	answer->outcome = judge(answer->finish_reason, text);
	if (answer->outcome.class == LI_OK)
		answer->content = text;
}

static void
read_reply(const LiEndpoint *endpoint, const LiHttpResponse *response,
		   const LiAsk *ask, LiAnswer *answer)
{
	li_reply_read(endpoint, response, ask, read_completion, answer);
}

const LiProvider li_provider_anthropic = {
	.kind = "anthropic",
	.build = build_request,
	.read = read_reply
};
