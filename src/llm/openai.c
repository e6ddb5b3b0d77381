/*-------------------------------------------------------------------------
 *
 * openai.c
 *		The dialect of OpenAI's chat completions, which most servers speak.
 *
 * Requests hold only what is needed: some compatible servers refuse fields
 * they do not know.  The members always come in the same order, so the same
 * question gives the same bytes, and the parts that change from profile to
 * profile come last for the sake of the provider's prefix cache.
 *
 * Replies are read with as little trust as they deserve: code is a string, an
 * integer or null, error an object or a string, every header and member may be
 * missing.  finish_reason is read before the content, because a refusal, a
 * filtered answer and a cut one all come with status 200.
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
#include "llm/redact.h"
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

static const char *
build_request(const LiEndpoint *endpoint, const LiAsk *ask, LiHttpRequest *request)
{
	const char *fault = li_request_fault(endpoint, ask);
	StringInfoData body;
	char	   *headers[2] = { NULL, NULL };

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

	if (endpoint->key != NULL)
		headers[0] = psprintf("Authorization: Bearer %s", endpoint->key);
	if (endpoint->organization != NULL)
		headers[1] = psprintf("OpenAI-Organization: %s", endpoint->organization);
	request->url = li_request_url(endpoint, "/chat/completions");
	request->headers = li_request_headers(endpoint, headers, lengthof(headers));
	request->body = body.data;
	request->body_len = body.len;
	return NULL;
}

/*-------------------------------------------------------------------------
 * The reply
 *-------------------------------------------------------------------------
 */

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
	answer->outcome = li_outcome_of_error(&reply, response, endpoint, ask);
}

static void
read_usage(const json_t *root, LiAnswer *answer)
{
	const json_t *usage = json_object_get(root, "usage");

	answer->prompt_tokens = li_reply_count(usage, "prompt_tokens");
	answer->completion_tokens = li_reply_count(usage, "completion_tokens");
	answer->cached_tokens =
		li_reply_count(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
}

/*
 * The text of a message, in the current context: a string, or a list of parts
 * of which those of type text are joined.
 */
static char *
content_of(const json_t *message)
{
	const json_t *content = json_object_get(message, "content");
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
	if (strspn(content, " \t\r\n") == strlen(content))
		return li_outcome(LI_RETRY, "empty_response", "the model's answer is empty");
	return li_outcome(LI_OK, NULL, NULL);
}

static void
read_completion(const json_t *root, LiAnswer *answer)
{
	const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
	const json_t *message = json_object_get(choice, "message");
	char	   *content;

	answer->reply = li_json_dump_compact(root);
	answer->model = li_reply_name(root, "model");
	answer->finish_reason = li_reply_name(choice, "finish_reason");
	read_usage(root, answer);

	if (!json_is_object(message))
	{
		answer->outcome = li_outcome(LI_RETRY, "empty_response",
									 "the provider's reply holds no answer");
		return;
	}
	content = content_of(message);
	answer->outcome = judge(message, answer->finish_reason, content);
	if (answer->outcome.class == LI_OK)
		answer->content = content;
}

static void
read_reply(const LiEndpoint *endpoint, const LiHttpResponse *response,
		   const LiAsk *ask, LiAnswer *answer)
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
		read_completion(json->root, answer);
	li_json_free(json);
}

const LiProvider li_provider_openai = {
	.kind = "openai",
	.build = build_request,
	.read = read_reply
};
