/*-------------------------------------------------------------------------
 *
 * task.c
 *		Scoring, as the engine sees it.
 *
 * open() reads template and profile and renders the three messages; read()
 * judges the answer and does the sums.  Between the two lies a call of seconds
 * or minutes without a transaction, so the job's state holds all that read()
 * needs, re-asking and shortening included, and refers to no cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "score/answer.h"
#include "score/cache_key.h"
#include "score/compatibility.h"
#include "score/evidence.h"
#include "score/injection.h"
#include "score/load.h"
#include "score/prompt.h"
#include "score/question.h"
#include "score/result.h"
#include "score/samples.h"
#include "score/task.h"
#include "settings.h"

#define LOW_INFORMATION	200		/* characters of substance */
#define MAX_REASKS		2		/* for invalid JSON or a broken schema */
#define SHRINK_PERCENT	75

/* Why a result needs a person's look; room for all and the final NULL. */
#define MAX_REASONS		6

typedef struct ScoringState
{
	const LiQuestion *opened;	/* never shortened: samples start with it */
	LiQuestion *question;		/* as asked now; of its own once it is shortened */
	LiAnswerForm form;
	const char **weights;		/* LI_ANSWER_RUBRIC: per key */
	const char *temperature;
	const char *cache_key;
	int			first_max_tokens;
	int			max_tokens;
	int			max_output_tokens;	/* of the model; 0: not known */
	LiEvidence *evidence;		/* over the profile text of the latest call */

	int			reasks;			/* for invalid JSON or a broken schema */
	bool		asked_missing;	/* for criteria left out */
	bool		asked_longer;	/* after truncation */
	bool		shrunk;			/* once to SHRINK_PERCENT */
} ScoringState;

static void
set_outcome(LiOutcome *outcome, LiClass class, const char *code, const char *message)
{
	memset(outcome, 0, sizeof(*outcome));
	outcome->class = class;
	outcome->code = code;
	outcome->message = message;
	outcome->retry_after_ms = -1;
}

/* Copies what the answer will be held to from the shared template. */
static void
copy_form(ScoringState *state, const LiTemplate *template, const LiFacts *facts)
{
	LiAnswerForm *form = &state->form;
	const char **keys;

	form->kind = template->kind;
	if (template->kind == LI_ANSWER_SCHEMA)
		form->schema = pstrdup(template->answer_schema);
	if (template->kind != LI_ANSWER_RUBRIC)
		return;

	/* only a model that follows strict schemas is held to whole numbers */
	form->schema = pstrdup(facts->json_schema ? template->answer_schema : template->loose_schema);
	form->n_keys = template->n_keys;
	keys = palloc(template->n_keys * sizeof(char *));
	state->weights = palloc(template->n_keys * sizeof(char *));
	for (int i = 0; i < template->n_keys; i++)
	{
		keys[i] = pstrdup(template->keys[i]);
		state->weights[i] = pstrdup(template->weights[i]);
	}
	form->keys = keys;
}

/* The question as it is asked first. */
static void
ask_first(ScoringState *state, LiAsk *ask)
{
	state->max_tokens = state->first_max_tokens;
	li_question_ask(state->question, NULL, NULL, ask);
	ask->max_tokens = state->max_tokens;
	ask->temperature = state->temperature;
	ask->cache_key = state->cache_key;
}

