/*-------------------------------------------------------------------------
 *
 * llm_matrix.c
 *		Every kind of answer of six dialects, and what it means.
 *
 * One row, one answer: who gave it, its status, headers and body as that server
 * words them, and the class, the code, the flags and the wait in ms that must
 * come of it.  No wait: there must be no hint.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/llm/openai.c src/llm/anthropic.c src/llm/request.c src/llm/reply.c src/llm/outcome.c src/llm/rates.c src/llm/retry.c src/llm/redact.c src/llm/headers.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "llm/provider.h"
#include "tap.h"

#define JSON "Content-Type: application/json\r\n"
#define HTML "Content-Type: text/html; charset=UTF-8\r\n"

/* Errors in each server's form. */
#define OPENAI(code, type, message) \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null,\"code\":\"" code "\"}}"
#define OPENAI_NULL(type, message) \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null,\"code\":null}}"
#define AZURE(code, message) "{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\"}}"
#define VLLM(code, type, message) \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null,\"code\":" #code "}}"
#define VLLM_OLD(code, type, message) \
	"{\"object\":\"error\",\"message\":\"" message "\",\"type\":\"" type "\",\"param\":null,\"code\":" #code "}"
#define OLLAMA(type, message) OPENAI_NULL(type, message)
#define LLAMACPP_AND(code, type, message, more) \
	"{\"error\":{\"code\":" #code ",\"message\":\"" message "\",\"type\":\"" type "\"" more "}}"
#define LLAMACPP(code, type, message) LLAMACPP_AND(code, type, message, "")
#define ANTHROPIC(type, message) \
	"{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" message "\"},\"request_id\":\"req_011\"}"
#define PAGE(title) \
	"<html>\r\n<head><title>" title "</title></head>\r\n<body><center><h1>" title "</h1></center></body>\r\n</html>\r\n"

/* Answers; a content comes with the members beside it. */
#define CHAT_AND(content, finish, more) \
	"{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"message\":" \
	"{\"role\":\"assistant\",\"content\":" content "},\"finish_reason\":\"" finish "\"}]," \
	"\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}" more "}"
#define CHAT(content, finish) CHAT_AND(content, finish, "")
#define MESSAGE(blocks, stop) \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\",\"content\":[" blocks "]," \
	"\"stop_reason\":\"" stop "\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":3}}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"

#define BLOCKS_MODEL 1
#define OVERLOAD 2
#define FINAL 4
#define SLOW_DOWN 8

#define NOW (-1) /* a hint of 0 ms */

