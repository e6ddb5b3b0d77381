/*-------------------------------------------------------------------------
 *
 * llm_openai_read.c
 *		Replies and failures as answers with an outcome.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/openai.c src/llm/request.c src/llm/reply.c src/llm/outcome.c src/llm/rates.c src/llm/retry.c src/llm/redact.c src/llm/headers.c src/json.c; libs: -ljansson */
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
read_response(LiHttpError error, int status, const char *headers, const char *body,
			  size_t body_len)
{
	/* exactly as long as told, so that a read beyond the end is seen */
	char	   *copy = malloc(body_len + 1);
	LiHttpResponse response = {
		.error = error, .message = "what the transport says", .status = status, .headers = headers, .headers_len = strlen(headers), .body = copy, .body_len = body_len
	};

	memcpy(copy, body, body_len);
	copy[body_len] = '\0';
	li_provider_openai.read(&endpoint, &response, &question, &answer);
	free(copy);
}

static void
read_body(int status, const char *body)
{
	read_response(LI_HTTP_OK, status, "", body, strlen(body));
}

#define BLOCKS_MODEL 1
#define OVERLOAD 2
#define FINAL 4
#define SLOW_DOWN 8

static void
outcome_is(LiClass class, const char *code, int flags, const char *name)
{
	const LiOutcome *o = &answer.outcome;
	int			got = (o->blocks_model ? BLOCKS_MODEL : 0) |
			  (o->overload ? OVERLOAD : 0) | (o->final ? FINAL : 0) |
			  (o->slow_down ? SLOW_DOWN : 0);
	bool		passed = o->class == class && got == flags;

	if (code == NULL || o->code == NULL)
		passed &= code == o->code;
	else
		passed &= strcmp(o->code, code) == 0;
	if (class != LI_OK)
		passed &= o->message != NULL && o->message[0] != '\0' &&
			strchr(o->message, '\n') == NULL && strlen(o->message) <= 300;

	ok(passed, "%s", name);
	if (!passed)
		printf("#   got class %d, code %s, flags %d, message %s\n", o->class,
			   o->code ? o->code : "(null)", got, o->message ? o->message : "(null)");
	if (answer.content != NULL && class != LI_OK)
		ok(false, "no content unless it is to be judged");
}

/* An error as OpenAI words it. */
#define ERROR_BODY(code, type, message) \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null,\"code\":" code "}}"

