/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		What a failed call means: one table for all dialects.
 *
 * The error's code decides before its type, and both before the status: "no
 * money" and "slow down" are the same 429, and the first must stop the account
 * while the second only delays it.  Codes are matched exactly.  An unknown one
 * leaves it to the status, and so stays retryable where that is: to end a job
 * for a mere rate limit is the worse mistake.
 *
 * A message decides only where a server has no code for the case, and only by
 * how it begins where that blocks an account: what comes later may quote a
 * prompt, and a profile must not be able to say that we are out of money.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "llm/outcome.h"
#include "llm/rates.h"
#include "llm/redact.h"
#include "llm/retry.h"

/* What the message of an outcome is made of. */
typedef enum Wording
{
	PROVIDERS,					/* the provider's message, made safe */
	OURS						/* ours: the provider's may quote the question */
} Wording;

typedef struct Verdict
{
	const char *word;			/* the error's code or type */
	LiClass		class;
	const char *code;
	const char *message;		/* when the provider's is not there or not used */
	Wording		wording;
	bool		blocks_model;
	bool		overload;
	bool		slow_down;
} Verdict;

#define NO_MONEY "the account has no quota left"
#define BAD_KEY "the provider does not accept the key"
#define NO_PERMISSION "the account may not do this"
#define NO_MODEL "the provider does not know the model"
#define REFUSED "the provider refused the request"
#define TOO_LONG "the request is too long for the model"
#define FILTERED "the provider's content filter refused the request"
#define TOO_FAST "the account's rate limit is reached"
#define TOO_BUSY "the provider is overloaded"
#define NEVER_FITS "the request alone exceeds the account's limit per minute"

/* Words of OpenAI and Azure, Anthropic, vLLM and llama.cpp. */
static const Verdict verdicts_by_word[] = {
	{ "insufficient_quota", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "credit_balance_exhausted", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "organization_spend_limit_exceeded", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "project_spend_limit_exceeded", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "organization_usage_limit_exceeded", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "billing_hard_limit_reached", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "billing_not_active", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "billing_error", LI_OPEN, "quota_exhausted", NO_MONEY },
	{ "enforced_spend_limit_reached", LI_OPEN, "quota_exhausted", NO_MONEY },

	{ "content_filter", LI_FAIL, "content_filtered", FILTERED, OURS },
	{ "content_policy_violation", LI_FAIL, "content_filtered", FILTERED, OURS },
	{ "invalid_prompt", LI_FAIL, "content_filtered", FILTERED, OURS },

	{ "invalid_api_key", LI_OPEN, "invalid_api_key", BAD_KEY },
	{ "authentication_error", LI_OPEN, "invalid_api_key", BAD_KEY },
	{ "permission_error", LI_OPEN, "permission_denied", NO_PERMISSION },
	{ "PermissionDenied", LI_OPEN, "permission_denied", NO_PERMISSION },

	{ "model_not_found", LI_OPEN, "model_not_found", NO_MODEL, PROVIDERS, true },
	{ "DeploymentNotFound", LI_OPEN, "model_not_found", NO_MODEL, PROVIDERS, true },

	{ "context_length_exceeded", LI_SHRINK, "context_length_exceeded", TOO_LONG },
	{ "exceed_context_size_error", LI_SHRINK, "context_length_exceeded", TOO_LONG },
	{ "request_too_large", LI_SHRINK, "context_length_exceeded", TOO_LONG },
	{ "string_above_max_length", LI_SHRINK, "context_length_exceeded", TOO_LONG },

	{ "not_supported_error", LI_FAIL, "bad_request", REFUSED },

	{ "slow_down", LI_DEFER, "rate_limited", TOO_FAST, .overload = true, .slow_down = true },
	{ "rate_limit_exceeded", LI_DEFER, "rate_limited", TOO_FAST },
	{ "rate_limit_error", LI_DEFER, "rate_limited", TOO_FAST },

	{ "server_is_overloaded", LI_DEFER, "overloaded", TOO_BUSY, .overload = true },
	{ "service_unavailable_error", LI_DEFER, "overloaded", TOO_BUSY, .overload = true },
	{ "overloaded_error", LI_DEFER, "overloaded", TOO_BUSY, .overload = true },
	{ "engine_overloaded", LI_DEFER, "overloaded", TOO_BUSY, .overload = true },
	{ "unavailable_error", LI_DEFER, "overloaded", TOO_BUSY, .overload = true },
	{ "NoCapacity", LI_DEFER, "overloaded", TOO_BUSY, .overload = true }
};

