/*-------------------------------------------------------------------------
 *
 * question.c
 *		A question about a person, ready to be asked more than once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "score/question.h"

#define NONCE_BYTES 12

struct LiQuestion
{
	const char *system_text;
	const char *prompt;
	const char *schema;			/* NULL: none */
	LiProfileText *profile;
	const char *profile_text;
	char		nonce[NONCE_BYTES * 2 + 1];
};

static void
make_nonce(char *nonce)
{
	uint8		bytes[NONCE_BYTES];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (int i = 0; i < NONCE_BYTES; i++)
		snprintf(nonce + i * 2, 3, "%02x", bytes[i]);
}

LiQuestion *
li_question_new(const LiTemplate *template, const LiPromptValues *values,
				LiProfileText *text, const char *schema)
{
	LiQuestion *question = palloc0(sizeof(LiQuestion));
	const char *system_text = template->system_text;
	const char *placeholder = NULL;

	if (system_text == NULL)
		system_text = li_prompt_system_default;
	question->system_text = li_prompt_expand(system_text, values);
	question->prompt = li_prompt_expand(template->prompt_text, values);

	/* criteria or roles that the texts do not place are told at the end */
	if (values->rubric != NULL)
		placeholder = "rubric";
	else if (values->roles != NULL)
		placeholder = "roles";
	if (placeholder != NULL && !li_prompt_has(system_text, placeholder) &&
		!li_prompt_has(template->prompt_text, placeholder))
		question->prompt = psprintf("%s\n\n%s", question->prompt,
									values->rubric != NULL ? values->rubric : values->roles);

	question->schema = schema != NULL ? pstrdup(schema) : NULL;
	question->profile = text;
	question->profile_text = li_profile_text_write(text);
	make_nonce(question->nonce);
	return question;
}

/* Bytes of all messages without the profile text. */
static size_t
fixed_size(const LiQuestion *question)
{
	return strlen(question->system_text) + strlen(question->prompt) +
		li_prompt_fence_size(question->nonce);
}

/* Shortens the profile so that all messages have at most "max" bytes. */
static bool
shorten_to(LiQuestion *question, size_t max)
{
	size_t		fixed = fixed_size(question);

	if (!li_profile_text_shorten(question->profile, max > fixed ? max - fixed : 0))
		return false;
	question->profile_text = li_profile_text_write(question->profile);
	return true;
}

void
li_question_fit(LiQuestion *question, int max_tokens)
{
	if (li_question_tokens(question) > max_tokens)
		shorten_to(question, (size_t) max_tokens * 3);
}

bool
li_question_shrink(LiQuestion *question, int percent)
{
	size_t		size = fixed_size(question) + strlen(question->profile_text);

	return shorten_to(question, size / 100 * percent);
}

void
li_question_ask(const LiQuestion *question, const char *code, const char *path, LiAsk *ask)
{
	ask->system_text = question->system_text;
	ask->user_text[0] = code != NULL ? li_prompt_reask(question->prompt, code, path) :
		question->prompt;
	ask->user_text[1] = li_prompt_fence(question->profile_text, question->nonce);
	ask->schema_name = question->schema != NULL ? "assessment" : NULL;
	ask->schema = question->schema;
}

const LiProfileText *
li_question_profile(const LiQuestion *question)
{
	return question->profile;
}

const char *
li_question_profile_text(const LiQuestion *question)
{
	return question->profile_text;
}

int
li_question_tokens(const LiQuestion *question)
{
	return li_prompt_tokens(fixed_size(question) + strlen(question->profile_text));
}
