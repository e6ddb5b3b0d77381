/*-------------------------------------------------------------------------
 *
 * llm_models.c
 *		Asking a provider which models it has: the request, and every reply.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/models.c src/llm/openai.c src/llm/request.c src/llm/reply.c src/llm/outcome.c src/llm/retry.c src/llm/redact.c src/llm/headers.c src/llm/rates.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "json.h"
#include "llm/models.h"
#include "tap.h"

static StringInfoData lines;
static LiOutcome outcome;

static void
read_response(LiHttpError error, int status, const char *headers, const char *body)
{
	/* exactly as long as told, so that a read beyond the end is seen */
	size_t		len = strlen(body);
	char	   *copy = malloc(len + 1);
	LiHttpResponse response = {
		.error = error, .message = "what the transport says", .status = status, .headers = headers, .headers_len = strlen(headers), .body = copy, .body_len = len
	};

	memcpy(copy, body, len + 1);
	resetStringInfo(&lines);
	outcome = li_models_read(&response, &lines);
	free(copy);
}

static void
list_is(const char *body, const char *expected, const char *name)
{
	read_response(LI_HTTP_OK, 200, "", body);
	ok(outcome.class == LI_OK && outcome.code == NULL && strcmp(lines.data, expected) == 0,
	   "%s", name);
	if (strcmp(lines.data, expected) != 0)
		printf("#   got \"%.300s\"\n", lines.data);
}

/* The reply's words, of which none may be in the message. */
#define SECRET "hush-hush"

static void
no_list(LiHttpError error, int status, const char *headers, const char *body, const char *code)
{
	read_response(error, status, headers, body);
	ok(outcome.class != LI_OK && outcome.code != NULL && strcmp(outcome.code, code) == 0 &&
		   outcome.message != NULL && strstr(outcome.message, SECRET) == NULL && lines.len == 0,
	   "status %d, %.40s: %s", status, body, code);
	if (outcome.code == NULL || strcmp(outcome.code, code) != 0)
		printf("#   got %s: %s\n", outcome.code ? outcome.code : "(null)",
			   outcome.message ? outcome.message : "(null)");
}

static bool
has_header(const LiHttpRequest *request, const char *header)
{
	for (const char *const *h = request->headers; *h != NULL; h++)
	{
		if (strcmp(*h, header) == 0)
			return true;
	}
	return false;
}

/* A dialect that needs a header of its own and a version in the URL. */
static const char *
build_other(const LiEndpoint *endpoint, const LiAsk *ask, LiHttpRequest *request)
{
	static const char *const headers[] = { "X-Key: k", NULL };

	request->url = psprintf("%s/of/%s?api-version=1", endpoint->base_url, ask->model);
	request->headers = headers;
	request->body = "{}";
	request->body_len = 2;
	return ask->max_tokens > 0 && ask->user_text[0] != NULL ? NULL : "incomplete";
}

static void
test_requests(void)
{
	static const char *const extra[] = { "X-Title: Scores", NULL };
	LiEndpoint	endpoint = {
		.base_url = "https://models.test/v1/", .key = "none", .organization = "org", .headers = extra
	};
	LiProvider	other = { .kind = "azure", .build = build_other };
	LiHttpRequest request = { 0 };

	is_text(li_models_build(&li_provider_openai, &endpoint, &request), NULL, "a request");
	is_text(request.url, "https://models.test/v1/models", "the list's address");
	ok(request.body == NULL && request.body_len == 0, "without a body it is a GET");
	ok(has_header(&request, "Authorization: Bearer none") &&
		   has_header(&request, "OpenAI-Organization: org") &&
		   has_header(&request, "X-Title: Scores"),
	   "authenticated as a question is");

	endpoint.key = "no\nne";
	memset(&request, 0, sizeof(request));
	ok(li_models_build(&li_provider_openai, &endpoint, &request) != NULL, "a key that is no header value");
	endpoint.key = "none";

	is_text(li_models_build(&other, &endpoint, &request), NULL, "another dialect");
	is_text(request.url, "https://models.test/v1/models?api-version=1", "its version is kept");
	ok(has_header(&request, "X-Key: k") && request.body == NULL, "so are its headers, not its body");
	other.kind = "anthropic";
	is_text(li_models_build(&other, &endpoint, &request), NULL, "and one that gives pages");
	is_text(request.url, "https://models.test/v1/models?limit=1000", "is asked for a long one");
}

