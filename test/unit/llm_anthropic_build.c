/*-------------------------------------------------------------------------
 *
 * llm_anthropic_build.c
 *		Questions as requests of the Messages API.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/anthropic.c src/llm/request.c src/llm/reply.c src/llm/outcome.c src/llm/rates.c src/llm/retry.c src/llm/redact.c src/llm/headers.c src/json.c; libs: -ljansson */
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
	return li_provider_anthropic.build(endpoint, ask, &request);
}

static void
body_is(const LiAsk *ask, const char *expected, const char *name)
{
	LiEndpoint	endpoint = some_endpoint();
	const char *fault = build(&endpoint, ask);

	if (fault != NULL)
		ok(false, "%s: %s", name, fault);
	else
		is_text(request.body, expected, name);
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

#define BEGIN "{\"model\":\"m-1\",\"max_tokens\":500,"
#define USER(blocks) "\"messages\":[{\"role\":\"user\",\"content\":[" blocks "]}]}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"

static void
test_bodies(void)
{
	LiAsk		ask = some_ask();

	body_is(&ask, BEGIN "\"system\":\"S\"," USER(TEXT("P") "," TEXT("F")),
			"the system text on top, two blocks in one message");
	is_int(request.body_len, strlen(request.body), "its length");
	is_text(request.url, "https://models.test/v1/messages", "its path");
	ask.merge_user_messages = true;
	body_is(&ask, BEGIN "\"system\":\"S\"," USER(TEXT("P\\n\\nF")), "user messages merged");
	ask.system_text = "";
	ask.user_text[1] = NULL;
	body_is(&ask, BEGIN USER(TEXT("P")), "one text, and an empty system text is none");
	ask.merge_user_messages = false;
	ask.system_text = NULL;
	body_is(&ask, BEGIN USER(TEXT("P")), "one text that is not merged");

	ask.temperature = "0.10";
	ask.reasoning_effort = "low";
	body_is(&ask, BEGIN "\"temperature\":0.10,\"output_config\":{\"effort\":\"low\"}," USER(TEXT("P")),
			"temperature and effort where the model has them");
	ask.schema = "{\"type\":\"object\"}";
	ask.schema_name = "score";
	body_is(&ask, BEGIN "\"temperature\":0.10,\"output_config\":{\"effort\":\"low\"}," USER(TEXT("P")),
			"a model without strict schemas gets none");
	ask.json_schema = true;
	body_is(&ask, BEGIN "\"temperature\":0.10,\"output_config\":{\"effort\":\"low\",\"format\":"
					   "{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}}," USER(TEXT("P")),
			"everything");
	ask.temperature = NULL;
	ask.reasoning_effort = NULL;
	ask.token_parameter = "max_completion_tokens";
	body_is(&ask, BEGIN "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}},"
						USER(TEXT("P")),
			"a schema alone; the cap has one name");
}

static void
schema_is(const char *schema, const char *expected, const char *name)
{
	LiAsk		ask = some_ask();

	ask.user_text[1] = NULL;
	ask.system_text = NULL;
	ask.schema = schema;
	ask.schema_name = "score";
	ask.json_schema = true;
	body_is(&ask, psprintf(BEGIN "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":%s}},%s",
						   expected, USER(TEXT("P"))),
			name);
}