static const Verdict *
verdict_by_word(const char *word)
{
	for (int i = 0; word != NULL && i < (int) lengthof(verdicts_by_word); i++)
	{
		if (strcmp(verdicts_by_word[i].word, word) == 0)
			return &verdicts_by_word[i];
	}
	return NULL;
}

static Verdict
verdict_by_status(int status)
{
	switch (status)
	{
		case 401:
			return (Verdict){ NULL, LI_OPEN, "invalid_api_key", BAD_KEY };
		case 402:
			return (Verdict){ NULL, LI_OPEN, "quota_exhausted", NO_MONEY };
		case 403:
			return (Verdict){ NULL, LI_OPEN, "permission_denied", NO_PERMISSION };
		case 404:
			return (Verdict){ NULL, LI_OPEN, "config_error",
							  "the endpoint has no such path: is base_url right?" };
		case 408:
			return (Verdict){ NULL, LI_RETRY, "timeout", "the provider gave up waiting" };
		case 409:
			return (Verdict){ NULL, LI_RETRY, "provider_error",
							  "the provider reports a conflict" };
		case 413:
			return (Verdict){ NULL, LI_SHRINK, "context_length_exceeded", TOO_LONG };
		case 429:
			return (Verdict){ NULL, LI_DEFER, "rate_limited", TOO_FAST };
		case 503:
		case 529:
			return (Verdict){ NULL, LI_DEFER, "overloaded", TOO_BUSY,
							  .overload = true };
		default:
			break;
	}
	if (status >= 500)
		return (Verdict){ NULL, LI_RETRY, "provider_error",
						  "the provider failed" };
	if (status < 400)
		return (Verdict){ NULL, LI_FAIL, "config_error",
						  "the endpoint answers with a redirect, which is not followed", OURS };
	return (Verdict){ NULL, LI_FAIL, "bad_request", REFUSED };
}

/* Case-insensitive search, which <string.h> has not everywhere. */
static const char *
find_words(const char *text, const char *words)
{
	size_t		len = strlen(words);

	for (; text != NULL && *text != '\0'; text++)
	{
		if (pg_strncasecmp(text, words, len) == 0)
			return text;
	}
	return NULL;
}

/* The first number that follows the word at once; -1: there is none. */
static double
number_after(const char *text, const char *word)
{
	const char *at = text;

	while ((at = find_words(at, word)) != NULL)
	{
		at += strlen(word);
		at += strspn(at, " :");
		if (*at >= '0' && *at <= '9')
			return strtod(at, NULL);
	}
	return -1;
}

static bool
begins(const char *text, const char *words)
{
	return text != NULL && pg_strncasecmp(text, words, strlen(words)) == 0;
}

/*
 * What only the message tells: servers that have no codes, and the rate limit
 * that one request alone exceeds, which no wait can mend.
 */
static const Verdict *
verdict_by_message(const LiErrorReply *reply)
{
	static const Verdict never_fits = { NULL, LI_SHRINK, "context_length_exceeded", NEVER_FITS };
	static const Verdict too_long = { NULL, LI_SHRINK, "context_length_exceeded",
									  TOO_LONG };
	static const Verdict no_model = { NULL, LI_OPEN, "model_not_found", NO_MODEL,
									  PROVIDERS, true };
	static const Verdict no_money = { NULL, LI_OPEN, "quota_exhausted", NO_MONEY };
	static const Verdict filtered = { NULL, LI_FAIL, "content_filtered", FILTERED, OURS };
	double		limit;

	switch (reply->status)
	{
		case 429:
			if (find_words(reply->message, "request too large") != NULL)
				return &never_fits;
			limit = number_after(reply->message, "limit");
			if (limit >= 0 && number_after(reply->message, "requested") > limit)
				return &never_fits;
			return NULL;
		case 400:
			if (reply->param != NULL && strcmp(reply->param, "input_tokens") == 0)
				return &too_long;
			if (find_words(reply->message, "maximum context length") != NULL)
				return &too_long;
			/* Anthropic has one type for every 400 */
			if (begins(reply->message, "prompt is too long") ||
				begins(reply->message, "input length and `max_tokens` exceed context limit"))
				return &too_long;
			if (begins(reply->message, "output blocked by content filtering policy"))
				return &filtered;
			if (begins(reply->message, "you have reached your specified api usage limits") ||
				begins(reply->message, "you have reached your specified workspace api usage limits") ||
				begins(reply->message, "your credit balance is too low"))
				return &no_money;
			return NULL;
		case 404:
			if (find_words(reply->message, "model") != NULL)
				return &no_model;
			return NULL;
		default:
			return NULL;
	}
}