static const struct
{
	const char *dialect;
	int			status;
	const char *headers;
	const char *body;
	LiClass		class;
	const char *code;
	int			flags;
	int			wait;
} matrix[] = {
	/* OpenAI */
	{ "openai", 429, JSON "Retry-After: 2\r\n", OPENAI("rate_limit_exceeded", "requests", "Rate limit reached for m-1 in organization org-x on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms."), LI_DEFER, "rate_limited", 0, 2000 },
	{ "openai", 429, JSON "x-ratelimit-limit-tokens: 200000\r\n", OPENAI("rate_limit_exceeded", "tokens", "Rate limit reached for m-1 in organization org-x on tokens per min (TPM): Limit 200000, Used 199000, Requested 3000. Please try again in 600ms."), LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON, OPENAI("rate_limit_exceeded", "tokens", "Request too large for m-1 in organization org-x on tokens per min (TPM): Limit 30000, Requested 41250. The input or output tokens must be reduced in order to run successfully."), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 429, JSON, OPENAI("rate_limit_exceeded", "tokens", "Limit: 30000, Requested: 30001"), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 429, JSON "x-ratelimit-limit-tokens: 10\r\n", OPENAI("rate_limit_exceeded", "tokens", "Too many tokens."), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 429, JSON "Retry-After: 5\r\n", OPENAI("slow_down", "rate_limit_error", "Your request rate rose too fast. Please slow down and raise it gradually."), LI_DEFER, "rate_limited", OVERLOAD | SLOW_DOWN, 5000 },
	{ "openai", 429, JSON, OPENAI("some_new_code", "some_new_type", "Too many requests."), LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON "Retry-After: 2\r\nx-should-retry: true\r\n", OPENAI("insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("some_new_code", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("rate_limit_exceeded", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI_NULL("insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("insufficient_quota", "requests", "You exceeded your current quota, please check your plan and billing details."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("credit_balance_exhausted", "requests", "Your credit balance is exhausted."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("organization_spend_limit_exceeded", "requests", "The organization's spend limit is reached."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("project_spend_limit_exceeded", "requests", "The project's spend limit is reached."), LI_OPEN, "quota_exhausted" },
	{ "openai", 429, JSON, OPENAI("organization_usage_limit_exceeded", "requests", "The organization's usage limit is reached."), LI_OPEN, "quota_exhausted" },
	{ "openai", 400, JSON, OPENAI("billing_hard_limit_reached", "invalid_request_error", "Billing hard limit has been reached"), LI_OPEN, "quota_exhausted" },
	{ "openai", 402, JSON, OPENAI("billing_not_active", "billing_error", "Your account is not active, please check your billing details on our website."), LI_OPEN, "quota_exhausted" },
	{ "openai", 401, JSON, OPENAI("invalid_api_key", "invalid_request_error", "Incorrect API key provided: fictional. You can find your API key in your account."), LI_OPEN, "invalid_api_key" },
	{ "openai", 401, JSON, OPENAI_NULL("invalid_request_error", "You must be a member of an organization to use the API."), LI_OPEN, "invalid_api_key" },
	{ "openai", 401, JSON, OPENAI("ip_not_authorized", "invalid_request_error", "Your IP address is not authorized."), LI_OPEN, "invalid_api_key" },
	{ "openai", 403, JSON, OPENAI("unsupported_country_region_territory", "request_forbidden", "Country, region, or territory not supported"), LI_OPEN, "permission_denied" },
	{ "openai", 403, HTML, PAGE("403 Forbidden"), LI_OPEN, "permission_denied" },
	{ "openai", 404, JSON, OPENAI("model_not_found", "invalid_request_error", "The model `m-1` does not exist or you do not have access to it."), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "openai", 403, JSON, OPENAI("model_not_found", "invalid_request_error", "Project `proj_x` does not have access to model `m-1`"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "openai", 404, JSON, OPENAI_NULL("invalid_request_error", "Invalid URL (POST /chat/completions)"), LI_OPEN, "config_error" },
	{ "openai", 400, JSON, OPENAI("unsupported_parameter", "invalid_request_error", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."), LI_FAIL, "bad_request" },
	{ "openai", 400, JSON, OPENAI("unsupported_value", "invalid_request_error", "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."), LI_FAIL, "bad_request" },
	{ "openai", 400, JSON, OPENAI_NULL("invalid_request_error", "Invalid schema for response_format 'score': In context=(), 'additionalProperties' is required to be supplied and to be false."), LI_FAIL, "bad_request" },
	{ "openai", 405, JSON, OPENAI("method_not_supported", "invalid_request_error", "Not allowed to GET on /v1/chat/completions."), LI_FAIL, "bad_request" },
	{ "openai", 400, JSON, OPENAI("context_length_exceeded", "invalid_request_error", "This model's maximum context length is 128000 tokens. However, your messages resulted in 140211 tokens. Please reduce the length of the messages."), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 400, JSON, OPENAI("string_above_max_length", "invalid_request_error", "Invalid 'messages[1].content': string too long."), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 413, JSON, OPENAI("request_too_large", "invalid_request_error", "Request exceeds the maximum size."), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 413, HTML, PAGE("413 Request Entity Too Large"), LI_SHRINK, "context_length_exceeded" },
	{ "openai", 400, JSON, OPENAI("content_policy_violation", "invalid_request_error", "Your request was rejected as a result of our safety system."), LI_FAIL, "content_filtered" },
	{ "openai", 400, JSON, OPENAI("invalid_prompt", "invalid_request_error", "Invalid prompt: your prompt was flagged as potentially violating our usage policy."), LI_FAIL, "content_filtered" },
	{ "openai", 500, JSON, OPENAI_NULL("server_error", "The server had an error while processing your request. Sorry about that!"), LI_RETRY, "provider_error" },
	{ "openai", 500, JSON "x-should-retry: false\r\n", OPENAI_NULL("server_error", "The server had an error while processing your request."), LI_RETRY, "provider_error", FINAL },
	{ "openai", 408, JSON, OPENAI_NULL("invalid_request_error", "Request timed out."), LI_RETRY, "timeout" },
	{ "openai", 409, JSON, OPENAI_NULL("invalid_request_error", "The request conflicts with another one."), LI_RETRY, "provider_error" },
	{ "openai", 502, HTML, PAGE("502 Bad Gateway"), LI_RETRY, "provider_error" },
	{ "openai", 504, HTML, PAGE("504 Gateway Time-out"), LI_RETRY, "provider_error" },
	{ "openai", 520, HTML, PAGE("520: Web server is returning an unknown error"), LI_RETRY, "provider_error" },
	{ "openai", 521, HTML, PAGE("521: Web server is down"), LI_RETRY, "provider_error" },
	{ "openai", 522, HTML, PAGE("522: Connection timed out"), LI_RETRY, "provider_error" },
	{ "openai", 523, HTML, PAGE("523: Origin is unreachable"), LI_RETRY, "provider_error" },
	{ "openai", 524, HTML, PAGE("524: A timeout occurred"), LI_RETRY, "provider_error" },
	{ "openai", 503, JSON "Retry-After: 30\r\n", OPENAI("server_is_overloaded", "service_unavailable_error", "The server is overloaded or not ready yet. Please try again later."), LI_DEFER, "overloaded", OVERLOAD, 30000 },
	{ "openai", 503, JSON, OPENAI_NULL("server_error", "Service temporarily unavailable."), LI_DEFER, "overloaded", OVERLOAD },
	{ "openai", 503, HTML, PAGE("503 Service Temporarily Unavailable"), LI_DEFER, "overloaded", OVERLOAD },
	{ "openai", 301, HTML, PAGE("301 Moved Permanently"), LI_FAIL, "config_error" },
	{ "openai", 307, "Location: https://elsewhere.test/\r\n", "", LI_FAIL, "config_error" },
	{ "openai", 200, JSON, CHAT("\"{}\"", "stop"), LI_OK, NULL },
	{ "openai", 200, JSON, CHAT("null,\"refusal\":\"I'm sorry, but I can't help with that request.\"", "stop"), LI_FAIL, "refused" },
	{ "openai", 200, JSON, CHAT("\"\"", "content_filter"), LI_FAIL, "content_filtered" },
	{ "openai", 200, JSON, CHAT("\"{\\\"a\"", "length"), LI_REASK, "truncated" },
	{ "openai", 200, JSON, "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"{}\"", LI_REASK, "invalid_json" },
	{ "openai", 200, JSON, "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[]}", LI_RETRY, "empty_response" },
	{ "openai", 200, JSON, "{\"id\":\"c\",\"object\":\"chat.completion\"}", LI_RETRY, "empty_response" },
	{ "openai", 200, JSON, "", LI_RETRY, "empty_response" },
	{ "openai", 200, HTML, PAGE("Sign in"), LI_RETRY, "provider_error" },
	{ "openai", 200, "Content-Type: text/plain\r\n", CHAT("\"{}\"", "stop"), LI_RETRY, "provider_error" },
	{ "openai", 200, JSON, "{\"error\":{\"message\":\"Rate limited upstream\",\"type\":null,\"param\":null,\"code\":429}}", LI_DEFER, "rate_limited" },
	{ "openai", 200, JSON, "{\"error\":{\"message\":\"Provider returned error\",\"code\":502,\"metadata\":{\"raw\":\"error code: 1033\"}},\"user_id\":\"u\"}", LI_RETRY, "provider_error" },
	{ "openai", 200, JSON, "{\"error\":{\"code\":402,\"message\":\"Insufficient credits\"}}", LI_OPEN, "quota_exhausted" },
	{ "openai", 200, JSON, "{\"error\":\"upstream failed\"}", LI_RETRY, "provider_error" },
	{ "openai", 200, JSON, OPENAI("insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), LI_OPEN, "quota_exhausted" },

	/* Azure */
	{ "azure", 429, JSON "retry-after-ms: 1523\r\nRetry-After: 2\r\n", AZURE("429", "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 2 seconds."), LI_DEFER, "rate_limited", 0, 1523 },
	{ "azure", 429, JSON "Retry-After: 86400\r\nx-ratelimit-limit-tokens: -1\r\n", AZURE("429", "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 2 seconds."), LI_DEFER, "rate_limited", 0, 86400000 },
	{ "azure", 429, JSON "Retry-After: 60\r\nx-ratelimit-limit-tokens: 10\r\nx-ratelimit-remaining-tokens: 10\r\nx-ratelimit-reset-tokens: 0\r\n", AZURE("429", "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 2 seconds."), LI_SHRINK, "context_length_exceeded" },
	{ "azure", 429, JSON "Retry-After: 60\r\nx-ratelimit-limit-tokens: 0\r\n", AZURE("RateLimitReached", "Your requests to m-1 have exceeded token rate limit."), LI_DEFER, "rate_limited", 0, 60000 },
	{ "azure", 429, JSON, AZURE("too_many_requests", "The system is currently experiencing high demand and cannot process your request. Your request exceeds the maximum usage size allowed during peak load."), LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON "Retry-After: 20\r\n", AZURE("NoCapacity", "The system is currently experiencing high demand and cannot process your request."), LI_DEFER, "overloaded", OVERLOAD, 20000 },
	{ "azure", 429, JSON, OPENAI("slow_down", "rate_limit_error", "Slow down."), LI_DEFER, "rate_limited", OVERLOAD | SLOW_DOWN },
	{ "azure", 429, JSON, OPENAI("insufficient_quota", "insufficient_quota", "You exceeded your current quota"), LI_OPEN, "quota_exhausted" },
	{ "azure", 401, JSON, AZURE("401", "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."), LI_OPEN, "invalid_api_key" },
	{ "azure", 401, JSON, "{\"statusCode\":401,\"message\":\"Unauthorized. Access token is missing, invalid, audience is incorrect, or have expired.\"}", LI_OPEN, "invalid_api_key" },
	{ "azure", 401, JSON, AZURE("PermissionDenied", "The principal lacks the required data action"), LI_OPEN, "permission_denied" },
	{ "azure", 403, JSON, AZURE("403", "Access denied due to Virtual Network/Firewall rules."), LI_OPEN, "permission_denied" },
	{ "azure", 404, JSON, AZURE("DeploymentNotFound", "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "azure", 404, JSON, AZURE("404", "Resource not found"), LI_OPEN, "config_error" },
	{ "azure", 400, JSON, "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering the content management policy.\",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"violence\":{\"filtered\":true,\"severity\":\"high\"}}}}}", LI_FAIL, "content_filtered" },
	{ "azure", 400, JSON, OPENAI("context_length_exceeded", "invalid_request_error", "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens."), LI_SHRINK, "context_length_exceeded" },
	{ "azure", 413, HTML, PAGE("413 Request Entity Too Large"), LI_SHRINK, "context_length_exceeded" },
	{ "azure", 400, JSON, OPENAI("BadRequest", "invalid_request_error", "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."), LI_FAIL, "bad_request" },
	{ "azure", 408, JSON, AZURE("Timeout", "The operation was timeout."), LI_RETRY, "timeout" },
	{ "azure", 409, JSON, AZURE("Conflict", "The resource is being changed."), LI_RETRY, "provider_error" },
	{ "azure", 500, JSON, AZURE("InternalServerError", "The server had an error while processing your request."), LI_RETRY, "provider_error" },
	{ "azure", 502, HTML, PAGE("502 Bad Gateway"), LI_RETRY, "provider_error" },
	{ "azure", 503, JSON "retry-after-ms: 250\r\n", AZURE("ServiceUnavailable", "The service is temporarily unavailable."), LI_DEFER, "overloaded", OVERLOAD, 250 },
	{ "azure", 302, HTML, PAGE("302 Found"), LI_FAIL, "config_error" },
	{ "azure", 200, JSON, CHAT_AND("\"{}\"", "stop", ",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]"), LI_OK, NULL },
	{ "azure", 200, JSON, CHAT_AND("\"\"", "content_filter", ",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]"), LI_FAIL, "content_filtered" },
	{ "azure", 200, JSON, CHAT("null,\"refusal\":\"I can't help.\"", "stop"), LI_FAIL, "refused" },
	{ "azure", 200, JSON, CHAT("\"{\"", "length"), LI_REASK, "truncated" },
	{ "azure", 200, JSON, "{\"choices\":[],\"prompt_filter_results\":[]}", LI_RETRY, "empty_response" },
	{ "azure", 200, HTML, PAGE("Sign in to your account"), LI_RETRY, "provider_error" },

	/* vLLM */
	{ "vllm", 400, JSON, VLLM(400, "BadRequestError", "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages, Please reduce the length of the messages."), LI_SHRINK, "context_length_exceeded" },
	{ "vllm", 400, JSON, "{\"error\":{\"message\":\"You passed 5001 input tokens and requested 500 output tokens.\",\"type\":\"BadRequestError\",\"param\":\"input_tokens\",\"code\":400}}", LI_SHRINK, "context_length_exceeded" },
	{ "vllm", 400, JSON, VLLM_OLD(400, "BadRequestError", "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."), LI_SHRINK, "context_length_exceeded" },
	{ "vllm", 400, JSON, VLLM(400, "BadRequestError", "[{'type': 'extra_forbidden', 'loc': ('body', 'store'), 'msg': 'Extra inputs are not permitted'}]"), LI_FAIL, "bad_request" },
	{ "vllm", 400, JSON, VLLM_OLD(400, "BadRequestError", "The grammar of the schema is not supported."), LI_FAIL, "bad_request" },
	{ "vllm", 422, JSON, "{\"detail\":[{\"loc\":[\"body\",\"messages\"],\"msg\":\"field required\",\"type\":\"value_error.missing\"}]}", LI_FAIL, "bad_request" },
	{ "vllm", 401, JSON, "{\"error\":\"Unauthorized\"}", LI_OPEN, "invalid_api_key" },
	{ "vllm", 403, HTML, PAGE("403 Forbidden"), LI_OPEN, "permission_denied" },
	{ "vllm", 404, JSON, VLLM(404, "NotFoundError", "The model `m-1` does not exist."), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "vllm", 404, JSON, VLLM_OLD(404, "NotFoundError", "The model `m-1` does not exist."), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "vllm", 404, JSON, "{\"detail\":\"Not Found\"}", LI_OPEN, "config_error" },
	{ "vllm", 429, JSON "Retry-After: 1\r\n", VLLM(429, "RateLimitError", "Too many requests."), LI_DEFER, "rate_limited", 0, 1000 },
	{ "vllm", 500, JSON, VLLM(500, "InternalServerError", "EngineCore encountered an issue. See stack trace (above) for the root cause."), LI_RETRY, "provider_error" },
	{ "vllm", 500, "Content-Type: text/plain; charset=utf-8\r\n", "Internal Server Error", LI_RETRY, "provider_error" },
	{ "vllm", 502, HTML, PAGE("502 Bad Gateway"), LI_RETRY, "provider_error" },
	{ "vllm", 503, HTML, PAGE("503 Service Temporarily Unavailable"), LI_DEFER, "overloaded", OVERLOAD },
	{ "vllm", 504, HTML, PAGE("504 Gateway Time-out"), LI_RETRY, "provider_error" },
	{ "vllm", 413, HTML, PAGE("413 Request Entity Too Large"), LI_SHRINK, "context_length_exceeded" },
	{ "vllm", 307, "Location: /v1/chat/completions/\r\n", "", LI_FAIL, "config_error" },
	{ "vllm", 200, JSON, CHAT("\"{}\",\"reasoning_content\":null,\"tool_calls\":[]", "stop"), LI_OK, NULL },
	{ "vllm", 200, JSON, CHAT("\"{\",\"tool_calls\":[]", "length"), LI_REASK, "truncated" },
	{ "vllm", 200, JSON, CHAT("null,\"reasoning_content\":\"thinking\"", "stop"), LI_RETRY, "empty_response" },
	{ "vllm", 200, JSON, "{\"object\":\"error\",\"message\":\"x\",\"type\":\"InternalServerError\",\"code\":500}", LI_RETRY, "empty_response" },

	/* Ollama */
	{ "ollama", 503, JSON, OLLAMA("api_error", "server busy, please try again.  maximum pending requests exceeded"), LI_DEFER, "overloaded", OVERLOAD },
	{ "ollama", 404, JSON, OLLAMA("not_found_error", "model \\\"m-1\\\" not found, try pulling it first"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "ollama", 404, JSON, OLLAMA("not_found_error", "model 'm-1' not found"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "ollama", 404, "Content-Type: text/plain\r\n", "404 page not found", LI_OPEN, "config_error" },
	{ "ollama", 400, JSON, OLLAMA("invalid_request_error", "invalid options: nonsense"), LI_FAIL, "bad_request" },
	{ "ollama", 500, JSON, OLLAMA("api_error", "llama runner process has terminated: exit status 2"), LI_RETRY, "provider_error" },
	{ "ollama", 500, JSON, OLLAMA("api_error", "model requires more system memory (9.1 GiB) than is available (5.2 GiB)"), LI_RETRY, "provider_error" },
	{ "ollama", 401, JSON, "{\"error\":\"unauthorized\"}", LI_OPEN, "invalid_api_key" },
	{ "ollama", 403, "", "", LI_OPEN, "permission_denied" },
	{ "ollama", 429, JSON, "{\"error\":\"too many concurrent requests\"}", LI_DEFER, "rate_limited" },
	{ "ollama", 502, HTML, PAGE("502 Bad Gateway"), LI_RETRY, "provider_error" },
	{ "ollama", 413, HTML, PAGE("413 Request Entity Too Large"), LI_SHRINK, "context_length_exceeded" },
	{ "ollama", 301, "Location: /v1/chat/completions\r\n", "", LI_FAIL, "config_error" },
	{ "ollama", 200, JSON, CHAT("\"{}\"", "stop"), LI_OK, NULL },
	{ "ollama", 200, JSON, CHAT("\"\"", "length"), LI_REASK, "truncated" },
	{ "ollama", 200, JSON, CHAT("\"\",\"reasoning\":\"hm\"", "stop"), LI_RETRY, "empty_response" },
	{ "ollama", 200, JSON, "{\"error\":\"an error was encountered while running the model\"}", LI_RETRY, "provider_error" },

	/* llama.cpp */
	{ "llamacpp", 400, JSON, LLAMACPP_AND(400, "exceed_context_size_error", "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it", ",\"n_prompt_tokens\":9000,\"n_ctx\":4096"), LI_SHRINK, "context_length_exceeded" },
	{ "llamacpp", 500, JSON, LLAMACPP_AND(500, "exceed_context_size_error", "the request exceeds the available context size. try increasing the context size or enable context shift", ",\"n_prompt_tokens\":1407,\"n_ctx\":256"), LI_SHRINK, "context_length_exceeded" },
	{ "llamacpp", 400, JSON, LLAMACPP(400, "invalid_request_error", "Failed to parse grammar"), LI_FAIL, "bad_request" },
	{ "llamacpp", 401, JSON, LLAMACPP(401, "authentication_error", "Invalid API Key"), LI_OPEN, "invalid_api_key" },
	{ "llamacpp", 403, JSON, LLAMACPP(403, "permission_error", "This feature is disabled"), LI_OPEN, "permission_denied" },
	{ "llamacpp", 404, JSON, LLAMACPP(404, "not_found_error", "File Not Found"), LI_OPEN, "config_error" },
	{ "llamacpp", 404, JSON, LLAMACPP(404, "not_found_error", "model 'm-1' not found"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "llamacpp", 429, HTML, PAGE("429 Too Many Requests"), LI_DEFER, "rate_limited" },
	{ "llamacpp", 500, JSON, LLAMACPP(500, "server_error", "[json.exception.type_error.316] incomplete UTF-8 string; last byte: 0xE2"), LI_RETRY, "provider_error" },
	{ "llamacpp", 501, JSON, LLAMACPP(501, "not_supported_error", "This server does not support chat completions."), LI_FAIL, "bad_request" },
	{ "llamacpp", 503, JSON, LLAMACPP(503, "unavailable_error", "Loading model"), LI_DEFER, "overloaded", OVERLOAD },
	{ "llamacpp", 502, HTML, PAGE("502 Bad Gateway"), LI_RETRY, "provider_error" },
	{ "llamacpp", 413, "", "", LI_SHRINK, "context_length_exceeded" },
	{ "llamacpp", 302, HTML, PAGE("302 Found"), LI_FAIL, "config_error" },
	{ "llamacpp", 200, JSON, CHAT("\"{}\"", "stop"), LI_OK, NULL },
	{ "llamacpp", 200, JSON, CHAT("\"{\\\"a\"", "length"), LI_REASK, "truncated" },
	{ "llamacpp", 200, JSON, CHAT("\"\\u0000\"", "stop"), LI_REASK, "invalid_json" },
	{ "llamacpp", 200, JSON, CHAT("\"\\ud800\"", "stop"), LI_REASK, "invalid_json" },
	{ "llamacpp", 200, JSON, CHAT("\"\"", "stop"), LI_RETRY, "empty_response" },
	{ "llamacpp", 200, JSON, LLAMACPP(500, "server_error", "x"), LI_RETRY, "provider_error" },

	/* Anthropic */
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "messages: at least one message is required"), LI_FAIL, "bad_request" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "output_config.format.schema: For 'integer' type, property 'minimum' is not supported"), LI_FAIL, "bad_request" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum"), LI_SHRINK, "context_length_exceeded" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000, decrease input length or `max_tokens` and try again"), LI_SHRINK, "context_length_exceeded" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "Output blocked by content filtering policy"), LI_FAIL, "content_filtered" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC."), LI_OPEN, "quota_exhausted" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "You have reached your specified workspace API usage limits. You will regain access on 2027-01-01 at 00:00 UTC."), LI_OPEN, "quota_exhausted" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), LI_OPEN, "quota_exhausted" },
	{ "anthropic", 400, JSON, ANTHROPIC("invalid_request_error", "messages.0.content: your credit balance is too low, it says there"), LI_FAIL, "bad_request" },
	{ "anthropic", 401, JSON, ANTHROPIC("authentication_error", "invalid x-api-key"), LI_OPEN, "invalid_api_key" },
	{ "anthropic", 402, JSON, ANTHROPIC("billing_error", "There is an issue with your billing or payment information."), LI_OPEN, "quota_exhausted" },
	{ "anthropic", 403, JSON, ANTHROPIC("permission_error", "Your API key does not have permission to use the specified resource."), LI_OPEN, "permission_denied" },
	{ "anthropic", 403, JSON, "{\"error\":{\"type\":\"forbidden\",\"message\":\"Request not allowed\"}}", LI_OPEN, "permission_denied" },
	{ "anthropic", 404, JSON, ANTHROPIC("not_found_error", "model: m-1"), LI_OPEN, "model_not_found", BLOCKS_MODEL },
	{ "anthropic", 404, JSON, ANTHROPIC("not_found_error", "Not found"), LI_OPEN, "config_error" },
	{ "anthropic", 409, JSON, ANTHROPIC("conflict_error", "The request conflicts with another one."), LI_RETRY, "provider_error" },
	{ "anthropic", 413, JSON, ANTHROPIC("request_too_large", "Request exceeds the maximum size"), LI_SHRINK, "context_length_exceeded" },
	{ "anthropic", 429, JSON "retry-after: 17\r\n", ANTHROPIC("rate_limit_error", "This request would exceed your organization's rate limit of 50,000 input tokens per minute. Please reduce the prompt length or the maximum tokens requested, or try again later."), LI_DEFER, "rate_limited", 0, 17000 },
	{ "anthropic", 429, JSON "retry-after: 60\r\nanthropic-ratelimit-input-tokens-limit: 10\r\n", ANTHROPIC("rate_limit_error", "This request would exceed your organization's rate limit."), LI_SHRINK, "context_length_exceeded" },
	{ "anthropic", 429, JSON, "{\"type\":\"error\",\"error\":{\"details\":{\"error_code\":\"enforced_spend_limit_reached\"},\"type\":\"rate_limit_error\",\"message\":\"You have reached your API usage limits: your organization has crossed its monthly API usage threshold, set based on your organization's API tier. You will regain access on 2027-01-01 at 00:00 UTC.\"},\"request_id\":\"req_011\"}", LI_OPEN, "quota_exhausted" },
	{ "anthropic", 500, JSON "x-should-retry: true\r\n", ANTHROPIC("api_error", "Internal server error"), LI_RETRY, "provider_error" },
	{ "anthropic", 500, JSON "x-should-retry: false\r\n", ANTHROPIC("api_error", "Internal server error"), LI_RETRY, "provider_error", FINAL },
	{ "anthropic", 502, HTML, PAGE("502 Bad Gateway"), LI_RETRY, "provider_error" },
	{ "anthropic", 504, JSON, ANTHROPIC("timeout_error", "Request timed out"), LI_RETRY, "provider_error" },
	{ "anthropic", 520, HTML, PAGE("520: Web server is returning an unknown error"), LI_RETRY, "provider_error" },
	{ "anthropic", 529, JSON, ANTHROPIC("overloaded_error", "Overloaded"), LI_DEFER, "overloaded", OVERLOAD },
	{ "anthropic", 503, HTML, PAGE("503 Service Temporarily Unavailable"), LI_DEFER, "overloaded", OVERLOAD },
	{ "anthropic", 308, "Location: https://elsewhere.test/\r\n", "", LI_FAIL, "config_error" },
	{ "anthropic", 200, JSON, MESSAGE(TEXT("{}"), "end_turn"), LI_OK, NULL },
	{ "anthropic", 200, JSON, MESSAGE("", "refusal"), LI_FAIL, "refused" },
	{ "anthropic", 200, JSON, MESSAGE(TEXT("{"), "max_tokens"), LI_REASK, "truncated" },
	{ "anthropic", 200, JSON, MESSAGE("", "model_context_window_exceeded"), LI_SHRINK, "context_length_exceeded" },
	{ "anthropic", 200, JSON, MESSAGE("", "end_turn"), LI_RETRY, "empty_response" },
	{ "anthropic", 200, JSON, "", LI_RETRY, "empty_response" },
	{ "anthropic", 200, HTML, PAGE("Sign in"), LI_RETRY, "provider_error" },
	{ "anthropic", 200, JSON, MESSAGE(TEXT("\\ud800"), "end_turn"), LI_REASK, "invalid_json" },
	{ "anthropic", 200, JSON, ANTHROPIC("overloaded_error", "Overloaded"), LI_DEFER, "overloaded", OVERLOAD },
	{ "anthropic", 200, JSON, ANTHROPIC("api_error", "Internal server error"), LI_RETRY, "provider_error" },

	/* A hint to wait, in every form */
	{ "openai", 429, JSON "retry-after-ms: 1500\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, 1500 },
	{ "azure", 429, JSON "Retry-After: 9\r\nretry-after-ms: 250\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, 250 },
	{ "openai", 429, JSON "Retry-After: 20\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, 20000 },
	{ "anthropic", 429, JSON "retry-after: 1.5\r\n", ANTHROPIC("rate_limit_error", "x"), LI_DEFER, "rate_limited", 0, 1500 },
	{ "openai", 429, JSON "Retry-After: 0\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, NOW },
	{ "openai", 429, JSON "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, 30000 },
	{ "azure", 429, JSON "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sunday, 06-Nov-94 08:50:07 GMT\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "vllm", 429, JSON "Date: Tue, 24 Nov 2026 10:00:00 GMT\r\nRetry-After: Tuesday, 24-Nov-26 10:00:30 GMT\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, 30000 },
	{ "anthropic", 429, JSON "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun Nov  6 08:50:07 1994\r\n", ANTHROPIC("rate_limit_error", "x"), LI_DEFER, "rate_limited", 0, 30000 },
	{ "openai", 429, JSON "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:07 GMT\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON "Retry-After: -5\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON "retry-after-ms: -1\r\nRetry-After: 3\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", 0, 3000 },
	{ "openai", 429, JSON "Retry-After: 86401\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON "retry-after-ms: 86400001\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "ollama", 429, JSON "Retry-After: soon\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "llamacpp", 429, JSON "Retry-After:\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON "x-ratelimit-reset-requests: 6m0s\r\nx-ratelimit-reset-tokens: 12ms\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited" },
	{ "anthropic", 429, JSON "anthropic-ratelimit-requests-reset: 2026-11-24T10:00:00Z\r\n", ANTHROPIC("rate_limit_error", "x"), LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON "Retry-After: 2\r\nx-should-retry: false\r\n", OPENAI("rate_limit_exceeded", "requests", "x"), LI_DEFER, "rate_limited", FINAL, 2000 },
	{ "openai", 401, JSON "Retry-After: 2\r\nx-should-retry: true\r\n", OPENAI("invalid_api_key", "invalid_request_error", "x"), LI_OPEN, "invalid_api_key" },
	{ "openai", 400, JSON "Retry-After: 2\r\nx-should-retry: true\r\n", OPENAI("unsupported_value", "invalid_request_error", "x"), LI_FAIL, "bad_request" },
	{ "openai", 502, HTML "Retry-After: 4\r\n", PAGE("502 Bad Gateway"), LI_RETRY, "provider_error", 0, 4000 },
	{ "openai", 503, "Retry-After: 120\r\n", "", LI_DEFER, "overloaded", OVERLOAD, 120000 },

	/* Members of any type, and none */
	{ "openai", 429, JSON, "{\"error\":null}", LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON, "{\"error\":[]}", LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON, "{\"error\":\"Too many requests\"}", LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON, "{\"error\":{\"code\":{},\"type\":[],\"param\":true,\"message\":5,\"details\":7}}", LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON, "{\"error\":{\"code\":429,\"type\":null}}", LI_DEFER, "rate_limited" },
	{ "openai", 429, JSON, "[]", LI_DEFER, "rate_limited" },
	{ "openai", 401, JSON, "{\"error\":{\"message\":\"\\u0000\"}}", LI_OPEN, "invalid_api_key" },
	{ "openai", 500, JSON, "{", LI_RETRY, "provider_error" },
	{ "openai", 400, "", "", LI_FAIL, "bad_request" },
	{ "azure", 429, JSON, "{\"error\":null}", LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON, "{\"error\":[]}", LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON, "{\"error\":\"Too many requests\"}", LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON, "{\"error\":{\"code\":{},\"type\":[],\"param\":true,\"message\":5,\"details\":7}}", LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON, "{\"error\":{\"code\":429,\"type\":null}}", LI_DEFER, "rate_limited" },
	{ "azure", 429, JSON, "[]", LI_DEFER, "rate_limited" },
	{ "azure", 401, JSON, "{\"error\":{\"message\":\"\\u0000\"}}", LI_OPEN, "invalid_api_key" },
	{ "azure", 500, JSON, "{", LI_RETRY, "provider_error" },
	{ "azure", 400, "", "", LI_FAIL, "bad_request" },
	{ "anthropic", 429, JSON, "{\"error\":null}", LI_DEFER, "rate_limited" },
	{ "anthropic", 429, JSON, "{\"error\":[]}", LI_DEFER, "rate_limited" },
	{ "anthropic", 429, JSON, "{\"error\":\"Too many requests\"}", LI_DEFER, "rate_limited" },
	{ "anthropic", 429, JSON, "{\"error\":{\"code\":{},\"type\":[],\"param\":true,\"message\":5,\"details\":7}}", LI_DEFER, "rate_limited" },
	{ "anthropic", 429, JSON, "{\"error\":{\"code\":429,\"type\":null}}", LI_DEFER, "rate_limited" },
	{ "anthropic", 429, JSON, "[]", LI_DEFER, "rate_limited" },
	{ "anthropic", 401, JSON, "{\"error\":{\"message\":\"\\u0000\"}}", LI_OPEN, "invalid_api_key" },
	{ "anthropic", 500, JSON, "{", LI_RETRY, "provider_error" },
	{ "anthropic", 400, "", "", LI_FAIL, "bad_request" },
};

static const char *const class_names[] = {
	"ok", "retry", "defer", "open", "fail", "reask", "shrink"
};

static const struct
{
	const char *name;
	const LiProvider *provider;
} dialects[] = {
	{ "openai", &li_provider_openai },
	{ "azure", &li_provider_azure },
	{ "vllm", &li_provider_openai },
	{ "ollama", &li_provider_openai },
	{ "llamacpp", &li_provider_openai },
	{ "anthropic", &li_provider_anthropic },
};

static const LiEndpoint endpoint = { .base_url = "https://models.test/v1", .key = "fictional" };
static const LiAsk question = {
	.system_text = "You judge profiles.",
	.user_text = { "Rate this person for the role of CTO.",
				   "Ada Example, engineer at Example Works since 2011" },
	.model = "m-1"
};

static int
dialect_of(int row)
{
	int			i = 0;

	while (strcmp(dialects[i].name, matrix[row].dialect) != 0)
		i++;
	return i;
}

static void
read_response(int dialect, const LiHttpResponse *response, LiAnswer *answer)
{
	dialects[dialect].provider->read(&endpoint, response, &question, answer);
}

/* A message that may be kept: one line, of a bearable length, without the key. */
static bool
is_message(const char *message)
{
	return message != NULL && message[0] != '\0' && strlen(message) <= 300 &&
		   strpbrk(message, "\r\n") == NULL && strstr(message, endpoint.key) == NULL;
}

static void
check_row(int row)
{
	LiHttpResponse response = { .status = matrix[row].status };
	int			wait = matrix[row].wait > 0 ? matrix[row].wait : -1;
	LiAnswer	answer;
	LiOutcome  *o = &answer.outcome;
	bool		passed;
	int			flags;

	if (matrix[row].wait == NOW)
		wait = 0;
	response.headers = matrix[row].headers;
	response.headers_len = strlen(response.headers);
	response.body = matrix[row].body;
	response.body_len = strlen(response.body);
	read_response(dialect_of(row), &response, &answer);
	flags = (o->blocks_model ? BLOCKS_MODEL : 0) | (o->overload ? OVERLOAD : 0) |
			(o->final ? FINAL : 0) | (o->slow_down ? SLOW_DOWN : 0);

	passed = o->class == matrix[row].class && flags == matrix[row].flags &&
			 o->retry_after_ms == wait;
	if (o->class == LI_OK)
		passed &= answer.content != NULL && o->code == NULL;
	else
		passed &= answer.content == NULL && strcmp(o->code, matrix[row].code) == 0 &&
			is_message(o->message);
	ok(passed, "%s %d %.90s: %s %s", matrix[row].dialect, matrix[row].status,
	   matrix[row].body[0] == '<' ? "HTML" : matrix[row].body,
	   class_names[matrix[row].class], matrix[row].code ? matrix[row].code : "");
	if (!passed)
		printf("#   row %d: got %s %s, flags %d, wait %lld: %s\n", row, class_names[o->class],
			   o->code ? o->code : "(null)", flags, (long long) o->retry_after_ms,
			   o->message ? o->message : "(null)");
}

/* What happens below HTTP is the same for all. */
static void
check_transport(void)
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

	for (int d = 0; d < (int) lengthof(dialects); d++)
	{
		for (int i = 0; i < (int) lengthof(cases); i++)
		{
			LiHttpResponse response = { .error = cases[i].error, .message = "x" };
			LiAnswer	answer;

			response.headers = response.body = "";
			read_response(d, &response, &answer);
			ok(answer.outcome.class == cases[i].class &&
				   strcmp(answer.outcome.code, cases[i].code) == 0,
			   "%s: transport error %d", dialects[d].name, cases[i].error);
		}
	}
}

int
main(void)
{
	int			rows[lengthof(dialects)][LI_SHRINK + 1] = { { 0 } };

	for (int i = 0; i < (int) lengthof(matrix); i++)
	{
		check_row(i);
		rows[dialect_of(i)][matrix[i].class]++;
	}
	check_transport();
	for (int d = 0; d < (int) lengthof(dialects); d++)
	{
		for (int c = LI_OK; c <= LI_SHRINK; c++)
			ok(rows[d][c] > 0, "%s: the matrix has %d rows of class %s", dialects[d].name,
			   rows[d][c], class_names[c]);
	}
	return done_testing();
}
