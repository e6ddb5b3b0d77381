/*-------------------------------------------------------------------------
 *
 * result.c
 *		A judged answer as it is stored.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "json.h"
#include "score/result.h"

static json_t *
text_or_null(const char *text)
{
	return text != NULL ? json_string(text) : json_null();
}

static json_t *
tokens_or_null(int tokens)
{
	return tokens >= 0 ? json_integer(tokens) : json_null();
}

/* Nothing here throws: the object is nobody's until it is returned. */
static json_t *
metadata(const LiJudgement *judgement, const LiResultFacts *facts)
{
	bool		both = facts->prompt_tokens >= 0 && facts->completion_tokens >= 0;
	json_t	   *object;

	object = json_pack("{s:o,s:o,s:o,s:o,s:o,s:s}",
					   "model_used", text_or_null(facts->model),
					   "prompt_tokens", tokens_or_null(facts->prompt_tokens),
					   "completion_tokens", tokens_or_null(facts->completion_tokens),
					   "tokens_used",
					   both ? json_integer((json_int_t) facts->prompt_tokens +
										   facts->completion_tokens) : json_null(),
					   "finish_reason", text_or_null(facts->finish_reason),
					   "timestamp", facts->timestamp);
	if (judgement->model_total != NULL)
		json_object_set_new(object, "model_total", json_real(strtod(judgement->model_total, NULL)));
	if (facts->n_shortened > 0)
	{
		json_t	   *list = json_array();

		for (int i = 0; i < facts->n_shortened; i++)
			json_array_append_new(list, json_pack("{s:s,s:i,s:i}",
												  "part", facts->shortened[i].part,
												  "characters", facts->shortened[i].length,
												  "kept", facts->shortened[i].kept));
		json_object_set_new(object, "shortened", list);
	}
	if (facts->n_injection > 0)
	{
		json_t	   *list = json_array();

		for (int i = 0; i < facts->n_injection; i++)
			json_array_append_new(list, json_string(facts->injection[i]));
		json_object_set_new(object, "injection", list);
	}
	return object;
}

char *
li_result_write(const LiJudgement *judgement, const LiResultFacts *facts)
{
	json_t	   *root = judgement->answer->root;

	if (json_object_set_new(root, "_metadata", metadata(judgement, facts)) != 0)
		return NULL;
	return li_json_dump_compact(root);
}