static const struct
{
	int			status;
	const char *body;
	LiClass		class;
	const char *code;
	int			flags;
} errors[] = {
	/* what the status says when nothing else does */
	{ 300, "", LI_FAIL, "config_error" },
	{ 301, "", LI_FAIL, "config_error" },
	{ 302, "<html>moved</html>", LI_FAIL, "config_error" },
	{ 308, "", LI_FAIL, "config_error" },
	{ 400, "", LI_FAIL, "bad_request" },
	{ 401, "", LI_OPEN, "invalid_api_key" },
	{ 402, "", LI_OPEN, "quota_exhausted" },
	{ 403, "<html>forbidden</html>", LI_OPEN, "permission_denied" },
	{ 404, "<html>nginx</html>", LI_OPEN, "config_error" },
	{ 405, "", LI_FAIL, "bad_request" },
	{ 408, "", LI_RETRY, "timeout" },
	{ 409, "", LI_RETRY, "provider_error" },
	{ 413, "<html>too large</html>", LI_SHRINK, "context_length_exceeded" },
	{ 415, "", LI_FAIL, "bad_request" },
	{ 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"x\"}]}", LI_FAIL, "bad_request" },
	{ 429, "", LI_DEFER, "rate_limited" },
	{ 500, "", LI_RETRY, "provider_error" },
	{ 501, "", LI_RETRY, "provider_error" },
	{ 502, "<html>bad gateway</html>", LI_RETRY, "provider_error" },
	{ 503, "", LI_DEFER, "overloaded", OVERLOAD },
	{ 504, "", LI_RETRY, "provider_error" },
	{ 520, "", LI_RETRY, "provider_error" },
	{ 521, "", LI_RETRY, "provider_error" },
	{ 522, "", LI_RETRY, "provider_error" },
	{ 523, "", LI_RETRY, "provider_error" },
	{ 524, "error code: 524", LI_RETRY, "provider_error" },
	{ 529, "", LI_DEFER, "overloaded", OVERLOAD },

	/* OpenAI */
	{ 500, ERROR_BODY("\"server_error\"", "server_error", "oops"), LI_RETRY, "provider_error" },
	{ 503, ERROR_BODY("\"server_is_overloaded\"", "service_unavailable_error", "busy"), LI_DEFER, "overloaded", OVERLOAD },
	{ 500, ERROR_BODY("null", "service_unavailable_error", "busy"), LI_DEFER, "overloaded", OVERLOAD },
	{ 429, ERROR_BODY("\"rate_limit_exceeded\"", "requests", "Rate limit reached for m-1 on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s."), LI_DEFER, "rate_limited" },
	{ 429, ERROR_BODY("\"rate_limit_exceeded\"", "tokens", "Rate limit reached for m-1 on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000."), LI_DEFER, "rate_limited" },
	{ 429, ERROR_BODY("\"rate_limit_exceeded\"", "tokens", "Request too large for m-1 on tokens per min (TPM): Limit 30000, Requested 41234."), LI_SHRINK, "context_length_exceeded" },
	{ 429, ERROR_BODY("\"rate_limit_exceeded\"", "tokens", "Rate limit for m-1 (TPM): Limit: 30000, Requested: 30001"), LI_SHRINK, "context_length_exceeded" },
	{ 429, ERROR_BODY("\"slow_down\"", "rate_limit_error", "slow down"), LI_DEFER, "rate_limited", OVERLOAD | SLOW_DOWN },
	{ 429, ERROR_BODY("\"a_new_code\"", "a_new_type", "?"), LI_DEFER, "rate_limited" },
	{ 429, ERROR_BODY("\"insufficient_quota\"", "insufficient_quota", "You exceeded your current quota"), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"rate_limit_exceeded\"", "insufficient_quota", "no money"), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("null", "insufficient_quota", "no money"), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"insufficient_quota\"", "tokens", "Request too large"), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"credit_balance_exhausted\"", "x", ""), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"organization_spend_limit_exceeded\"", "x", ""), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"project_spend_limit_exceeded\"", "x", ""), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"organization_usage_limit_exceeded\"", "x", ""), LI_OPEN, "quota_exhausted" },
	{ 429, ERROR_BODY("\"INSUFFICIENT_QUOTA\"", "x", ""), LI_DEFER, "rate_limited" },
	{ 401, ERROR_BODY("\"invalid_api_key\"", "invalid_request_error", "Incorrect API key provided"), LI_OPEN, "invalid_api_key" },
	{ 401, ERROR_BODY("null", "invalid_request_error", "You must be a member of an organization"), LI_OPEN, "invalid_api_key" },
	{ 403, ERROR_BODY("\"unsupported_country_region_territory\"", "request_forbidden", "no"), LI_OPEN, "permission_denied" },
	{ 404, ERROR_BODY("\"model_not_found\"", "invalid_request_error", "The model `m-1` does not exist"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ 403, ERROR_BODY("\"model_not_found\"", "invalid_request_error", "Project has no access to model `m-1`"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ 404, ERROR_BODY("null", "invalid_request_error", "Invalid URL (POST /v1/chat)"), LI_OPEN, "config_error" },
	{ 400, ERROR_BODY("\"context_length_exceeded\"", "invalid_request_error", "too long"), LI_SHRINK, "context_length_exceeded" },
	{ 400, ERROR_BODY("\"string_above_max_length\"", "invalid_request_error", "too long"), LI_SHRINK, "context_length_exceeded" },
	{ 413, ERROR_BODY("\"request_too_large\"", "invalid_request_error", "too long"), LI_SHRINK, "context_length_exceeded" },
	{ 400, ERROR_BODY("\"content_filter\"", "invalid_request_error", "filtered"), LI_FAIL, "content_filtered" },
	{ 400, ERROR_BODY("\"content_policy_violation\"", "invalid_request_error", "filtered"), LI_FAIL, "content_filtered" },
	{ 400, ERROR_BODY("\"invalid_prompt\"", "invalid_request_error", "flagged"), LI_FAIL, "content_filtered" },
	{ 400, ERROR_BODY("\"unsupported_value\"", "invalid_request_error", "temperature"), LI_FAIL, "bad_request" },
	{ 400, ERROR_BODY("\"invalid_json_schema\"", "invalid_request_error", "schema"), LI_FAIL, "bad_request" },
	{ 400, ERROR_BODY("\"unsupported_parameter\"", "invalid_request_error", "use max_completion_tokens"), LI_FAIL, "bad_request" },

	/* Azure */
	{ 429, ERROR_BODY("\"429\"", "x", "Requests have exceeded call rate limit"), LI_DEFER, "rate_limited" },
	{ 404, ERROR_BODY("\"DeploymentNotFound\"", "x", "no deployment"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ 400, "{\"error\":{\"message\":\"filtered\",\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}", LI_FAIL, "content_filtered" },

	/* vLLM: numbers for codes, once at the top */
	{ 400, "{\"error\":{\"message\":\"x\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}}", LI_FAIL, "bad_request" },
	{ 400, "{\"error\":{\"message\":\"x\",\"type\":\"BadRequestError\",\"param\":\"input_tokens\",\"code\":400}}", LI_SHRINK, "context_length_exceeded" },
	{ 400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}", LI_SHRINK, "context_length_exceeded" },
	{ 404, "{\"object\":\"error\",\"message\":\"The model `m-1` does not exist.\",\"type\":\"NotFoundError\",\"param\":null,\"code\":404}", LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ 401, "{\"error\":\"Unauthorized\"}", LI_OPEN, "invalid_api_key" },

	/* Ollama */
	{ 503, "{\"error\":{\"message\":\"server busy, please try again.  maximum pending requests exceeded\",\"type\":\"api_error\",\"param\":null,\"code\":null}}", LI_DEFER, "overloaded", OVERLOAD },
	{ 404, "{\"error\":{\"message\":\"model 'm-1' not found\",\"type\":\"not_found_error\",\"param\":null,\"code\":null}}", LI_OPEN, "model_not_found", BLOCKS_MODEL },

	/* llama.cpp */
	{ 400, "{\"error\":{\"code\":400,\"message\":\"x\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":9000,\"n_ctx\":4096}}", LI_SHRINK, "context_length_exceeded" },
	{ 401, "{\"error\":{\"code\":401,\"message\":\"Invalid API Key\",\"type\":\"authentication_error\"}}", LI_OPEN, "invalid_api_key" },
	{ 404, "{\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}}", LI_OPEN, "config_error" },
	{ 503, "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}", LI_DEFER, "overloaded", OVERLOAD },
	{ 500, "{\"error\":{\"code\":500,\"message\":\"x\",\"type\":\"server_error\"}}", LI_RETRY, "provider_error" },

	/* Anthropic's words, as gateways pass them on */
	{ 400, "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"x\"}}", LI_FAIL, "bad_request" },
	{ 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}", LI_DEFER, "overloaded", OVERLOAD },
	{ 402, "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":\"x\"}}", LI_OPEN, "quota_exhausted" },

	/* odd bodies */
	{ 429, "{\"error\":null}", LI_DEFER, "rate_limited" },
	{ 429, "{\"error\":[]}", LI_DEFER, "rate_limited" },
	{ 429, "{\"error\":{\"code\":{},\"type\":[],\"message\":5,\"param\":true}}", LI_DEFER, "rate_limited" },
	{ 429, "[]", LI_DEFER, "rate_limited" },
	{ 429, "{", LI_DEFER, "rate_limited" },
	{ 429, "{\"error\":{\"message\":\"\\u0000\"}}", LI_DEFER, "rate_limited" },

	/* an error inside a success */
	{ 200, "{\"error\":{\"code\":429,\"message\":\"limited upstream\"}}", LI_DEFER, "rate_limited" },
	{ 200, "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"x\"}}", LI_OPEN, "quota_exhausted" },
	{ 200, "{\"error\":{\"message\":\"x\"},\"choices\":[]}", LI_RETRY, "provider_error" },
	{ 200, "{\"error\":\"upstream failed\"}", LI_RETRY, "provider_error" },
};

/* A completion whose first choice is as given. */
#define CHOICE(choice) "{\"id\":\"c\",\"choices\":[" choice "]}"
#define ANSWER(content, finish) \
	CHOICE("{\"index\":0,\"finish_reason\":" finish ",\"message\":{\"role\":\"assistant\",\"content\":" content "}}")

static const struct
{
	const char *body;
	LiClass		class;
	const char *code;
	const char *content;
} completions[] = {
	{ ANSWER("\"{}\"", "\"stop\""), LI_OK, NULL, "{}" },
	{ ANSWER("\"{}\"", "null"), LI_OK, NULL, "{}" },
	{ ANSWER("\"{}\"", "\"eos\""), LI_OK, NULL, "{}" },
	{ ANSWER("\"{}\"", "5"), LI_OK, NULL, "{}" },
	{ CHOICE("{\"message\":{\"content\":\"{}\"}}"), LI_OK, NULL, "{}" },
	{ " \r\n\t" ANSWER("\" {} \"", "\"stop\"") "\n\n", LI_OK, NULL, " {} " },
	{ "{\"error\":null,\"choices\":[{\"message\":{\"content\":\"{}\",\"refusal\":null}}]}", LI_OK, NULL, "{}" },
	{ "{\"error\":{},\"choices\":[{\"message\":{\"content\":\"{}\",\"refusal\":\"\"}}]}", LI_OK, NULL, "{}" },
	{ ANSWER("[{\"type\":\"thinking\",\"text\":\"x\"},{\"type\":\"text\",\"text\":\"{\\\"a\\\":\"},"
			 "{\"type\":\"text\",\"text\":\"1}\"},5]",
			 "\"stop\""),
	  LI_OK, NULL, "{\"a\":1}" },
	{ ANSWER("\"not JSON at all\"", "\"stop\""), LI_OK, NULL, "not JSON at all" },

	{ "", LI_RETRY, "empty_response" },
	{ " \r\n", LI_RETRY, "empty_response" },
	{ "{}", LI_RETRY, "empty_response" },
	{ "{\"choices\":null}", LI_RETRY, "empty_response" },
	{ "{\"choices\":[]}", LI_RETRY, "empty_response" },
	{ "{\"choices\":{}}", LI_RETRY, "empty_response" },
	{ "{\"choices\":[null]}", LI_RETRY, "empty_response" },
	{ "{\"choices\":[{}]}", LI_RETRY, "empty_response" },
	{ "{\"choices\":[{\"message\":\"x\"}]}", LI_RETRY, "empty_response" },
	{ ANSWER("null", "\"stop\""), LI_RETRY, "empty_response" },
	{ ANSWER("\"\"", "\"stop\""), LI_RETRY, "empty_response" },
	{ ANSWER("\" \\n \"", "\"stop\""), LI_RETRY, "empty_response" },
	{ ANSWER("5", "\"stop\""), LI_RETRY, "empty_response" },
	{ ANSWER("null", "\"tool_calls\""), LI_RETRY, "empty_response" },

	{ ANSWER("\"{\\\"a\\\":\"", "\"length\""), LI_REASK, "truncated" },
	{ ANSWER("\"\"", "\"length\""), LI_REASK, "truncated" },
	{ ANSWER("null", "\"length\""), LI_REASK, "truncated" },
	{ ANSWER("\"{}\"", "\"content_filter\""), LI_FAIL, "content_filtered" },
	{ ANSWER("null", "\"content_filter\""), LI_FAIL, "content_filtered" },
	{ ANSWER("null", "\"refusal\""), LI_FAIL, "refused" },
	{ CHOICE("{\"finish_reason\":\"stop\",\"message\":{\"content\":null,\"refusal\":\"I cannot\"}}"), LI_FAIL, "refused" },
	{ CHOICE("{\"finish_reason\":\"stop\",\"message\":{\"content\":\"{}\",\"refusal\":\"I cannot\"}}"), LI_FAIL, "refused" },
	{ ANSWER("\"{}\"", "\"error\""), LI_RETRY, "provider_error" },

	{ "<!DOCTYPE html><html>gateway</html>", LI_RETRY, "provider_error" },
	{ "OK", LI_RETRY, "provider_error" },
	{ "[]", LI_RETRY, "provider_error" },
	{ "null", LI_RETRY, "provider_error" },
	{ "\xEF\xBB\xBF{}", LI_RETRY, "provider_error" },
	{ "data: {\"choices\":[]}\n\n", LI_RETRY, "provider_error" },

	{ "{\"choices\":", LI_REASK, "invalid_json" },
	{ "{} trailing", LI_REASK, "invalid_json" },
	{ "{\"id\":1e130000}", LI_REASK, "invalid_json" },
	{ "{\"id\":\"\\u0000\"}", LI_REASK, "invalid_json" },
	{ ANSWER("\"\\ud800\"", "\"stop\""), LI_REASK, "invalid_json" },
	{ ANSWER("\"\xFF\"", "\"stop\""), LI_REASK, "invalid_json" },
	{ "{\"choices\":[],\"choices\":[{\"message\":{\"content\":\"{}\"}}]}", LI_REASK, "invalid_json" },
};

static void
test_transport(void)
{
	static const struct
	{
		LiHttpError error;
		LiClass		class;
		const char *code;
	} cases[] = {
		{ LI_HTTP_RESOLVE_TEMPORARY, LI_RETRY, "connection_failed" },
		{ LI_HTTP_RESOLVE_UNKNOWN, LI_OPEN, "connection_failed" },
		{ LI_HTTP_CONNECT, LI_RETRY, "connection_failed" },
		{ LI_HTTP_ADDRESS_REFUSED, LI_OPEN, "config_error" },
		{ LI_HTTP_TLS_HANDSHAKE, LI_RETRY, "tls_failed" },
		{ LI_HTTP_TLS_CERTIFICATE, LI_OPEN, "tls_failed" },
		{ LI_HTTP_TIMEOUT, LI_RETRY, "timeout" },
		{ LI_HTTP_CUT, LI_RETRY, "connection_failed" },
		{ LI_HTTP_TOO_LARGE, LI_FAIL, "response_too_large" },
		{ LI_HTTP_BAD_REQUEST, LI_OPEN, "config_error" },
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		read_response(cases[i].error, 0, "", "", 0);
		outcome_is(cases[i].class, cases[i].code, 0,
				   psprintf("transport error %d", cases[i].error));
		is_text(answer.outcome.message, "what the transport says", "its message");
		ok(answer.reply == NULL && answer.prompt_tokens == -1 &&
			   answer.outcome.retry_after_ms == -1,
		   "and nothing else");
	}
	read_response(LI_HTTP_CUT, 200, "", "{\"choices\":", 11);
	outcome_is(LI_RETRY, "connection_failed", 0, "a success cut short");
	read_response(LI_HTTP_CUT, 429, "Retry-After: 7\r\n", "<html", 5);
	outcome_is(LI_DEFER, "rate_limited", 0, "an error cut short is what its status says");
	is_int(answer.outcome.retry_after_ms, 7000, "with its hint");
	read_response(LI_HTTP_TOO_LARGE, 503, "", "", 0);
	outcome_is(LI_DEFER, "overloaded", OVERLOAD, "an error too large, too");
}

static void
test_details(void)
{
	static const char *const types[] = {
		"application/json", "application/json; charset=utf-8", "Application/Problem+JSON",
		"text/json;charset=utf-8", "text/html", "text/plain; json", "", "son"
	};
	const char *body;
	char	   *long_body;
	char	   *deep;

	body = "{\"id\":\"c\",\"model\":\"m-1-0718\",\"choices\":[{\"finish_reason\":\"stop\","
		   "\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":30,"
		   "\"total_tokens\":150,\"prompt_tokens_details\":{\"cached_tokens\":64}},\"p\":87.35}";
	read_response(LI_HTTP_OK, 200, "HTTP/1.1 200 OK\r\nx-request-id: req_1\r\n\r\n", body, strlen(body));
	is_int(answer.outcome.class, LI_OK, "an answer");
	is_text(answer.content, "x", "content");
	is_text(answer.finish_reason, "stop", "finish reason");
	is_text(answer.model, "m-1-0718", "model");
	is_text(answer.request_id, "req_1", "request id");
	is_int(answer.prompt_tokens, 120, "prompt tokens");
	is_int(answer.completion_tokens, 30, "completion tokens");
	is_int(answer.cached_tokens, 64, "cached tokens");
	is_text(answer.reply, body, "the reply, as it came");

	read_body(200, "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"x\"}}],"
				   "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
	ok(answer.completion_tokens == 2 && answer.reply != NULL, "a cut answer is paid for, too");

	read_body(200, "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":\"12\","
				   "\"completion_tokens\":-3,\"prompt_tokens_details\":null}}");
	ok(answer.prompt_tokens == -1 && answer.completion_tokens == -1 && answer.cached_tokens == -1,
	   "counts that are none");
	read_body(200, "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":2147483648,"
				   "\"completion_tokens\":1.5,\"prompt_tokens_details\":{\"cached_tokens\":null}}}");
	ok(answer.prompt_tokens == -1 && answer.completion_tokens == -1 && answer.cached_tokens == -1,
	   "counts that do not fit");
	read_body(200, "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":[1],\"model\":5}");
	ok(answer.prompt_tokens == -1 && answer.model == NULL && answer.finish_reason == NULL &&
		   answer.request_id == NULL,
	   "all that may be missing");

	for (int i = 0; i < (int) lengthof(types); i++)
	{
		body = "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}";
		read_response(LI_HTTP_OK, 200, psprintf("Content-Type:%s\r\n", types[i]),
					  body, strlen(body));
		if (i < 4)
			outcome_is(LI_OK, NULL, 0, psprintf("content type %s", types[i]));
		else
			outcome_is(LI_RETRY, "provider_error", 0, psprintf("content type %s", types[i]));
	}

	read_response(LI_HTTP_OK, 500, "Request-Id: a\x01\xFF"
								   "b\r\n",
				  "", 0);
	is_text(answer.request_id, "a ?b", "a request id of odd bytes");
	read_response(LI_HTTP_OK, 500, psprintf("apim-request-id: %0300d\r\n", 0), "", 0);
	is_int(strlen(answer.request_id), 200, "a long request id");
	long_body = psprintf("{\"model\":\"%0199d\xC3\xA9\",\"choices\":[{\"message\":{\"content\":\"x\"}}]}", 0);
	read_body(200, long_body);
	is_int(strlen(answer.model), 199, "a long model name, cut between characters");

	for (int status = 200; status <= 500; status += 100)
	{
		read_response(LI_HTTP_OK, status, "x-ratelimit-limit-requests: 500\r\nx-ratelimit-limit-tokens: 30000\r\n", "", 0);
		ok(answer.rates.requests == 500 && answer.rates.tokens == 30000, "limits with status %d", status);
	}
	read_body(200, "{}");
	ok(answer.rates.requests == 0 && answer.rates.tokens == 0, "no limits told");

	read_response(LI_HTTP_OK, 429, "Retry-After: 2\r\nX-Should-Retry: false\r\n", "", 0);
	outcome_is(LI_DEFER, "rate_limited", FINAL, "a retry that is forbidden");
	is_int(answer.outcome.retry_after_ms, 2000, "and its hint");
	read_response(LI_HTTP_OK, 500, "X-Should-Retry: false\r\n", "", 0);
	outcome_is(LI_RETRY, "provider_error", FINAL, "the same of an error");
	read_response(LI_HTTP_OK, 401, "Retry-After: 2\r\nX-Should-Retry: true\r\n", "", 0);
	outcome_is(LI_OPEN, "invalid_api_key", 0, "allowing it does not mend a key");
	is_int(answer.outcome.retry_after_ms, -1, "nor does a hint");

	read_body(400, ERROR_BODY("null", "invalid_request_error", "bad: Ada Example, engineer at Example Works"));
	ok(strstr(answer.outcome.message, "Ada") == NULL, "a message that repeats the profile");
	is_text(answer.outcome.message, "the provider refused the request (HTTP status 400)", "is replaced");
	read_body(400, ERROR_BODY("\"content_filter\"", "x", "Ada X."));
	ok(strstr(answer.outcome.message, "Ada") == NULL, "a filter's message is not kept");
	read_body(429, ERROR_BODY("\"rate_limit_exceeded\"", "x", "Rate limit reached\\nfor m-1 "));
	is_text(answer.outcome.message, "Rate limit reached for m-1 ", "another one is");

	deep = malloc(200001);
	memset(deep, '[', 200000);
	memcpy(deep, "{\"a\":", 5);
	deep[200000] = '\0';
	read_body(200, deep);
	outcome_is(LI_REASK, "invalid_json", 0, "a reply that is nested too deeply");
	read_body(500, deep);
	outcome_is(LI_RETRY, "provider_error", 0, "such an error");
	free(deep);

	long_body = malloc(4200000);
	strcpy(long_body, "{\"choices\":[{\"message\":{\"content\":\"");
	memset(long_body + strlen(long_body), 'x', 4000000);
	strcpy(long_body + 4000000, "\"}}]}");
	read_body(200, long_body);
	ok(answer.outcome.class == LI_OK && strlen(answer.content) > 3900000, "4 MB of answer");
	free(long_body);
}

/* Every beginning of a good reply is bad, and none does harm. */
static void
test_prefixes(void)
{
	const char *body = "{\"id\":\"c\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":"
					   "{\"content\":\"{\\\"a\\\":\\u00e9 \xE2\x82\xAC}\"}}],\"usage\":{\"prompt_tokens\":1}}";
	int			good = 0;

	for (size_t len = 0; len <= strlen(body); len++)
	{
		read_response(LI_HTTP_OK, 200, "", body, len);
		good += answer.outcome.class == LI_OK;
		read_response(LI_HTTP_OK, 429, "", body, len);
		if (answer.outcome.class != LI_DEFER)
			ok(false, "an error with half a body");
	}
	is_int(good, 1, "only the whole reply is one");
}

int
main(void)
{
	for (int i = 0; i < (int) lengthof(errors); i++)
	{
		read_body(errors[i].status, errors[i].body);
		outcome_is(errors[i].class, errors[i].code, errors[i].flags,
				   psprintf("%d %.70s", errors[i].status, errors[i].body));
	}
	for (int i = 0; i < (int) lengthof(completions); i++)
	{
		read_body(200, completions[i].body);
		outcome_is(completions[i].class, completions[i].code, 0,
				   psprintf("completion %d", i));
		is_text(answer.content, completions[i].content, "its content");
	}
	test_transport();
	test_details();
	test_prefixes();
	return done_testing();
}
