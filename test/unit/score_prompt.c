/*-------------------------------------------------------------------------
 *
 * score_prompt.c
 *		Placeholders, the fence, and what is wrong with a template.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/prompt.c src/score/template_check.c src/score/rubric.c src/score/schema.c src/score/chars.c src/score/faults.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "lib/stringinfo.h"

#include "score/prompt.h"
#include "score/template_check.h"
#include "tap.h"

static void
test_expand(void)
{
	static const LiProfileValues profile = {.full_name = "the candidate",.headline = "{{role}} {{profile}}",
	.company_name = "C",.job_title = "T",.location = "L"};
	LiPromptValues values = {.profile = &profile,.role = "CTO",.role_title = "Chief",.rubric = "a: b"};
	static const struct
	{
		const char *text;
		const char *expanded;
	}			cases[] =
	{
		{"{{role}}/{{role_title}}", "CTO/Chief"},
		{"{{ role }}", "CTO"},
		{"{{profile}} {{profile_data}}", "the profile in the next message the profile in the next message"},
		{"{{full_name}} {{profile_name}}", "the candidate the candidate"},
		{"{{job_title}}{{current_title}} {{company_name}}{{current_company}} {{location}}", "TT CC L"},
		{"{{suggested_role}}", "not stated"},
		{"{{rubric}}", "a: b"},
		{"{{headline}}", "{{role}} {{profile}}"},
		{"{{unknown}} {{}} {{Role}}", "{{unknown}} {{}} {{Role}}"},
		{"{ {role}} {{role} }{{", "{ {role}} {{role} }{{"},
		{"{{{role}}}", "{CTO}"},
		{"{{a{{role}}", "{{aCTO"},
		{"", ""}
	};

	for (int i = 0; i < lengthof(cases); i++)
		is_text(li_prompt_expand(cases[i].text, &values), cases[i].expanded, cases[i].text);
	ok(li_prompt_has("a {{ rubric }}", "rubric") && !li_prompt_has("{{rubrics}}", "rubric") &&
	   !li_prompt_has(NULL, "rubric"), "whether a placeholder is there");
	is_text(strchr(li_prompt_fence("text", "12ab"), '\n'), "\n<<<PROFILE 12ab>>>\ntext\n<<<END 12ab>>>", "the fence");
	is_int(strlen(li_prompt_fence("text", "12ab")), li_prompt_fence_size("12ab") + 4, "and its size");
	ok(strstr(li_prompt_reask("p", "schema_violation", "a.b"), "(schema_violation at a.b)") != NULL &&
	   strstr(li_prompt_reask("p", "truncated", NULL), "(truncated)") != NULL, "a fault is named");
}

static const char *
lines(const LiFaults *faults)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < faults->n; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "\n" : "", faults->lines[i]);
	return buf.data;
}

static const char *
check(bool compatibility, const char *system_text, const char *prompt_text,
	  const char *rubric, const char *response_schema)
{
	LiFaults	faults = {0};
	LiFaults	doubts = {0};

	li_template_check(compatibility, system_text, prompt_text, rubric, response_schema,
					  &faults, &doubts);
	if (doubts.n > 0)
		return psprintf("%s? %s", lines(&faults), lines(&doubts));
	return lines(&faults);
}

#define C(key, weight, description) \
	"{\"key\":\"" key "\",\"weight\":" weight ",\"description\":\"" description "\"}"

/* What is found in a criterion's description; "" for nothing. */
static const char *
named(const char *description)
{
	const char *found = check(false, NULL, "x", psprintf("[" C("a", "1", "%s") "]", description), NULL);
	const char *start = strstr(found, "names \"");

	if (start == NULL)
		return found;
	start += strlen("names \"");
	return pnstrdup(start, strcspn(start, "\""));
}

static void
test_words(void)
{
	static const char *const refused[] = {
		"age", "gender", "race", "religion", "nationality", "disability", "pregnancy", "marital status",
		"sexual orientation", "ethnicity", "date of birth", "female", "skin colour"
	};
	static const char *const doubtful[] = {
		"graduation year", "digital native", "culture fit", "native speaker"
	};
	static const char *const harmless[] = {
		"manager, agenda, engage, stage, page, language, average, coverage, leverage, storage, agent",
		"trace, embrace, racecar, Sussex, Essex, sextant, ethics, gendarme, relegation, nation, nationwide",
		"customer orientation and results orientation; orientation of new staff",
		"in the age of AI; the digital age; age of the servers brought down",
		"race conditions and data races; the race to market; an arms race",
		"cultural change, fits the culture of DevOps, native cloud, cloud native, speaker at events",
		"graduated risk scales; years of experience; seniority; generation of revenue",
		"\xc3\xa2ge, age\xc3\xa9"
	};
	static const struct
	{
		const char *text;
		const char *found;
	}			cases[] =
	{
		{"Prefers the right AGE.", "age"},
		{"race/ethnicity", "race"},
		{"marital-status", "marital status"},
		{"marital \\n  status", "marital status"},
		{"the age of the candidate", "age"},
		{"age of applicants", "age"},
		{"the age of cloud, and of what age one is", "age"},
		{"race conditions; race", "race"},
		{"native-speaker level", "native speaker"},
		{"DIGITAL NATIVES", "digital natives"}
	};

	for (int i = 0; i < lengthof(refused); i++)
		is_text(check(false, NULL, "x", psprintf("[" C("a", "1", "Some %s here") "]", refused[i]), NULL),
				psprintf("rubric: protected_attribute: criterion \"a\" names \"%s\", a protected attribute", refused[i]),
				refused[i]);
	for (int i = 0; i < lengthof(doubtful); i++)
		is_text(check(false, NULL, "x", psprintf("[" C("a", "1", "Some %s here") "]", doubtful[i]), NULL),
				psprintf("? rubric: proxy: criterion \"a\" names \"%s\", which may stand in for a protected attribute",
						 doubtful[i]),
				doubtful[i]);
	for (int i = 0; i < lengthof(harmless); i++)
		is_text(named(harmless[i]), "", harmless[i]);
	for (int i = 0; i < lengthof(cases); i++)
		is_text(named(cases[i].text), cases[i].found, cases[i].text);
	is_text(check(false, NULL, "x", "[{\"key\":\"a\",\"title\":\"Culture\",\"weight\":1,\"description\":\"fit for growth\"}]", NULL),
			"", "no phrase from one field to the next");
	is_text(check(false, NULL, "x", "[{\"key\":\"a\",\"weight\":1,\"description\":\"x\",\"levels\":{\"0\":\"y\",\"100\":\"the right gender\"}}]", NULL),
			"rubric: protected_attribute: criterion \"a\" names \"gender\", a protected attribute", "in a level");
}

