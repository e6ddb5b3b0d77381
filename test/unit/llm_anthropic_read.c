/*-------------------------------------------------------------------------
 *
 * llm_anthropic_read.c
 *		Replies of the Messages API as answers.  Its errors: llm_matrix.c.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/anthropic.c src/llm/request.c src/llm/reply.c src/llm/outcome.c src/llm/rates.c src/llm/retry.c src/llm/redact.c src/llm/headers.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "json.h"
#include "llm/provider.h"
#include "tap.h"

static const LiEndpoint endpoint = { .base_url = "https://models.test/v1", .key = "none" };
static const LiAsk question = {
	.system_text = "You judge profiles.",
	.user_text = { "Rate this person for the role of CTO.",
				   "Ada Example, engineer at Example Works since 2011" },
	.model = "m-1"
};

static LiAnswer answer;

static void
read_response(int status, const char *headers, const char *body, size_t body_len)
{
	/* exactly as long as told, so that a read beyond the end is seen */
	char	   *copy = malloc(body_len + 1);
	LiHttpResponse response = { .status = status, .headers = headers, .body = copy };

	response.headers_len = strlen(headers);
	response.body_len = body_len;
	memcpy(copy, body, body_len);
	copy[body_len] = '\0';
	li_provider_anthropic.read(&endpoint, &response, &question, &answer);
	free(copy);
}

static void
read_body(const char *body)
{
	read_response(200, "", body, strlen(body));
}

/* A message with this content and stop reason. */
#define MESSAGE(content, reason) \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1-0718\"," \
	"\"content\":" content ",\"stop_reason\":" reason ",\"stop_sequence\":null," \
	"\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"

static const struct
{
	const char *body;
	LiClass		class;
	const char *code;
	const char *content;
} messages[] = {
	{ MESSAGE("[" TEXT("{}") "]", "\"end_turn\""), LI_OK, NULL, "{}" },
	{ MESSAGE("[" TEXT("{}") "]", "\"stop_sequence\""), LI_OK, NULL, "{}" },
	{ MESSAGE("[" TEXT("{}") "]", "\"a_new_reason\""), LI_OK, NULL, "{}" },
	{ MESSAGE("[" TEXT("{}") "]", "null"), LI_OK, NULL, "{}" },
	{ MESSAGE("[" TEXT("{") "," TEXT("}") "]", "\"end_turn\""), LI_OK, NULL, "{}" },
	{ MESSAGE("[{\"type\":\"thinking\",\"thinking\":\"x\",\"signature\":\"y\"}," TEXT("{}") ",5]", "\"end_turn\""), LI_OK, NULL, "{}" },
	{ MESSAGE("[" TEXT("not JSON at all") "]", "\"end_turn\""), LI_OK, NULL, "not JSON at all" },
	{ MESSAGE("[" TEXT("{}") "]", "\"pause_turn\""), LI_OK, NULL, "{}" },

	{ MESSAGE("[" TEXT("{\\\"a") "]", "\"max_tokens\""), LI_REASK, "truncated" },
	{ MESSAGE("[]", "\"max_tokens\""), LI_REASK, "truncated" },
	{ MESSAGE("[" TEXT("{\\\"a") "]", "\"model_context_window_exceeded\""), LI_SHRINK, "context_length_exceeded" },
	{ MESSAGE("[]", "\"refusal\""), LI_FAIL, "refused" },
	{ MESSAGE("[" TEXT("I cannot") "]", "\"refusal\""), LI_FAIL, "refused" },
	{ MESSAGE("[]", "\"end_turn\""), LI_RETRY, "empty_response" },
	{ MESSAGE("[" TEXT(" \\n") "]", "\"end_turn\""), LI_RETRY, "empty_response" },
	{ MESSAGE("[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{}}]", "\"tool_use\""), LI_RETRY, "empty_response" },
	{ MESSAGE("null", "\"end_turn\""), LI_RETRY, "empty_response" },
	{ MESSAGE("\"{}\"", "\"end_turn\""), LI_RETRY, "empty_response" },
	{ "{}", LI_RETRY, "empty_response" },
	{ "", LI_RETRY, "empty_response" },
	{ "<!DOCTYPE html><html>gateway</html>", LI_RETRY, "provider_error" },
	{ "event: message_start\ndata: {}\n\n", LI_RETRY, "provider_error" },
	{ "{\"content\":[" TEXT("\\ud800") "]}", LI_REASK, "invalid_json" },
	{ "{\"content\":[],\"content\":[]}", LI_REASK, "invalid_json" },
};

