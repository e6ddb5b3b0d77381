/*-------------------------------------------------------------------------
 *
 * openai.c
 *		The dialect of OpenAI's chat completions, which most servers speak, and
 *		Azure's variety of it.
 *
 * Requests hold only what is needed: some compatible servers refuse fields
 * they do not know.  The members always come in the same order, so the same
 * question gives the same bytes, and the parts that change from profile to
 * profile come last for the sake of the provider's prefix cache.
 *
 * Azure differs in the name of the key's header alone, at its surface
 * /openai/v1: there the model is the name of a deployment, as here.
 *
 * finish_reason is read before the content, because a refusal, a filtered
 * answer and a cut one all come with status 200.
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

static void
append_message(StringInfo body, const char *role, const char *text,
			   const char *more)
{
	appendStringInfo(body, "%s{\"role\":\"%s\",\"content\":",
					 body->data[body->len - 1] == '[' ? "" : ",", role);
	if (more != NULL)
		text = psprintf("%s\n\n%s", text, more);
	li_append_json_string(body, text);
	appendStringInfoChar(body, '}');
}

static void
append_messages(StringInfo body, const LiAsk *ask)
{
	const char *const *user = ask->user_text;

	appendStringInfoString(body, ",\"messages\":[");
	if (ask->system_text != NULL && ask->system_text[0] != '\0')
		append_message(body, "system", ask->system_text, NULL);
	if (ask->merge_user_messages)
		append_message(body, "user", user[0], user[1]);
	else
	{
		append_message(body, "user", user[0], NULL);
		if (user[1] != NULL)
			append_message(body, "user", user[1], NULL);
	}
	appendStringInfoChar(body, ']');
}

/* "headers" are the dialect's own; those that are NULL are left out. */
static const char *
build_request(const LiEndpoint *endpoint, const LiAsk *ask,
			  char *const *headers, int n_headers, LiHttpRequest *request)
{
	const char *fault = li_request_fault(endpoint, ask);
	StringInfoData body;

	if (fault != NULL)
		return fault;
	if (ask->max_tokens > 0 &&
		(ask->token_parameter == NULL ||
		 (strcmp(ask->token_parameter, "max_tokens") != 0 &&
		  strcmp(ask->token_parameter, "max_completion_tokens") != 0)))
		return "the model's token_parameter is not known";

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"model\":");
	li_append_json_string(&body, ask->model);
	if (ask->max_tokens > 0)
		appendStringInfo(&body, ",\"%s\":%d", ask->token_parameter, ask->max_tokens);
	if (ask->temperature != NULL)
		appendStringInfo(&body, ",\"temperature\":%s", ask->temperature);
	if (ask->reasoning_effort != NULL)
	{
		appendStringInfoString(&body, ",\"reasoning_effort\":");
		li_append_json_string(&body, ask->reasoning_effort);
	}
	/* OpenAI keeps completions unless told not to; others may not know the word */
	if (li_request_host_is(endpoint, "api.openai.com"))
		appendStringInfoString(&body, ",\"store\":false");
	if (ask->schema != NULL && ask->json_schema)
		appendStringInfo(&body, ",\"response_format\":{\"type\":\"json_schema\","
								"\"json_schema\":{\"name\":\"%s\",\"strict\":true,\"schema\":%s}}",
						 ask->schema_name, ask->schema);
	else if (ask->schema != NULL)
		appendStringInfoString(&body, ",\"response_format\":{\"type\":\"json_object\"}");
	append_messages(&body, ask);
	appendStringInfoChar(&body, '}');

	request->url = li_request_url(endpoint, "/chat/completions");
	request->headers = li_request_headers(endpoint, headers, n_headers);
	request->body = body.data;
	request->body_len = body.len;
	return NULL;
}

static const char *
build_openai(const LiEndpoint *endpoint, const LiAsk *ask, LiHttpRequest *request)
{
	char	   *headers[2] = { NULL, NULL };

	if (endpoint->key != NULL)
		headers[0] = psprintf("Authorization: Bearer %s", endpoint->key);
	if (endpoint->organization != NULL)
		headers[1] = psprintf("OpenAI-Organization: %s", endpoint->organization);
	return build_request(endpoint, ask, headers, lengthof(headers), request);
}

static const char *
build_azure(const LiEndpoint *endpoint, const LiAsk *ask, LiHttpRequest *request)
{
	char	   *header = NULL;

	if (endpoint->key != NULL)
		header = psprintf("api-key: %s", endpoint->key);
	return build_request(endpoint, ask, &header, 1, request);
}

/*-------------------------------------------------------------------------
 * The reply
 *-------------------------------------------------------------------------
 */

static void
read_usage(const json_t *root, LiAnswer *answer)
{
	const json_t *usage = json_object_get(root, "usage");

	answer->prompt_tokens = li_reply_count(usage, "prompt_tokens");
	answer->completion_tokens = li_reply_count(usage, "completion_tokens");
	answer->cached_tokens =
		li_reply_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
}

static LiOutcome
judge(const json_t *message, const char *finish_reason, const char *content)
{
	const char *refusal = json_string_value(json_object_get(message, "refusal"));

	if (finish_reason != NULL && strcmp(finish_reason, "content_filter") == 0)
		return li_outcome(LI_FAIL, "content_filtered",
						  "the provider's content filter stopped the answer");
	if ((refusal != NULL && refusal[0] != '\0') ||
		(finish_reason != NULL && strcmp(finish_reason, "refusal") == 0))
		return li_outcome(LI_FAIL, "refused", "the model refused to answer");
	if (finish_reason != NULL && strcmp(finish_reason, "error") == 0)
		return li_outcome(LI_RETRY, "provider_error",
						  "the provider failed while it answered");
	if (finish_reason != NULL && strcmp(finish_reason, "length") == 0)
		return li_outcome(LI_REASK, "truncated",
						  "the answer was cut at the limit of tokens");
	if (li_reply_is_blank(content))
		return li_outcome(LI_RETRY, "empty_response", "the model's answer is empty");
	return li_outcome(LI_OK, NULL, NULL);
}

static void
read_completion(const json_t *root, LiAnswer *answer)
{
	const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const json_t *message = json_object_get(choice, "message");
	char	   *content;

	answer->finish_reason = li_reply_name(choice, "finish_reason");
	read_usage(root, answer);

	if (!json_is_object(message))
	{
		answer->outcome = li_outcome(LI_RETRY, "empty_response",
									 "the provider's reply holds no answer");
		return;
	}
	content = li_reply_text(json_object_get(message, "content"));
	answer->outcome = judge(message, answer->finish_reason, content);
	if (answer->outcome.class == LI_OK)
		answer->content = content;
}

static void
read_reply(const LiEndpoint *endpoint, const LiHttpResponse *response,
		   const LiAsk *ask, LiAnswer *answer)
{
	li_reply_read(endpoint, response, ask, read_completion, answer);
}

const LiProvider li_provider_openai = {
	.kind = "openai",
	.build = build_openai,
	.read = read_reply
};

const LiProvider li_provider_azure = {
	.kind = "azure",
	.build = build_azure,
	.read = read_reply
};
