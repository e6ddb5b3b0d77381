/*-------------------------------------------------------------------------
 *
 * models.c
 *		Asking a provider which models it has.
 *
 * All dialects answer GET BASE/models with {"data": [{"id": ...}]}.  OpenAI
 * adds to each model a "shutdown_date", YYYY-MM-DD or null; the others give no
 * date.  Whatever authenticates a question authenticates this request too, so
 * its headers are those of a question: a dialect need not know of it.
 *
 * An entry that is no model we could have a row for (its id is not printable
 * ASCII of at most 200 bytes, as llm_models demands) is left out, a date that
 * is none counts as none: one odd entry must not hide the rest.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "json.h"
#include "llm/models.h"
#include "llm/outcome.h"
#include "llm/redact.h"
#include "llm/reply.h"
#include "llm/request.h"

const char *
li_models_build(const LiProvider *dialect, const LiEndpoint *endpoint, LiHttpRequest *request)
{
	const LiAsk question = {
		.model = "-", .user_text = { "-", NULL }, .max_tokens = 1, .token_parameter = "max_tokens"
	};
	const char *fault = dialect->build(endpoint, &question, request);
	const char *query;

	if (fault != NULL)
		return fault;
	/* a version that the dialect puts into the URL belongs to this one too */
	query = strchr(request->url, '?');
	/* Anthropic lists 20 at a time unless asked for more, and never more than this */
	if (strcmp(dialect->kind, "anthropic") == 0)
		query = "?limit=1000";
	request->url = psprintf("%s%s", li_request_url(endpoint, "/models"),
							query != NULL ? query : "");
	request->body = NULL;
	request->body_len = 0;
	return NULL;
}

/* As llm_models.model: 1 to 200 printable ASCII characters, no blanks. */
static bool
is_id(const char *text)
{
	size_t		len = strlen(text);

	for (size_t i = 0; i < len; i++)
	{
		if (text[i] < '!' || text[i] > '~')
			return false;
	}
	return len > 0 && len <= LI_MAX_NAME_BYTES;
}

/* Two decimal digits as a number; -1: they are none. */
static int
two_digits(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return (text[0] - '0') * 10 + text[1] - '0';
}

/* YYYY-MM-DD of this millennium, and a day that there is? */
static bool
is_date(const char *text)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int			year;
	int			month;
	int			day;

	if (strlen(text) != 10 || text[0] != '2' || text[4] != '-' || text[7] != '-' ||
		two_digits(text) < 0 || two_digits(text + 2) < 0)
		return false;
	year = two_digits(text) * 100 + two_digits(text + 2);
	month = two_digits(text + 5);
	day = two_digits(text + 8);
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
		return false;
	return month != 2 || day < 29 ||
		   (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

static LiOutcome
read_list(const json_t *root, StringInfo lines)
{
	const json_t *data = json_object_get(root, "data");
	size_t		i;
	json_t	   *entry;

	if (!json_is_array(data))
		return li_outcome(LI_RETRY, "provider_error",
						  "the provider's reply is no list of models");
	json_array_foreach (data, i, entry)
	{
		const char *id = json_string_value(json_object_get(entry, "id"));
		const char *date = json_string_value(json_object_get(entry, "shutdown_date"));

		if (id == NULL || !is_id(id))
			continue;
		appendStringInfo(lines, "%s\t%s\n", id, date != NULL && is_date(date) ? date : "");
	}
	return li_outcome(LI_OK, NULL, NULL);
}

/* The reply's own message is left out: it may say anything. */
static LiOutcome
read_error(const LiHttpResponse *response)
{
	LiJson	   *json = li_json_parse(response->body, response->body_len, NULL);
	const json_t *error = json != NULL ? json_object_get(json->root, "error") : NULL;
	LiErrorReply reply = {
		.status = response->status,
		.code = json_string_value(json_object_get(error, "code")),
		.type = json_string_value(json_object_get(error, "type"))
	};
	LiOutcome	outcome = li_outcome_of_error(&reply, response, NULL, NULL);

	li_json_free(json);
	return outcome;
}

LiOutcome
li_models_read(const LiHttpResponse *response, StringInfo lines)
{
	LiAnswer	answer;
	LiJson	   *json;

	if (response->error != LI_HTTP_OK)
		return li_outcome_of_transport(response);
	if (response->status >= 300)
		return read_error(response);

	li_reply_begin(&answer, response);
	json = li_reply_object(&answer, response);
	if (json == NULL)
		return answer.outcome;
	answer.outcome = read_list(json->root, lines);
	li_json_free(json);
	return answer.outcome;
}
