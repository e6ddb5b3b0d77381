/*-------------------------------------------------------------------------
 *
 * llm_openai_build.c
 *		Questions as requests for chat completions.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/openai.c src/llm/anthropic.c src/llm/provider.c src/llm/request.c src/llm/reply.c src/llm/outcome.c src/llm/rates.c src/llm/retry.c src/llm/redact.c src/llm/headers.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "json.h"
#include "llm/provider.h"
#include "tap.h"

static LiHttpRequest request;

static LiEndpoint
some_endpoint(void)
{
	LiEndpoint	endpoint = { .base_url = "https://models.test/v1", .key = "none" };

	return endpoint;
}

static LiAsk
some_ask(void)
{
	LiAsk		ask = {
		.system_text = "S", .user_text = { "P", "F" }, .max_tokens = 500, .model = "m-1", .token_parameter = "max_tokens"
	};

	return ask;
}

static const char *
build(const LiEndpoint *endpoint, const LiAsk *ask)
{
	memset(&request, 0, sizeof(request));
	return li_provider_openai.build(endpoint, ask, &request);
}

static void
body_is(const LiEndpoint *endpoint, const LiAsk *ask, const char *expected,
		const char *name)
{
	const char *fault = build(endpoint, ask);

	if (fault != NULL)
		ok(false, "%s: %s", name, fault);
	else
		is_text(request.body, expected, name);
}

static void
refused(const LiEndpoint *endpoint, const LiAsk *ask, const char *what)
{
	const char *fault = build(endpoint, ask);

	ok(fault != NULL && strstr(fault, what) != NULL && request.body == NULL,
	   "%s: %s", what, fault ? fault : "accepted");
}

static bool
has_header(const char *line)
{
	for (const char *const *h = request.headers; *h != NULL; h++)
	{
		if (strcmp(*h, line) == 0)
			return true;
	}
	return false;
}

static void
test_bodies(void)
{
	LiEndpoint	endpoint = some_endpoint();
	LiAsk		ask = some_ask();

	body_is(&endpoint, &ask,
			"{\"model\":\"m-1\",\"max_tokens\":500,\"messages\":["
			"{\"role\":\"system\",\"content\":\"S\"},"
			"{\"role\":\"user\",\"content\":\"P\"},"
			"{\"role\":\"user\",\"content\":\"F\"}]}",
			"three messages");
	is_int(request.body_len, strlen(request.body), "its length");
	ask.merge_user_messages = true;
	body_is(&endpoint, &ask,
			"{\"model\":\"m-1\",\"max_tokens\":500,\"messages\":["
			"{\"role\":\"system\",\"content\":\"S\"},"
			"{\"role\":\"user\",\"content\":\"P\\n\\nF\"}]}",
			"user messages merged");
	ask.system_text = NULL;
	ask.user_text[1] = NULL;
	ask.max_tokens = 0;
	body_is(&endpoint, &ask,
			"{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"P\"}]}",
			"one message");
	ask.system_text = "";
	body_is(&endpoint, &ask,
			"{\"model\":\"m-1\",\"messages\":[{\"role\":\"user\",\"content\":\"P\"}]}",
			"an empty system text is none");

	ask.schema = "{\"type\":\"object\"}";
	ask.schema_name = "score";
	ask.json_schema = true;
	ask.max_tokens = 7;
	ask.token_parameter = "max_completion_tokens";
	ask.temperature = "0.10";
	ask.reasoning_effort = "none";
	endpoint.base_url = "https://api.openai.com/v1/";
	body_is(&endpoint, &ask,
			"{\"model\":\"m-1\",\"max_completion_tokens\":7,\"temperature\":0.10,"
			"\"reasoning_effort\":\"none\",\"store\":false,"
			"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
			"{\"name\":\"score\",\"strict\":true,\"schema\":{\"type\":\"object\"}}},"
			"\"messages\":[{\"role\":\"user\",\"content\":\"P\"}]}",
			"everything");
	is_text(request.url, "https://api.openai.com/v1/chat/completions", "one slash");
	ask.json_schema = false;
	endpoint.base_url = "https://api.openai.com.models.test/v1///";
	body_is(&endpoint, &ask,
			"{\"model\":\"m-1\",\"max_completion_tokens\":7,\"temperature\":0.10,"
			"\"reasoning_effort\":\"none\",\"response_format\":{\"type\":\"json_object\"},"
			"\"messages\":[{\"role\":\"user\",\"content\":\"P\"}]}",
			"a model without strict schemas");
	is_text(request.url, "https://api.openai.com.models.test/v1/chat/completions",
			"still one slash");
	endpoint.base_url = "https://EU.api.openai.com/v1";
	build(&endpoint, &ask);
	ok(strstr(request.body, "\"store\":false") != NULL, "a region of OpenAI");
	endpoint.base_url = "https://xapi.openai.com/v1";
	build(&endpoint, &ask);
	ok(strstr(request.body, "store") == NULL, "another host");
}

static void
test_headers(void)
{
	const char *extra[] = { "X-Title: a b", "api-key: k", NULL };
	LiEndpoint	endpoint = some_endpoint();
	LiAsk		ask = some_ask();

	build(&endpoint, &ask);
	ok(has_header("Content-Type: application/json"), "content type");
	ok(has_header("User-Agent: linkedin_ingest"), "user agent");
	ok(has_header("Authorization: Bearer none"), "key");
	endpoint.key = NULL;
	endpoint.organization = "org-1";
	endpoint.headers = extra;
	build(&endpoint, &ask);
	ok(!has_header("Authorization: Bearer none") && has_header("OpenAI-Organization: org-1") &&
		   has_header("X-Title: a b") && has_header("api-key: k"),
	   "no key, but more headers");
}

/* Azure: the same bytes, but for the header of the key. */
static void
test_azure(void)
{
	LiEndpoint	endpoint = some_endpoint();
	LiAsk		ask = some_ask();
	char	   *body;

	endpoint.base_url = "https://models.test/openai/v1";
	endpoint.organization = "org-1";
	ask.schema = "{}";
	ask.schema_name = "score";
	ask.json_schema = true;
	build(&endpoint, &ask);
	body = pstrdup(request.body);
	memset(&request, 0, sizeof(request));
	ok(li_provider_azure.build(&endpoint, &ask, &request) == NULL, "Azure takes it");
	is_text(request.body, body, "the same body");
	is_int(request.body_len, strlen(body), "and length");
	is_text(request.url, "https://models.test/openai/v1/chat/completions", "and path");
	ok(has_header("api-key: none") && !has_header("Authorization: Bearer none") &&
		   !has_header("OpenAI-Organization: org-1"),
	   "its own header for the key");
	endpoint.key = NULL;
	li_provider_azure.build(&endpoint, &ask, &request);
	ok(!has_header("api-key: none"), "none without a key");
	endpoint.key = "a\r\nb: c";
	ok(li_provider_azure.build(&endpoint, &ask, &request) != NULL, "a key that would be two headers");
}