static void
usage_is(const char *usage, int prompt, int cached, int completion)
{
	read_body(psprintf("{\"content\":[" TEXT("x") "],\"stop_reason\":\"end_turn\",\"usage\":%s}", usage));
	ok(answer.outcome.class == LI_OK && answer.prompt_tokens == prompt &&
		   answer.cached_tokens == cached && answer.completion_tokens == completion,
	   "usage %s", usage);
}

int
main(void)
{
	const char *body = MESSAGE("[" TEXT("{}") "]", "\"end_turn\"");
	int			good = 0;

	for (int i = 0; i < (int) lengthof(messages); i++)
	{
		const LiOutcome *o = &answer.outcome;

		read_body(messages[i].body);
		is_int(o->class, messages[i].class, psprintf("class of message %d", i));
		is_text(o->code, messages[i].code, "its code");
		is_text(answer.content, messages[i].content, "its content");
	}

	read_response(200, "request-id: req_1\r\nanthropic-ratelimit-requests-limit: 50\r\n"
					   "anthropic-ratelimit-tokens-limit: 60000\r\n",
				  body, strlen(body));
	is_text(answer.finish_reason, "end_turn", "stop reason");
	is_text(answer.model, "m-1-0718", "model");
	is_text(answer.request_id, "req_1", "request id");
	is_text(answer.reply, body, "the reply, as it came");
	ok(answer.rates.requests == 50 && answer.rates.tokens == 60000, "limits");
	read_body(MESSAGE("[]", "\"max_tokens\""));
	ok(answer.completion_tokens == 2 && answer.reply != NULL, "a cut answer is paid for, too");

	usage_is("{\"input_tokens\":120,\"output_tokens\":30}", 120, -1, 30);
	usage_is("{\"input_tokens\":20,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":100,\"output_tokens\":30}",
			 120, 100, 30);
	usage_is("{\"input_tokens\":20,\"cache_creation_input_tokens\":60,\"cache_read_input_tokens\":40,\"output_tokens\":0}",
			 120, 40, 0);
	usage_is("{\"cache_creation_input_tokens\":null,\"cache_read_input_tokens\":5}", -1, 5, -1);
	usage_is("{\"input_tokens\":-3,\"output_tokens\":\"2\"}", -1, -1, -1);
	usage_is("{\"input_tokens\":100000000,\"cache_read_input_tokens\":100000001,\"output_tokens\":1}", 100000000, -1, 1);
	usage_is("null", -1, -1, -1);
	usage_is("[1]", -1, -1, -1);

	body = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_2\"}";
	read_response(529, "", body, strlen(body));
	is_text(answer.request_id, "req_2", "an error's request id, which the body has, too");
	read_response(529, "request-id: req_3\r\n", body, strlen(body));
	is_text(answer.request_id, "req_3", "the header's goes first");

	/* every beginning of a good reply is bad, and none does harm */
	body = MESSAGE("[" TEXT("{\\\"a\\\":\\u00e9 \xE2\x82\xAC}") "]", "\"end_turn\"");
	for (size_t len = 0; len <= strlen(body); len++)
	{
		read_response(200, "", body, len);
		good += answer.outcome.class == LI_OK;
		read_response(429, "", body, len);
		if (answer.outcome.class != LI_DEFER)
			ok(false, "an error with half a body");
	}
	is_int(good, 1, "only the whole reply is one");
	return done_testing();
}