static void *
scoring_open(const LiJob *job, LiAsk *ask, LiOutcome *outcome)
{
	ScoringState *state = palloc0(sizeof(ScoringState));
	LiTemplate	free_prompt = {LI_ANSWER_OBJECT};
	const LiTemplate *template = &free_prompt;
	LiPromptValues values = {0};
	LiProfileText *text;
	LiProfile  *profile;
	LiFacts		facts;

	profile = li_load_profile(job->profile_id);
	if (profile == NULL)
	{
		set_outcome(outcome, LI_FAIL, "profile_not_found", "the profile does not exist any more");
		return NULL;
	}
	li_load_facts(job->role, job->model, &facts);
	if (job->template_id != NULL)
	{
		const char *problem;

		template = li_load_template(job->template_id, job->template_version, &problem);
		if (template == NULL)
		{
			set_outcome(outcome, LI_FAIL, "config_error", problem);
			return NULL;
		}
	}
	else
	{
		/* whoever writes a prompt by hand is not asked, so the name stays here */
		free_prompt.prompt_text = job->prompt;
		free_prompt.blind = true;
	}

	copy_form(state, template, &facts);
	state->temperature = job->temperature;
	state->first_max_tokens = job->max_tokens;
	state->max_output_tokens = facts.max_output_tokens;

	text = li_profile_text_new(profile, template->blind);
	values.profile = li_profile_text_values(text);
	values.role = job->role;
	values.role_title = facts.role_title;
	values.rubric = template->rubric;
	if (template->kind == LI_ANSWER_COMPATIBILITY)
	{
		LiRole	   *roles;

		state->form.n_roles = li_load_roles(&roles);
		state->form.roles = roles;
		state->form.schema = li_compatibility_schema(roles, state->form.n_roles);
		values.roles = li_compatibility_describe(roles, state->form.n_roles);
	}
	state->question = li_question_new(template, &values, text,
									  template->kind == LI_ANSWER_COMPATIBILITY ?
									  state->form.schema : template->schema,
									  job->model, li_encoding_find(facts.encoding));
	li_question_fit(state->question, li_max_prompt_tokens);
	state->opened = state->question;
	ask_first(state, ask);
	state->cache_key = li_cache_key(job, &facts, ask,
									li_question_profile_text(state->question), &state->form);
	ask->cache_key = state->cache_key;
	return state;
}

/* Shares what never changes; nonce, shortening and re-asking are its own. */
static void *
scoring_sample(void *opaque, LiAsk *ask)
{
	const ScoringState *state = opaque;
	ScoringState *sample = palloc0(sizeof(ScoringState));

	sample->opened = state->opened;
	sample->question = li_question_copy(state->opened);
	sample->form = state->form;
	sample->weights = state->weights;
	sample->temperature = state->temperature;
	sample->cache_key = state->cache_key;
	sample->first_max_tokens = state->first_max_tokens;
	sample->max_output_tokens = state->max_output_tokens;
	ask_first(sample, ask);
	return sample;
}

const LiQuestion *
li_scoring_question(const void *state)
{
	return ((const ScoringState *) state)->question;
}

/* The next question, with the fault named if there was one. */
static void
ask_again(ScoringState *state, LiAsk *again, const char *code, const char *path)
{
	li_question_ask(state->question, code, path, again);
	again->max_tokens = state->max_tokens;
}

/*
 * A cut answer is asked for once more with twice the room, within what the
 * model can write.
 */
static void
read_truncated(ScoringState *state, LiAsk *again, LiOutcome *outcome)
{
	int			doubled = state->max_tokens * 2;

	if (state->max_output_tokens > 0)
		doubled = Min(doubled, state->max_output_tokens);
	if (state->asked_longer || doubled <= state->max_tokens)
	{
		set_outcome(outcome, LI_FAIL, "truncated", "the answer was cut off at the token limit");
		return;
	}
	state->asked_longer = true;
	state->max_tokens = doubled;
	ask_again(state, again, "truncated", NULL);
	set_outcome(outcome, LI_REASK, "truncated", "the answer was cut off at the token limit");
}

/*
 * The provider found the prompt too long.  First a quarter goes, then all that
 * may go; only a refusal of the shortest form ends the job.
 */
static void
read_too_long(ScoringState *state, LiAsk *again, LiOutcome *outcome)
{
	bool		shorter = false;

	if (state->question == state->opened)
		state->question = li_question_copy(state->opened);
	if (!state->shrunk)
		shorter = li_question_shrink(state->question, SHRINK_PERCENT);
	if (!shorter)
		shorter = li_question_shrink(state->question, 0);
	state->shrunk = true;
	if (!shorter)
	{
		set_outcome(outcome, LI_FAIL, "context_length_exceeded",
					"the prompt is too long for the model even in its shortest form");
		return;
	}
	state->evidence = NULL;
	ask_again(state, again, NULL, NULL);
	set_outcome(outcome, LI_SHRINK, "context_length_exceeded", "the prompt is too long for the model");
}