static void
test_refusals(void)
{
	static const char *const words[] = { "", "a b", "a\r\nX: y", "a\n", "\xC3\xA9", "a\x7F", "\x01" };
	static const char *const headers[] = {
		"", "X", ": y", "X: y\r\nZ: z", "X: y\n", "X Y: z", "X:\xC3\xA9", "X\xC3\xA9: y",
		"Host: a", "content-length: 3", "Transfer-Encoding: chunked", "X:\ty"
	};
	static const char *const numbers[] = {
		"", "-", "01", ".5", "1.", "1e", "1e+", "+1", "0x1", "NaN", "1 ", " 1", "1,2", "1}"
	};
	static const char *const good_numbers[] = {
		"0", "-0", "2", "0.1", "1.25", "1e5", "1E-5", "10.0e+3"
	};
	LiEndpoint	endpoint;
	LiAsk		ask = some_ask();

	for (int i = 0; i < (int) lengthof(words); i++)
	{
		endpoint = some_endpoint();
		endpoint.key = words[i];
		refused(&endpoint, &ask, "key");
		endpoint = some_endpoint();
		endpoint.organization = words[i];
		refused(&endpoint, &ask, "organization");
		endpoint = some_endpoint();
		endpoint.base_url = words[i];
		refused(&endpoint, &ask, "base_url");
		endpoint = some_endpoint();
		ask.model = words[i];
		refused(&endpoint, &ask, "model");
		ask = some_ask();
		ask.reasoning_effort = words[i];
		refused(&endpoint, &ask, "reasoning_effort");
		ask = some_ask();
		ask.schema = "{}";
		ask.schema_name = words[i];
		refused(&endpoint, &ask, "schema");
		ask = some_ask();
	}
	endpoint = some_endpoint();
	endpoint.base_url = "https://models.test/v1?a=b";
	refused(&endpoint, &ask, "base_url");
	endpoint = some_endpoint();
	for (int i = 0; i < (int) lengthof(headers); i++)
	{
		const char *list[] = { headers[i], NULL };

		endpoint.headers = list;
		refused(&endpoint, &ask, "header");
	}
	endpoint = some_endpoint();
	for (int i = 0; i < (int) lengthof(numbers); i++)
	{
		ask.temperature = numbers[i];
		refused(&endpoint, &ask, "temperature");
	}
	for (int i = 0; i < (int) lengthof(good_numbers); i++)
	{
		ask.temperature = good_numbers[i];
		ok(build(&endpoint, &ask) == NULL &&
			   strstr(request.body, psprintf("\"temperature\":%s,", good_numbers[i])) != NULL,
		   "temperature %s", good_numbers[i]);
	}
	ask = some_ask();
	ask.token_parameter = "n";
	refused(&endpoint, &ask, "token_parameter");
	ask = some_ask();
	ask.user_text[1] = "\xED\xA0\x80";
	refused(&endpoint, &ask, "prompt");
	ask.user_text[1] = "cut \xE2\x82";
	refused(&endpoint, &ask, "prompt");
	ask.user_text[0] = NULL;
	refused(&endpoint, &ask, "prompt");
}