static void
test_lists(void)
{
	char		id[203];

	list_is("{\"object\":\"list\",\"data\":[{\"id\":\"a\",\"shutdown_date\":\"2026-12-11\"},"
			"{\"id\":\"b\",\"shutdown_date\":null},{\"id\":\"c\"}]}",
			"a\t2026-12-11\nb\t\nc\t\n", "OpenAI: some with a date");
	list_is("{\"data\":[{\"type\":\"model\",\"id\":\"claude-haiku-4-5\",\"display_name\":\"x\"}],\"has_more\":true}",
			"claude-haiku-4-5\t\n", "Anthropic");
	list_is("{\"object\":\"list\",\"data\":[{\"id\":\"llama3:8b\",\"object\":\"model\",\"owned_by\":\"library\"}]}",
			"llama3:8b\t\n", "Ollama");
	list_is("{\"data\":[]}", "", "a server without models");
	list_is("{\"data\":[1,null,\"a\",[],{},{\"id\":7},{\"id\":\"\"},{\"id\":\"a b\"},{\"id\":\"a\\tb\"},"
			"{\"id\":\"a\\nb\"},{\"id\":\"\\u00e9\"},{\"id\":\"ok\"}]}",
			"ok\t\n", "what cannot be a model's name is left out");

	memset(id, 'm', sizeof(id));
	id[200] = '\0';
	list_is(psprintf("{\"data\":[{\"id\":\"%s\"}]}", id), psprintf("%s\t\n", id), "a name of 200 bytes");
	id[200] = 'm';
	id[201] = '\0';
	list_is(psprintf("{\"data\":[{\"id\":\"%s\"}]}", id), "", "not one of 201");
}

static void
test_dates(void)
{
	static const char *const good[] = { "2026-12-11", "2028-02-29", "2000-02-29", "2027-01-01" };
	static const char *const bad[] = {
		"2026-02-29", "2100-02-29", "2026-02-30", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "2026-1-01", "2026-01-1", "26-01-01", "2026/01/01", "2026-01-01T00:00:00Z", " 2026-01-01", "2026-01-01 ", "1999-01-01", "0000-00-00", "2026-0a-01", "infinity", "now", ""
	};

	for (int i = 0; i < (int) lengthof(good); i++)
		list_is(psprintf("{\"data\":[{\"id\":\"m\",\"shutdown_date\":\"%s\"}]}", good[i]),
				psprintf("m\t%s\n", good[i]), good[i]);
	for (int i = 0; i < (int) lengthof(bad); i++)
		list_is(psprintf("{\"data\":[{\"id\":\"m\",\"shutdown_date\":\"%s\"}]}", bad[i]), "m\t\n",
				psprintf("no date: \"%s\"", bad[i]));
	list_is("{\"data\":[{\"id\":\"m\",\"shutdown_date\":1765411200}]}", "m\t\n", "no date: a number");
}

static void
test_faults(void)
{
	no_list(LI_HTTP_OK, 200, "", "", "empty_response");
	no_list(LI_HTTP_OK, 200, "", " \n", "empty_response");
	no_list(LI_HTTP_OK, 200, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
			"<html>" SECRET "</html>", "provider_error");
	no_list(LI_HTTP_OK, 200, "", "[{\"id\":\"" SECRET "\"}]", "provider_error");
	no_list(LI_HTTP_OK, 200, "", "{\"id\":\"" SECRET "\"}", "provider_error");
	no_list(LI_HTTP_OK, 200, "", "{\"data\":{\"id\":\"" SECRET "\"}}", "provider_error");
	no_list(LI_HTTP_OK, 200, "", "{\"data\":[{\"id\":\"" SECRET "\"", "invalid_json");
	no_list(LI_HTTP_OK, 200, "", "{\"data\":[{\"id\":\"a\",\"id\":\"" SECRET "\"}]}", "invalid_json");
	no_list(LI_HTTP_OK, 200, "", "{\"error\":{\"message\":\"" SECRET "\"}}", "provider_error");
	no_list(LI_HTTP_OK, 401, "", "{\"error\":{\"message\":\"" SECRET "\",\"code\":\"invalid_api_key\"}}",
			"invalid_api_key");
	no_list(LI_HTTP_OK, 401, "", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"" SECRET "\"}}",
			"invalid_api_key");
	no_list(LI_HTTP_OK, 401, "", "<html>" SECRET "</html>", "invalid_api_key");
	no_list(LI_HTTP_OK, 403, "", "{\"error\":\"" SECRET "\"}", "permission_denied");
	no_list(LI_HTTP_OK, 404, "", "{\"error\":{\"message\":\"" SECRET "\",\"code\":404}}", "config_error");
	no_list(LI_HTTP_OK, 302, "", SECRET, "config_error");
	no_list(LI_HTTP_OK, 429, "", "{\"error\":{\"message\":\"" SECRET "\",\"code\":\"insufficient_quota\"}}",
			"quota_exhausted");
	no_list(LI_HTTP_OK, 429, "", "{}", "rate_limited");
	no_list(LI_HTTP_OK, 500, "", "", "provider_error");
	no_list(LI_HTTP_TIMEOUT, 0, "", "", "timeout");
	no_list(LI_HTTP_CONNECT, 0, "", "", "connection_failed");
	no_list(LI_HTTP_TLS_CERTIFICATE, 0, "", "", "tls_failed");
	no_list(LI_HTTP_TOO_LARGE, 200, "", SECRET, "response_too_large");
}

int
main(void)
{
	initStringInfo(&lines);
	test_requests();
	test_lists();
	test_dates();
	test_faults();
	return done_testing();
}