/* A fault in the answer: asked again, or the end of the job. */
static void
read_faulty(ScoringState *state, const char *code, const char *path,
			LiAsk *again, LiOutcome *outcome)
{
	const char *message;

	if (strcmp(code, "invalid_json") == 0)
		message = "the answer is not one JSON object";
	else if (*path == '\0')
		message = "the answer does not have the required form";
	else
		message = psprintf("the answer does not have the required form at %s", path);

	if (state->reasks == MAX_REASKS)
	{
		set_outcome(outcome, LI_FAIL, code, message);
		return;
	}
	state->reasks++;
	ask_again(state, again, code, path);
	set_outcome(outcome, LI_REASK, code, message);
}

static Numeric
numeric_of(const char *text)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static const char *
numeric_rounded(Numeric number)
{
	Datum		rounded = DirectFunctionCall2(numeric_round, NumericGetDatum(number),
											  Int32GetDatum(2));

	return DatumGetCString(DirectFunctionCall1(numeric_out, rounded));
}

/*
 * The sum of weight times score over the scored criteria, divided by their
 * weights; NULL when those weigh less than a half.
 */
static const char *
weighted_total(const ScoringState *state, const char *const *scores)
{
	Datum		sum = NumericGetDatum(numeric_of("0"));
	Datum		weights = sum;

	for (int i = 0; i < state->form.n_keys; i++)
	{
		Datum		weight;
		Datum		score;

		if (scores[i] == NULL)
			continue;
		weight = NumericGetDatum(numeric_of(state->weights[i]));
		score = NumericGetDatum(numeric_of(scores[i]));
		sum = DirectFunctionCall2(numeric_add, sum,
								  DirectFunctionCall2(numeric_mul, weight, score));
		weights = DirectFunctionCall2(numeric_add, weights, weight);
	}
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, weights, NumericGetDatum(numeric_of("0.5")))))
		return NULL;
	return numeric_rounded(DatumGetNumeric(DirectFunctionCall2(numeric_div, sum, weights)));
}

/* Now, as ISO 8601 in UTC. */
static const char *
now_text(void)
{
	TimestampTz now = GetCurrentTimestamp();
	pg_time_t	seconds = timestamptz_to_time_t(now);
	struct pg_tm *tm = pg_gmtime(&seconds);
	int			ms = (int) ((now % USECS_PER_SEC + USECS_PER_SEC) % USECS_PER_SEC / 1000);

	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm->tm_year + 1900, tm->tm_mon + 1,
					tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, ms);
}

