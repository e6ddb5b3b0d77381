/*-------------------------------------------------------------------------
 *
 * answer.c
 *		Judging what a model has answered.
 *
 * An answer is text from outside: it is read by jansson, held to the schema
 * that was sent, and only then believed.  Two things are forgiven.  Criteria
 * that were left out are filled in as unscored and counted, for the caller to
 * decide whether to ask again.  A total of the model's own is taken out and
 * kept aside: the database does the sums.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include <math.h>

#include "json.h"
#include "score/answer.h"
#include "score/compatibility.h"
#include "score/schema.h"

/* Under these names models give totals that nobody asked for. */
static const char *const total_names[] = {"overall_score", "total_score", "total"};

/* The text inside a code fence, or all of it; no copy. */
static const char *
inside_fence(const char *text, size_t *len)
{
	const char *from = text;
	const char *to;

	if (strncmp(from, "\xef\xbb\xbf", 3) == 0)
		from += 3;
	from += strspn(from, " \t\r\n");
	to = from + strlen(from);
	while (to > from && strchr(" \t\r\n", to[-1]) != NULL)
		to--;
	if (to - from >= 6 && strncmp(from, "```", 3) == 0 && strncmp(to - 3, "```", 3) == 0)
	{
		const char *line_end = strpbrk(from, "\n{");

		if (line_end != NULL && line_end < to - 3)
		{
			from = line_end;
			to -= 3;
		}
	}
	*len = to - from;
	return from;
}

/* "number" as numeric text with at most 4 decimals, and in place as such. */
static const char *
number_text(const json_t *number)
{
	if (json_is_integer(number))
		return psprintf("%lld", (long long) json_integer_value(number));
	return psprintf("%.15g", rint(json_real_value(number) * 10000) / 10000);
}

static const char *
take_total(json_t *root)
{
	const char *total = NULL;

	for (int i = 0; i < lengthof(total_names); i++)
	{
		json_t	   *number = json_object_get(root, total_names[i]);

		if (!json_is_number(number))
			continue;
		if (total == NULL)
			total = number_text(number);
		json_object_del(root, total_names[i]);
	}
	return total;
}

/* Fills in the criteria that were left out. */
static void
fill_missing(const LiAnswerForm *form, json_t *criteria, LiJudgement *judgement)
{
	for (int i = 0; i < form->n_keys; i++)
	{
		if (json_object_get(criteria, form->keys[i]) != NULL)
			continue;
		if (judgement->missing++ == 0)
			judgement->missing_path = psprintf("criteria.%s", form->keys[i]);
		json_object_set_new(criteria, form->keys[i],
							json_pack("{s:n,s:s,s:[]}", "score", "justification", "", "evidence"));
	}
}

/*
 * Adds to "holder" (a criterion, or a role's rating) where each of its quotes
 * was found, and whether one of them counts; returns that.
 */
static bool
ground(json_t *holder, LiEvidence *evidence)
{
	json_t	   *quotes = json_object_get(holder, "evidence");
	json_t	   *list = json_array();
	bool		grounded = false;
	size_t		index;
	json_t	   *quote;

	json_object_set_new(holder, "grounding", list);
	json_array_foreach(quotes, index, quote)
	{
		LiGrounding g;
		json_t	   *place;

		li_evidence_find(evidence, json_string_value(quote), &g);
		if (g.match == LI_MATCH_ABSENT)
			place = json_pack("{s:s,s:n,s:n}",
							  "match", li_match_name(g.match), "start", "end");
		else
			place = json_pack("{s:s,s:i,s:i}", "match", li_match_name(g.match),
							  "start", g.start, "end", g.end);
		json_array_append_new(list, place);
		grounded |= g.counts;
	}
	json_object_set_new(holder, "grounded", json_boolean(grounded));
	return grounded;
}