static void
test_schemas(void)
{
	schema_is("{\"type\":[\"integer\",\"null\"],\"minimum\":0,\"maximum\":100}",
			  "{\"type\":[\"integer\",\"null\"],\"description\":\"minimum 0, maximum 100\"}",
			  "the range of a number is said in words");
	schema_is("{\"type\":\"string\",\"maxLength\":600}",
			  "{\"type\":\"string\",\"description\":\"maxLength 600\"}", "so is the length of a text");
	schema_is("{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}",
			  "{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"}}", "at least one is taken");
	schema_is("{\"type\":\"array\",\"minItems\":2,\"maxItems\":5,\"items\":{\"maximum\":0.25}}",
			  "{\"type\":\"array\",\"items\":{\"description\":\"maximum 0.25\"},"
			  "\"description\":\"minItems 2, maxItems 5\"}",
			  "more is not");
	schema_is("{\"type\":\"object\",\"properties\":{\"minimum\":{\"type\":\"number\",\"minimum\":-1.5},"
			  "\"maxItems\":{\"anyOf\":[{\"type\":\"string\",\"maxLength\":9},{\"type\":\"null\"}]}},"
			  "\"required\":[\"minimum\",\"maxItems\"],\"additionalProperties\":false}",
			  "{\"type\":\"object\",\"properties\":{\"minimum\":{\"type\":\"number\",\"description\":\"minimum -1.5\"},"
			  "\"maxItems\":{\"anyOf\":[{\"type\":\"string\",\"description\":\"maxLength 9\"},{\"type\":\"null\"}]}},"
			  "\"required\":[\"minimum\",\"maxItems\"],\"additionalProperties\":false}",
			  "members may be named like a limit");
	schema_is("{\"enum\":[\"a\",\"b\"],\"minimum\":\"x\"}", "{\"enum\":[\"a\",\"b\"],\"minimum\":\"x\"}",
			  "what is no limit stays");
}

static void
test_headers(void)
{
	const char *extra[] = { "anthropic-beta: something", NULL };
	LiEndpoint	endpoint = some_endpoint();
	LiAsk		ask = some_ask();

	build(&endpoint, &ask);
	ok(has_header("Content-Type: application/json"), "content type");
	ok(has_header("anthropic-version: 2023-06-01"), "version");
	ok(has_header("x-api-key: none"), "key");
	for (const char *const *h = request.headers; *h != NULL; h++)
		ok(strncmp(*h, "Authorization", 13) != 0, "no other header for the key: %s", *h);
	endpoint.key = NULL;
	endpoint.headers = extra;
	endpoint.base_url = "https://models.test/v1/";
	build(&endpoint, &ask);
	ok(!has_header("x-api-key: none") && has_header("anthropic-beta: something"),
	   "no key, but more headers");
	is_text(request.url, "https://models.test/v1/messages", "one slash");
}

static void
refused(const LiEndpoint *endpoint, const LiAsk *ask, const char *what)
{
	const char *fault = build(endpoint, ask);

	ok(fault != NULL && strstr(fault, what) != NULL && request.body == NULL,
	   "%s: %s", what, fault ? fault : "accepted");
}

static void
test_refusals(void)
{
	LiEndpoint	endpoint = some_endpoint();
	LiAsk		ask = some_ask();

	endpoint.key = "a\r\nX: y";
	refused(&endpoint, &ask, "key");
	endpoint = some_endpoint();
	ask.max_tokens = 0;
	refused(&endpoint, &ask, "max_tokens");
	ask = some_ask();
	ask.schema = "{\"type\":";
	ask.schema_name = "score";
	ask.json_schema = true;
	refused(&endpoint, &ask, "schema");
	ask = some_ask();
	ask.temperature = "1}";
	refused(&endpoint, &ask, "temperature");
	ask = some_ask();
	ask.user_text[1] = "\xED\xA0\x80";
	refused(&endpoint, &ask, "prompt");
}

/* A text must come back from the body exactly as it was given. */
static void
test_texts(void)
{
	const char *text = "\"\\\b\n\r\t\x01</script>\xE2\x80\xA8\xF0\x9F\x91\xA9{{profile}} ]}";
	LiEndpoint	endpoint = some_endpoint();
	LiAsk		ask = some_ask();
	LiJson	   *json;
	json_t	   *content;

	ask.system_text = ask.user_text[0] = ask.user_text[1] = text;
	build(&endpoint, &ask);
	json = li_json_parse(request.body, request.body_len, NULL);
	ok(json != NULL, "the body is JSON");
	content = json_object_get(json_array_get(json_object_get(json->root, "messages"), 0), "content");
	is_text(json_string_value(json_object_get(json->root, "system")), text, "the system text");
	for (int i = 0; i < 2; i++)
		is_text(json_string_value(json_object_get(json_array_get(content, i), "text")), text,
				psprintf("block %d", i));
	li_json_free(json);
}

int
main(void)
{
	test_bodies();
	test_schemas();
	test_headers();
	test_refusals();
	test_texts();
	return done_testing();
}