/* Fills *result from what an answer says. */
static void
fill_result(const ScoringState *state, const LiStored *stored, LiResult *result)
{
	const LiProfileText *text = li_question_profile(state->question);
	const LiJudgement *judgement = &stored->judgement;
	const char **reasons = palloc0((MAX_REASONS + 1) * sizeof(char *));
	int			n = 0;

	if (judgement->ungrounded)
		reasons[n++] = "ungrounded";
	if (judgement->unscored)
		reasons[n++] = "missing_criterion";
	if (stored->injection)
		reasons[n++] = "injection_suspected";
	if (stored->spread)
		reasons[n++] = "spread";
	if (stored->shortened)
		reasons[n++] = "profile_truncated";
	if (li_profile_text_substance(text) < LOW_INFORMATION)
		reasons[n++] = "low_information";
	Assert(n <= MAX_REASONS);

	memset(result, 0, sizeof(*result));
	result->parsed_score = stored->parsed_score;
	if (result->parsed_score == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (state->form.kind == LI_ANSWER_RUBRIC)
		result->overall_score = weighted_total(state, judgement->scores);
	else if (judgement->overall != NULL)
		result->overall_score = numeric_rounded(numeric_of(judgement->overall));
	result->recommended_role = judgement->recommended_role;
	result->needs_review = n > 0;
	result->review_reasons = n > 0 ? reasons : NULL;
}

/* Fills *result from an accepted answer. */
static void
complete(ScoringState *state, const LiAnswer *answer, const LiJudgement *judgement,
		 LiResult *result)
{
	const LiProfileText *text = li_question_profile(state->question);
	const char *kinds[LI_INJECTION_KINDS];
	LiShortened *shortened;
	LiResultFacts facts = {0};
	LiStored	stored = {.judgement = *judgement};

	facts.model = answer->model;
	facts.finish_reason = answer->finish_reason;
	facts.prompt_tokens = answer->prompt_tokens;
	facts.completion_tokens = answer->completion_tokens;
	facts.timestamp = now_text();
	facts.n_shortened = li_profile_text_shortened(text, &shortened);
	facts.shortened = shortened;
	facts.n_injection = li_injection_scan(li_question_profile_text(state->question), kinds);
	if (li_profile_text_hidden(text))
		kinds[facts.n_injection++] = "hidden_text";
	facts.injection = kinds;

	stored.injection = facts.n_injection > 0;
	stored.shortened = facts.n_shortened > 0;
	stored.parsed_score = li_result_write(judgement, &facts);
	fill_result(state, &stored, result);
}

static void
scoring_read(void *opaque, const LiAnswer *answer, LiAsk *again,
			 LiOutcome *outcome, LiResult *result)
{
	ScoringState *state = opaque;
	LiJudgement judgement;

	if (answer->outcome.class == LI_REASK)
	{
		if (strcmp(answer->outcome.code, "truncated") == 0)
			read_truncated(state, again, outcome);
		else					/* the reply around the answer was unreadable */
			read_faulty(state, answer->outcome.code, "", again, outcome);
		return;
	}
	if (answer->outcome.class == LI_SHRINK)
	{
		read_too_long(state, again, outcome);
		return;
	}

	if (state->evidence == NULL)
		state->evidence = li_evidence_new(li_question_profile_text(state->question));
	li_answer_judge(&state->form, answer->content, state->evidence, &judgement);
	if (judgement.fault != NULL)
	{
		read_faulty(state, judgement.fault, judgement.path, again, outcome);
		return;
	}
	if (judgement.missing > 0 && !state->asked_missing)
	{
		state->asked_missing = true;
		ask_again(state, again, "schema_violation", judgement.missing_path);
		set_outcome(outcome, LI_REASK, "schema_violation",
					psprintf("the answer leaves out %s", judgement.missing_path));
		return;
	}
	complete(state, answer, &judgement, result);
	set_outcome(outcome, LI_OK, NULL, NULL);
}

static bool
scoring_agree(void *opaque, const char *const *parsed, int n)
{
	const ScoringState *state = opaque;

	return li_samples_agree(&state->form, parsed, n);
}

static void
scoring_combine(void *opaque, const char *const *parsed, int n, LiResult *result)
{
	static const char *const unreadable[] = {"missing_criterion", NULL};
	const ScoringState *state = opaque;
	LiStored	stored;

	if (li_samples_combine(&state->form, parsed, n, &stored))
	{
		fill_result(state, &stored, result);
		return;
	}
	/* only an older library's answers can be all of another form */
	memset(result, 0, sizeof(*result));
	result->parsed_score = "{}";
	result->needs_review = true;
	result->review_reasons = unreadable;
}

static bool
scoring_reuse(void *opaque, const char *parsed, LiResult *result)
{
	const ScoringState *state = opaque;
	LiStored	stored;

	if (!li_stored_reuse(&state->form, parsed, &stored))
		return false;
	fill_result(state, &stored, result);
	return true;
}

const LiTaskKind li_scoring_task = {
	.name = "scoring",
	.open = scoring_open,
	.sample = scoring_sample,
	.read = scoring_read,
	.agree = scoring_agree,
	.combine = scoring_combine,
	.reuse = scoring_reuse,
};
