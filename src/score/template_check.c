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

/*
 * A rubric may not weigh what the law protects.  Words stand in small letters,
 * one space between two; found are whole words alone.
 */
static const char *const protected_words[] = {
	"age", "ages", "date of birth", "year of birth",
	"gender", "genders", "sex", "sexes", "male", "males", "female", "females",
	"race", "races", "racial", "ethnicity", "ethnic", "national origin",
	"religion", "religions", "religious", "nationality", "nationalities",
	"disability", "disabilities", "pregnancy", "pregnancies", "pregnant",
	"marital status", "marriage", "unmarried",
	"sexual orientation", "sexual orientations", "homosexual", "heterosexual",
	"skin colour", "skin color"
};

/*
 * Uses of these words that mean something else.  "age of" does as well, unless
 * the age is a person's.
 */
static const char *const harmless[] = {
	"race condition", "race conditions", "race to", "race for", "race against",
	"races to", "arms race", "data race", "data races", "rat race",
	"age of", "ages of", "digital age", "information age", "cloud age", "ai age", "modern age"
};
static const char *const personal[] = {
	"age of candidate", "age of candidates", "age of the candidate", "age of the candidates",
	"age of applicant", "age of applicants", "age of the applicant", "age of the applicants",
	"age of person", "age of the person", "age of a person", "age of people"
};

/* Words that stand in for them. */
static const char *const proxies[] = {
	"graduation year", "graduation years", "graduation date", "year of graduation",
	"recent graduate", "recent graduates", "digital native", "digital natives",
	"culture fit", "cultural fit", "native speaker", "native speakers",
	"native english", "mother tongue"
};

/* The bytes of "phrase" as it stands at "p"; 0 when it does not end there as a word. */
static int
stands_at(const char *p, const char *phrase)
{
	const char *start = p;
	uint32		cp;

	for (; *phrase != '\0'; phrase++)
	{
		int			gap = strspn(p, "_- \t\r\n");

		if (*phrase == ' ' && gap > 0)
			p += gap;
		else if (pg_tolower((unsigned char) *p) == (unsigned char) *phrase)
			p++;
		else
			return 0;
	}
	if (*p != '\0')
	{
		li_char_read(p, p + strlen(p), &cp);
		if (li_char_is_word(cp))
			return 0;
	}
	return p - start;
}

/* The one of "phrases" that stands at "p", with its bytes; NULL: none. */
static const char *
find_at(const char *p, const char *const *phrases, int n, int *len)
{
	for (int i = 0; i < n; i++)
	{
		*len = stands_at(p, phrases[i]);
		if (*len > 0)
			return phrases[i];
	}
	return NULL;
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
		int			len;

		if (!after_word)
		{
			const char *found = find_at(p, phrases, n, &len);
			int			found_len;

			if (find_at(p, harmless, lengthof(harmless), &len) != NULL &&
				find_at(p, personal, lengthof(personal), &found_len) == NULL)
			{
				p += len;
				after_word = true;
				continue;
			}
			if (found != NULL)
				return found;
		}
		len = li_char_read(p, end, &cp);
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

		/* no phrase goes on from one field to the next */
		check_words("rubric", psprintf("criterion \"%s\"", li_fault_quote(c->key)),
					psprintf("%s\f%s\f%s\f%s", c->key, c->title, c->description, c->levels),
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