static void
test_check(void)
{
	is_text(check(false, "{{role}} {{rubric}}", "{{profile}} {{headline}}",
				  "[" C("a", "0.3333", "x") "," C("b", "0.3333", "y") "," C("c", "0.3333", "z") "]", NULL),
			"", "a good template; weights may be off by 0.001");
	is_text(check(false, "{{headline}}", "x", NULL, NULL),
			"system_text: unknown_placeholder: placeholder {{headline}} is not known here",
			"nothing of a person's in the system text");
	is_text(check(false, NULL, "{{profile}} {{nmae}}", NULL, NULL),
			"prompt_text: unknown_placeholder: placeholder {{nmae}} is not known here", "an unknown one");
	is_text(check(false, NULL, "{{roles}}", NULL, NULL),
			"prompt_text: unknown_placeholder: placeholder {{roles}} is not known here", "roles without compatibility");
	is_text(check(true, "{{roles}}", "{{role_title}}", NULL, NULL),
			"prompt_text: unknown_placeholder: placeholder {{role_title}} is not known here", "a role with it");
	is_text(check(false, NULL, "x", "[" C("a", "0.5", "x") "," C("b", "0.4", "y") "]", NULL),
			"rubric: bad_weights: the weights sum to 0.9, not to 1", "weights");
	is_text(check(false, NULL, "x", "[" C("a", "0.5", "x") "," C("a", "0.5", "y") "]", NULL),
			"rubric: duplicate_key: criterion key \"a\" occurs twice", "a key twice");
	is_text(check(false, NULL, "x", "[" C(" ", "1", "x") "]", NULL),
			"rubric: empty_key: criterion 1 has no key", "an empty key");
	is_text(check(false, NULL, "x", "[" C("a", "1", " ") "]", NULL),
			"rubric: no_description: criterion \"a\" has no description", "no description");
	is_text(check(false, NULL, "x", "[" C("a", "\"1\"", "x") "]", NULL),
			"rubric: bad_weight: the weight of criterion \"a\" is not a number from 0 to 1\n"
			"rubric: bad_weights: the weights sum to 0, not to 1", "several faults");
	is_text(check(false, NULL, "x", "{}", NULL),
			"rubric: bad_rubric: the rubric is not a list of criteria", "not a list");
	is_text(check(false, NULL, "x", "[]", NULL),
			"rubric: bad_rubric: the rubric is not a list of criteria", "an empty one");
	is_text(check(false, NULL, "x", "[{\"key\":\"a\",\"weight\":1,\"description\":\"x\",\"levels\":{\"high\":\"y\"}}]", NULL),
			"rubric: bad_levels: level \"high\" of criterion \"a\" is not a number from 0 to 100", "levels");

	is_text(check(false, NULL, "x", "[" C("a", "1", "Fit by Age and energy") "]", NULL),
			"rubric: protected_attribute: criterion \"a\" names \"age\", a protected attribute", "a protected attribute");
	is_text(check(false, NULL, "x", "[" C("marital_status", "1", "x") "]", NULL),
			"rubric: protected_attribute: criterion \"marital_status\" names \"marital status\", a protected attribute",
			"in a key");
	is_text(check(false, NULL, "x", "[" C("a", "1", "language, engagement, the age of AI, race conditions, Trace") "]", NULL),
			"", "words that hold one, or mean something else");
	is_text(check(false, NULL, "x", "[" C("a", "1", "A digital native") "]", NULL),
			"? rubric: proxy: criterion \"a\" names \"digital native\", which may stand in for a protected attribute",
			"a proxy is only doubtful");
	is_text(check(false, NULL, "judge culture fit", NULL, NULL),
			"? prompt_text: proxy: the prompt names \"culture fit\", which may stand in for a protected attribute",
			"also in the prompt");

	test_words();

	is_text(check(false, NULL, "x", NULL, "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"text\",\"format\":\"x\"}}}"),
			"response_schema: unknown_keyword: keyword \"format\" at the top.a is not supported\n"
			"response_schema: bad_schema: \"type\" at the top.a is not a type of JSON", "a schema");
	is_text(check(false, NULL, "x", NULL, "[]"),
			"response_schema: bad_schema: the schema does not describe an object: its \"type\" must be \"object\"",
			"a schema of no object");
	is_text(check(false, NULL, "x", "[" C("a", "1", "x") "]", "{\"type\":\"object\"}"),
			"response_schema: not_allowed: a template with a rubric may not have a response_schema", "both");
	is_text(check(true, NULL, "x", "[" C("a", "1", "x") "]", NULL),
			"rubric: not_allowed: a compatibility template may not have a rubric", "a rubric for all roles");
}

int
main(void)
{
	test_expand();
	test_check();
	return done_testing();
}