/* Every text must come back from the body exactly as it was given. */
static void
test_texts(void)
{
	static const char *const texts[] = {
		"", " ", "\"", "\\", "\\u0000", "\\\\\"", "/", "</script>", "\b\f\n\r\t\x01\x1F\x7F",
		"\xC2\x80\xC2\xA0\xC2\xAD", "\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\x8B\xEF\xBB\xBF",
		"\xE2\x80\xAE"
		"gnp\xE2\x80\xAC",
		"\xEF\xBF\xBE\xEF\xBF\xBF\xEF\xB7\x90", "\xEF\xBF\xBD",
		"\xF4\x8F\xBF\xBF\xF0\x9F\xBF\xBE", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB",
		"Z\xCC\x80\xCC\x81\xCC\x82\xCC\x83", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D \xD8\xB3\xD9\x84\xD8\xA7\xD9\x85",
		"\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", "{{profile}} {\"a\":[1]} ]}", "'; DROP TABLE x; --",
		"%s%n%p", "${x} $(x) `x`", "\r\n\r\nHTTP/1.1 200 OK\r\n"
	};
	LiEndpoint	endpoint = some_endpoint();
	char	   *every = malloc(128);

	for (int i = 0; i < 127; i++)
		every[i] = i + 1;
	every[127] = '\0';

	for (int i = 0; i <= (int) lengthof(texts); i++)
	{
		const char *text = i < (int) lengthof(texts) ? texts[i] : every;
		LiAsk		ask = some_ask();
		LiJson	   *json;
		json_t	   *messages;
		bool		same = true;
		char	   *first;

		ask.system_text = psprintf("s%s", text);
		ask.user_text[0] = text;
		ask.user_text[1] = psprintf("%s%s", text, text);
		ok(build(&endpoint, &ask) == NULL, "text %d is taken", i);
		first = pstrdup(request.body);
		build(&endpoint, &ask);
		same = strcmp(first, request.body) == 0;
		for (size_t n = 0; n < request.body_len; n++)
			same &= (unsigned char) request.body[n] >= ' ';
		json = li_json_parse(request.body, request.body_len, NULL);
		messages = json ? json_object_get(json->root, "messages") : NULL;
		for (int n = 0; n < 3; n++)
		{
			const char *content = json_string_value(json_object_get(json_array_get(messages, n), "content"));

			same &= content != NULL &&
					strcmp(content, n == 0 ? ask.system_text : ask.user_text[n - 1]) == 0;
		}
		ok(same, "text %d comes back, the same each time, without control characters", i);
		li_json_free(json);
	}
	free(every);
}

int
main(void)
{
	ok(li_provider_find("openai") == &li_provider_openai, "found by kind");
	ok(li_provider_find("azure") == &li_provider_azure, "Azure, too");
	ok(li_provider_find("anthropic") == &li_provider_anthropic, "and Anthropic");
	ok(li_provider_find("nonsense") == NULL, "no such kind");
	test_bodies();
	test_headers();
	test_azure();
	test_refusals();
	test_texts();
	return done_testing();
}