static void
judge_rubric(const LiAnswerForm *form, json_t *root, LiEvidence *evidence,
			 LiJudgement *judgement)
{
	json_t	   *criteria = json_object_get(root, "criteria");

	judgement->scores = palloc0(form->n_keys * sizeof(char *));
	for (int i = 0; i < form->n_keys; i++)
	{
		json_t	   *criterion = json_object_get(criteria, form->keys[i]);
		json_t	   *score = json_object_get(criterion, "score");
		bool		grounded = ground(criterion, evidence);

		if (json_is_null(score))
		{
			judgement->unscored = true;
			continue;
		}
		judgement->ungrounded |= !grounded;
		judgement->scores[i] = number_text(score);
		if (json_is_real(score))
		{
			double		value = strtod(judgement->scores[i], NULL);

			json_object_set_new(criterion, "score",
								rint(value) == value ? json_integer((json_int_t) value) :
								json_real(value));
		}
	}
}

static void
judge_compatibility(const LiAnswerForm *form, json_t *root, LiEvidence *evidence,
					LiJudgement *judgement)
{
	json_t	   *roles = json_object_get(root, "roles");
	const char *role;
	json_t	   *rating;

	judgement->recommended_role = li_compatibility_recommend(form->roles, form->n_roles, root);
	json_object_foreach(roles, role, rating)
	{
		bool		grounded = ground(rating, evidence);

		/* no evidence is needed that a role does not fit */
		if (!grounded &&
			json_number_value(json_object_get(rating, "confidence")) >= LI_COMPATIBILITY_GATE)
			judgement->ungrounded = true;
	}
}

/* An object's own overall_score, if it is one. */
static const char *
own_overall(const json_t *root)
{
	const json_t *score = json_object_get(root, "overall_score");

	if (!json_is_number(score) ||
		!(json_number_value(score) >= 0 && json_number_value(score) <= 100))
		return NULL;
	return number_text(score);
}

static void
refuse(LiJudgement *judgement, const char *fault, const char *path)
{
	li_json_free(judgement->answer);
	judgement->answer = NULL;
	judgement->fault = fault;
	judgement->path = path;
}

void
li_answer_judge(const LiAnswerForm *form, const char *content, LiEvidence *evidence,
				LiJudgement *judgement)
{
	LiJson	   *schema;
	json_t	   *root;
	size_t		len;
	char	   *path = NULL;
	bool		accepted;

	memset(judgement, 0, sizeof(*judgement));
	content = inside_fence(content, &len);
	judgement->answer = li_json_parse(content, len, NULL);
	if (judgement->answer == NULL)
	{
		refuse(judgement, "invalid_json", "");
		return;
	}
	root = judgement->answer->root;
	if (!json_is_object(root))
	{
		refuse(judgement, "schema_violation", "");
		return;
	}

	if (form->kind == LI_ANSWER_RUBRIC)
	{
		json_t	   *criteria = json_object_get(root, "criteria");

		judgement->model_total = take_total(root);
		if (json_is_object(criteria))
			fill_missing(form, criteria, judgement);
		if (judgement->missing == form->n_keys)
		{
			refuse(judgement, "schema_violation", "criteria");
			return;
		}
	}
	if (form->kind != LI_ANSWER_OBJECT)
	{
		schema = li_json_parse(form->schema, strlen(form->schema), NULL);
		accepted = schema != NULL && li_schema_accepts(schema->root, root, &path);
		li_json_free(schema);
		if (!accepted)
		{
			refuse(judgement, "schema_violation", path != NULL ? path : "");
			return;
		}
	}

	switch (form->kind)
	{
		case LI_ANSWER_RUBRIC:
			judge_rubric(form, root, evidence, judgement);
			break;
		case LI_ANSWER_COMPATIBILITY:
			judge_compatibility(form, root, evidence, judgement);
			break;
		case LI_ANSWER_OBJECT:
		case LI_ANSWER_SCHEMA:
			judgement->overall = own_overall(root);
			break;
	}
}
