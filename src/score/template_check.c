/*-------------------------------------------------------------------------
 *
 * template_check.c
 *		What is wrong with a template that is being saved?
 *
 * A fault found here costs its author a moment; the same fault in a worker
 * costs a failed job for every profile asked about.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "json.h"
#include "score/chars.h"
#include "score/prompt.h"
#include "score/rubric.h"
#include "score/schema.h"
#include "score/template_check.h"

/* A rubric may not weigh what the law protects. */
static const char *const protected_words[] = {
	"age", "ages", "gender", "genders", "sex", "race", "racial", "ethnicity", "ethnic",
	"religion", "religious", "nationality", "disability", "disabilities", "pregnancy",
	"pregnant", "marital status", "marriage", "sexual orientation", "skin colour",
	"skin color"
};

/* Uses of these words that mean something else. */
static const char *const harmless[] = {
	"race condition", "race conditions", "age of", "ages of"
};

/* Words that stand in for them. */
static const char *const proxies[] = {
	"graduation year", "year of graduation", "digital native", "digital natives",
	"culture fit", "cultural fit", "native speaker", "native speakers", "recent graduate",
	"mother tongue"
};

/* Does "phrase" stand at "p" and end there as a word? */
static bool
stands_at(const char *p, const char *phrase)
{
	size_t		len = strlen(phrase);
	uint32		cp;

	for (size_t i = 0; i < len; i++)
	{
		char		c = p[i];

		if (c == '_' || c == '-' || c == '\n')
			c = ' ';
		if (pg_tolower((unsigned char) c) != (unsigned char) phrase[i])
			return false;
	}
	if (p[len] == '\0')
		return true;
	li_char_read(p + len, p + len + strlen(p + len), &cp);
	return !li_char_is_word(cp);
}

/* The first of "phrases" that "text" holds as whole words; NULL: none. */
static const char *
find_phrase(const char *text, const char *const *phrases, int n)
{
	const char *end = text + strlen(text);
	bool		after_word = false;

	for (const char *p = text; p < end;)
	{
		uint32		cp;
		int			len = li_char_read(p, end, &cp);

		if (!after_word)
		{
			bool		skip = false;

			for (int i = 0; i < lengthof(harmless); i++)
				skip |= stands_at(p, harmless[i]);
			for (int i = 0; i < n && !skip; i++)
			{
				if (stands_at(p, phrases[i]))
					return phrases[i];
			}
		}
		after_word = li_char_is_word(cp);
		p += len;
	}
	return NULL;
}

static void
check_words(const char *argument, const char *where, const char *text,
			LiFaults *faults, LiFaults *doubts)
{
	const char *found = find_phrase(text, proxies, lengthof(proxies));

	if (found != NULL)
		li_fault(doubts, "%s: proxy: %s names \"%s\", which may stand in for a protected attribute",
				 argument, where, found);
	if (faults == NULL)
		return;
	found = find_phrase(text, protected_words, lengthof(protected_words));
	if (found != NULL)
		li_fault(faults, "%s: protected_attribute: %s names \"%s\", a protected attribute",
				 argument, where, found);
}

static void
check_rubric(const char *text, LiFaults *faults, LiFaults *doubts)
{
	LiJson	   *json = li_json_parse(text, strlen(text), NULL);
	LiRubric   *rubric = NULL;

	if (json == NULL)
		li_fault(faults, "rubric: bad_rubric: the rubric is not a list of criteria");
	else
		rubric = li_rubric_read(json->root, faults);
	li_json_free(json);
	for (int i = 0; rubric != NULL && i < rubric->n; i++)
	{
		const LiCriterion *c = &rubric->criteria[i];

		check_words("rubric", psprintf("criterion \"%s\"", li_fault_quote(c->key)),
					psprintf("%s\n%s\n%s\n%s", c->key, c->title, c->description, c->levels),
					faults, doubts);
	}
}

static void
check_placeholders(const char *argument, const char *text, LiPromptPart part,
				   bool compatibility, LiFaults *faults)
{
	char	   *name = li_prompt_fault(text, part, compatibility);

	if (name != NULL)
		li_fault(faults, "%s: unknown_placeholder: placeholder {{%s}} is not known here",
				 argument, li_fault_quote(name));
}

void
li_template_check(bool compatibility, const char *system_text, const char *prompt_text,
				  const char *rubric, const char *response_schema,
				  LiFaults *faults, LiFaults *doubts)
{
	if (system_text != NULL)
		check_placeholders("system_text", system_text, LI_PROMPT_SYSTEM, compatibility, faults);
	if (prompt_text != NULL)
	{
		check_placeholders("prompt_text", prompt_text, LI_PROMPT_TEXT, compatibility, faults);
		check_words("prompt_text", "the prompt", prompt_text, NULL, doubts);
	}
	if (rubric != NULL && compatibility)
		li_fault(faults, "rubric: not_allowed: a compatibility template may not have a rubric");
	else if (rubric != NULL)
		check_rubric(rubric, faults, doubts);
	if (response_schema != NULL && rubric != NULL)
		li_fault(faults, "response_schema: not_allowed: a template with a rubric may not have a response_schema");
	else if (response_schema != NULL && compatibility)
		li_fault(faults, "response_schema: not_allowed: a compatibility template may not have a response_schema");
	else if (response_schema != NULL)
	{
		LiJson	   *json = li_json_parse(response_schema, strlen(response_schema), NULL);

		if (json == NULL)
			li_fault(faults, "response_schema: bad_schema: the schema does not describe an object");
		else
			li_schema_check(json->root, faults);
		li_json_free(json);
	}
}
