/*-------------------------------------------------------------------------
 *
 * question.c
 *		A question about a person, ready to be asked more than once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "score/question.h"

#define NONCE_DIGITS 24

/* What a chat adds to the tokens of roles and contents. */
#define CHAT_TOKENS 3
#define MESSAGE_TOKENS 3
#define ROLE_TOKENS 1			/* "system", "user" */
#define MESSAGES	3

struct LiQuestion
{
	const char *system_text;
	const char *prompt;
	const char *schema;			/* NULL: none */
	LiProfileText *profile;
	const char *profile_text;
	const LiRanks *encoding;	/* NULL: tokens are estimated */
	int			chat_tokens;	/* beside the contents; 0 in an estimate */
	char		nonce[NONCE_DIGITS + 1];
};

/*
 * Decimal digits, because every three of them are one token: with another nonce
 * the question is as long, so what is told beforehand holds, and a profile is
 * shortened in the same places each time.
 */
static void
make_nonce(char *nonce)
{
	int			n = 0;

	while (n < NONCE_DIGITS)
	{
		uint8		bytes[NONCE_DIGITS];

		if (!pg_strong_random(bytes, sizeof(bytes)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		for (int i = 0; i < NONCE_DIGITS && n < NONCE_DIGITS; i++)
		{
			/* so that no digit is likelier than another */
			if (bytes[i] < 250)
				nonce[n++] = '0' + bytes[i] % 10;
		}
	}
	nonce[n] = '\0';
}

/* Seen in what providers bill: one less from gpt-5 on. */
static int
chat_tokens(const char *model)
{
	bool		newer = strncmp(model, "gpt-", 4) == 0 && atoi(model + 4) >= 5;

	return CHAT_TOKENS + MESSAGES * (MESSAGE_TOKENS + ROLE_TOKENS) - (newer ? 1 : 0);
}

LiQuestion *
li_question_new(const LiTemplate *template, const LiPromptValues *values,
				LiProfileText *text, const char *schema,
				const char *model, const LiRanks *encoding)
{
	LiQuestion *question = palloc0(sizeof(LiQuestion));
	const char *system_text = template->system_text;
	const char *placeholder = NULL;

	/* a blank one would leave out the rule that the profile is data */
	if (system_text == NULL || system_text[strspn(system_text, " \t\r\n")] == '\0')
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

	question->encoding = encoding;
	question->chat_tokens = encoding != NULL ? chat_tokens(model) : 0;
	return question;
}

LiQuestion *
li_question_copy(const LiQuestion *question)
{
	LiQuestion *copy = palloc(sizeof(LiQuestion));

	*copy = *question;
	copy->profile = li_profile_text_copy(question->profile);
	make_nonce(copy->nonce);
	return copy;
}

/* Bytes of all messages without the profile text. */
static size_t
fixed_size(const LiQuestion *question)
{
	return strlen(question->system_text) + strlen(question->prompt) +
		li_prompt_fence_size(question->nonce);
}

static size_t
whole_size(const LiQuestion *question)
{
	return fixed_size(question) + strlen(question->profile_text);
}

/* Tokens of all but the third message's content, and of that. */
static int
fixed_tokens(const LiQuestion *question)
{
	return question->chat_tokens +
		li_count_tokens(question->encoding, question->system_text, strlen(question->system_text)) +
		li_count_tokens(question->encoding, question->prompt, strlen(question->prompt));
}

static int
fenced_tokens(const LiQuestion *question)
{
	char	   *fenced = li_prompt_fence(question->profile_text, question->nonce);
	int			tokens = li_count_tokens(question->encoding, fenced, strlen(fenced));

	pfree(fenced);
	return tokens;
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

/*
 * Bytes are cut and tokens are to go, so each step takes as many bytes as the
 * tokens in excess have on average in the profile; two or three steps do.
 */
void
li_question_fit(LiQuestion *question, int max_tokens)
{
	int			fixed;
	int			fenced;

	/* no token is shorter than a byte: most questions need not be counted */
	if (whole_size(question) + question->chat_tokens <= max_tokens)
		return;
	fixed = fixed_tokens(question);
	while ((fenced = fenced_tokens(question)) > max_tokens - fixed)
	{
		size_t		size = whole_size(question);
		double		average = (double) strlen(question->profile_text) / fenced;
		size_t		excess = (fixed + fenced - max_tokens) * average + 1;

		if (!shorten_to(question, size > excess ? size - excess : 0))
			break;
	}
}

bool
li_question_shrink(LiQuestion *question, int percent)
{
	return shorten_to(question, whole_size(question) / 100 * percent);
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
	return fixed_tokens(question) + fenced_tokens(question);
}

bool
li_question_tokens_exact(const LiQuestion *question)
{
	return question->encoding != NULL;
}