/*
 * Has the question surely more tokens than the response says may be sent in a
 * minute?  Six characters to a token are more than any language has; the answer,
 * which some count too, is left out.
 */
static bool
exceeds_limit(const LiHttpResponse *response, const LiAsk *ask)
{
	LiRates		rates = li_rates_of_headers(response->headers, response->headers_len);
	int64		characters = 0;

	for (int i = 0; i < 3 && ask != NULL; i++)
	{
		const char *text = i == 0 ? ask->system_text : ask->user_text[i - 1];

		for (const char *p = text; p != NULL && *p != '\0'; p++)
			characters += (*p & 0xC0) != 0x80;
	}
	return rates.tokens > 0 && characters / 6 > rates.tokens;
}

LiOutcome
li_outcome(LiClass class, const char *code, const char *message)
{
	LiOutcome	outcome = {
		.class = class, .code = code, .message = message, .retry_after_ms = -1
	};

	return outcome;
}

/* Adds what the headers say about a retry. */
static void
add_hints(LiOutcome *outcome, const LiHttpResponse *response)
{
	if (outcome->class != LI_RETRY && outcome->class != LI_DEFER)
		return;
	outcome->retry_after_ms = li_retry_after_ms(response->headers,
												response->headers_len);
	outcome->final = li_retry_forbidden(response->headers, response->headers_len);
}

LiOutcome
li_outcome_of_error(const LiErrorReply *reply, const LiHttpResponse *response,
					const LiEndpoint *endpoint, const LiAsk *ask)
{
	const Verdict *by_code = verdict_by_word(reply->code);
	const Verdict *by_type = verdict_by_word(reply->type);
	const Verdict *by_message = verdict_by_message(reply);
	Verdict		verdict = verdict_by_status(reply->status);
	LiOutcome	outcome;
	char	   *message = NULL;

	/* "no money" may stand in either place, and wins */
	if (by_type != NULL && strcmp(by_type->word, "insufficient_quota") == 0)
		verdict = *by_type;
	else if (by_code != NULL && by_code->class == LI_OPEN)
		verdict = *by_code;
	else if (by_message != NULL)
		verdict = *by_message;
	else if (by_code != NULL)
		verdict = *by_code;
	else if (by_type != NULL)
		verdict = *by_type;

	if (reply->status == 429 && verdict.class == LI_DEFER && exceeds_limit(response, ask))
		verdict = (Verdict){ NULL, LI_SHRINK, "context_length_exceeded", NEVER_FITS, OURS };

	if (verdict.wording == PROVIDERS && reply->message != NULL)
		message = li_safe_message(reply->message, endpoint, ask);
	if (message == NULL)
		message = psprintf("%s (HTTP status %d)", verdict.message, response->status);

	outcome = li_outcome(verdict.class, verdict.code, message);
	outcome.blocks_model = verdict.blocks_model;
	outcome.overload = verdict.overload;
	outcome.slow_down = verdict.slow_down;
	add_hints(&outcome, response);
	return outcome;
}

LiOutcome
li_outcome_of_transport(const LiHttpResponse *response)
{
	LiOutcome	outcome = li_outcome(LI_RETRY, "connection_failed", NULL);

	/* the status of an error says enough without its body */
	if (response->status >= 300 && response->error != LI_HTTP_OK)
	{
		Verdict		verdict = verdict_by_status(response->status);

		outcome = li_outcome(verdict.class, verdict.code,
							 psprintf("%s (HTTP status %d)", verdict.message,
									  response->status));
		outcome.overload = verdict.overload;
		add_hints(&outcome, response);
		return outcome;
	}

	switch (response->error)
	{
		case LI_HTTP_OK:
		case LI_HTTP_RESOLVE_TEMPORARY:
		case LI_HTTP_CONNECT:
		case LI_HTTP_CUT:
			break;
		case LI_HTTP_RESOLVE_UNKNOWN:
			outcome.class = LI_OPEN;
			break;
		case LI_HTTP_ADDRESS_REFUSED:
		case LI_HTTP_BAD_REQUEST:
			outcome.class = LI_OPEN;
			outcome.code = "config_error";
			break;
		case LI_HTTP_TLS_HANDSHAKE:
			outcome.code = "tls_failed";
			break;
		case LI_HTTP_TLS_CERTIFICATE:
			outcome.class = LI_OPEN;
			outcome.code = "tls_failed";
			break;
		case LI_HTTP_TIMEOUT:
			outcome.code = "timeout";
			break;
		case LI_HTTP_TOO_LARGE:
			outcome.class = LI_FAIL;
			outcome.code = "response_too_large";
			break;
	}
	outcome.message = pstrdup(response->message);
	return outcome;
}
