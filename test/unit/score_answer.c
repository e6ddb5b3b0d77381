/*-------------------------------------------------------------------------
 *
 * score_answer.c
 *		Answers accepted, mended and refused; the schemas they are held to.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/answer.c src/score/rubric.c src/score/schema.c src/score/compatibility.c src/score/template.c src/score/result.c src/score/evidence.c src/score/fold.c src/score/chars.c src/score/faults.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "json.h"
#include "score/answer.h"
#include "score/compatibility.h"
#include "score/result.h"
#include "score/schema.h"
#include "score/template.h"
#include "tap.h"

#define PROFILE "Name: the candidate\nDescription:\n  Led 40 engineers in three countries."
#define GOOD(score) "{\"evidence\":[\"Led 40 engineers\"],\"justification\":\"j\",\"score\":" score "}"
#define REST ",\"strengths\":[\"s\"],\"development_areas\":[],\"summary\":\"x\",\"alternative_role\":null"

static LiTemplate rubric;

static void
make_rubric(void)
{
	LiTemplateRow row = {
		.stage = "scoring",.prompt_text = "x",
		.rubric = "[{\"key\":\"tech\",\"title\":\"T\",\"weight\":0.75,\"description\":\"d\","
		"\"levels\":{\"0\":\"none\",\"100\":\"all\"}},"
		"{\"key\":\"team work\",\"weight\":0.25,\"description\":\"e\"}]"
	};
	const char *problem;

	li_template_parse(&row, &rubric, &problem);
	ok(problem == NULL && rubric.kind == LI_ANSWER_RUBRIC, "a rubric is read");
	is_text(rubric.rubric, "tech (T): d\n  0: none\n  100: all\nteam work (team work): e",
			"and told without its weights");
	is_text(rubric.weights[0], "0.75", "which are kept");
}

static LiJudgement
judge(const char *content, bool fractions)
{
	LiAnswerForm form = {.kind = LI_ANSWER_RUBRIC,.n_keys = rubric.n_keys};
	LiJudgement judgement;

	form.keys = rubric.keys;
	form.schema = fractions ? rubric.loose_schema : rubric.schema;
	li_answer_judge(&form, content, li_evidence_new(PROFILE), &judgement);
	return judgement;
}

/* "fault at path", or NULL */
static const char *
fault_of(const char *content)
{
	LiJudgement j = judge(content, false);

	if (j.fault == NULL)
		return NULL;
	return psprintf("%s at %s", j.fault, j.path);
}

static void
test_accepted(void)
{
	LiJudgement j = judge("{\"criteria\":{\"tech\":" GOOD("80") ",\"team work\":"
						  "{\"evidence\":[\"nothing\",\"led 40  ENGINEERS\",\"Led\"],"
						  "\"justification\":\"\",\"score\":0}}" REST "}", false);
	LiResultFacts facts = {.model = "m",.finish_reason = "stop",.prompt_tokens = 10,
	.completion_tokens = 5,.timestamp = "now"};

	is_text(j.fault, NULL, "a good answer");
	is_text(j.scores[0], "80", "its first score");
	is_text(j.scores[1], "0", "zero is a score");
	ok(!j.unscored && !j.ungrounded && j.missing == 0, "nothing to look at");
	is_text(li_result_write(&j, &facts),
			"{\"criteria\":{\"tech\":{\"evidence\":[\"Led 40 engineers\"],\"justification\":\"j\",\"score\":80,"
			"\"grounding\":[{\"match\":\"exact\",\"start\":35,\"end\":51}],\"grounded\":true},"
			"\"team work\":{\"evidence\":[\"nothing\",\"led 40  ENGINEERS\",\"Led\"],\"justification\":\"\",\"score\":0,"
			"\"grounding\":[{\"match\":\"absent\",\"start\":null,\"end\":null},"
			"{\"match\":\"normalized\",\"start\":35,\"end\":51},{\"match\":\"exact\",\"start\":35,\"end\":38}],"
			"\"grounded\":true}}" REST ",\"_metadata\":{\"model_used\":\"m\",\"prompt_tokens\":10,"
			"\"completion_tokens\":5,\"tokens_used\":15,\"finish_reason\":\"stop\",\"timestamp\":\"now\"}}",
			"what is stored");
}

static void
test_mended(void)
{
	LiJudgement j;

	j = judge("{\"criteria\":{\"tech\":" GOOD("80") "}" REST "}", false);
	is_int(j.missing, 1, "a criterion left out");
	is_text(j.missing_path, "criteria.team work", "which");
	ok(j.fault == NULL && j.unscored && j.scores[1] == NULL, "is filled in as unscored");
	j = judge("{\"criteria\":{\"tech\":" GOOD("null") ",\"team work\":" GOOD("5") "}" REST "}", false);
	ok(j.missing == 0 && j.unscored && j.scores[0] == NULL, "null is no score, and was not left out");
	j = judge("{\"criteria\":{\"tech\":" GOOD("80") ",\"team work\":"
			  "{\"evidence\":[\"not in there at all\"],\"justification\":\"\",\"score\":4}}" REST "}", false);
	ok(j.fault == NULL && j.ungrounded, "evidence that is not in the profile");
	j = judge("{\"criteria\":{\"tech\":" GOOD("80") ",\"team work\":"
			  "{\"evidence\":[\"Led 40\"],\"justification\":\"\",\"score\":4}}" REST "}", false);
	ok(j.ungrounded, "a short quote is none");
	j = judge("{\"criteria\":{\"tech\":" GOOD("80") ",\"team work\":"
			  "{\"evidence\":[],\"justification\":\"\",\"score\":null}}" REST "}", false);
	ok(!j.ungrounded, "what is not scored needs no evidence");

	j = judge("{\"overall_score\":99.5,\"criteria\":{\"tech\":" GOOD("80") ",\"team work\":" GOOD("1") "}" REST "}", false);
	is_text(j.fault, NULL, "a total of the model's own");
	is_text(j.model_total, "99.5", "is kept aside");
	ok(json_object_get(j.answer->root, "overall_score") == NULL, "and out of the answer");

	j = judge("{\"criteria\":{\"tech\":" GOOD("87.349999999999994") ",\"team work\":" GOOD("50.0") "}" REST "}", true);
	is_text(j.scores[0], "87.35", "a fraction where schemas are not strict");
	is_text(j.scores[1], "50", "a whole number written as a fraction");

	j = judge("\xef\xbb\xbf \n```json\n{\"criteria\":{\"tech\":" GOOD("1") ",\"team work\":" GOOD("1") "}" REST "}\n```\n", false);
	is_text(j.fault, NULL, "a code fence");
	j = judge("```{\"criteria\":{\"tech\":" GOOD("1") ",\"team work\":" GOOD("1") "}" REST "}```", false);
	is_text(j.fault, NULL, "on one line");
}

static void
test_refused(void)
{
	static const struct
	{
		const char *content;
		const char *fault;
	}			cases[] =
	{
		{"", "invalid_json at "},
		{"Sorry", "invalid_json at "},
		{"```json\n{\n```", "invalid_json at "},
		{"```", "invalid_json at "},
		{"``````", "invalid_json at "},
		{"{\"a\":1} and more", "invalid_json at "},
		{"{\"a\":1,\"a\":2}", "invalid_json at "},
		{"{\"a\":\"\\u0000\"}", "invalid_json at "},
		{"{\"a\":NaN}", "invalid_json at "},
		{"5", "invalid_json at "},
		{"[]", "schema_violation at "},
		{"{}", "schema_violation at criteria"},
		{"{\"criteria\":[]" REST "}", "schema_violation at criteria"},
		{"{\"criteria\":{}" REST "}", "schema_violation at criteria"},
		{"{\"criteria\":{\"other\":1}" REST "}", "schema_violation at criteria"},
		{"{\"criteria\":{\"tech\":" GOOD("101") ",\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at criteria.tech.score"},
		{"{\"criteria\":{\"tech\":" GOOD("-1") ",\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at criteria.tech.score"},
		{"{\"criteria\":{\"tech\":" GOOD("80.5") ",\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at criteria.tech.score"},
		{"{\"criteria\":{\"tech\":" GOOD("\"80\"") ",\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at criteria.tech.score"},
		{"{\"criteria\":{\"tech\":" GOOD("1e400") ",\"team work\":" GOOD("1") "}" REST "}", "invalid_json at "},
		{"{\"criteria\":{\"tech\":{\"evidence\":[],\"justification\":\"\"},\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at criteria.tech.score"},
		{"{\"criteria\":{\"tech\":" GOOD("1") ",\"secret words\":1,\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at criteria"},
		{"{\"extra\":1,\"criteria\":{\"tech\":" GOOD("1") ",\"team work\":" GOOD("1") "}" REST "}",
		"schema_violation at "},
		{"{\"criteria\":{\"tech\":" GOOD("1") ",\"team work\":" GOOD("1") "},\"strengths\":[1],"
			"\"development_areas\":[],\"summary\":\"x\",\"alternative_role\":null}",
		"schema_violation at strengths[0]"},
		{"{\"criteria\":{\"tech\":" GOOD("1") ",\"team work\":" GOOD("1") "},"
			"\"strengths\":[\"\",\"\",\"\",\"\",\"\",\"\"],"
			"\"development_areas\":[],\"summary\":\"x\",\"alternative_role\":null}",
		"schema_violation at strengths"},
		{"{\"criteria\":{\"tech\":" GOOD("1") ",\"team work\":" GOOD("1") "},\"strengths\":[],"
		"\"development_areas\":[],\"alternative_role\":null}", "schema_violation at summary"}
	};

	for (int i = 0; i < lengthof(cases); i++)
		is_text(fault_of(cases[i].content), cases[i].fault, cases[i].content);
}

static void
test_objects(void)
{
	LiAnswerForm form = {.kind = LI_ANSWER_OBJECT};
	LiEvidence *evidence = li_evidence_new(PROFILE);
	LiJudgement j;

	li_answer_judge(&form, "```\n{\"overall_score\": 71.256, \"x\": [1]}\n```", evidence, &j);
	is_text(j.overall, "71.256", "any object may bring a score");
	li_answer_judge(&form, "{\"overall_score\": 100.5}", evidence, &j);
	ok(j.fault == NULL && j.overall == NULL, "of at most 100");
	li_answer_judge(&form, "{\"overall_score\": \"90\"}", evidence, &j);
	ok(j.fault == NULL && j.overall == NULL, "as a number");
	li_answer_judge(&form, "[1]", evidence, &j);
	is_text(j.fault, "schema_violation", "but must be an object");
}

static void
test_schemas(void)
{
	LiTemplateRow row = {
		.stage = "scoring",.prompt_text = "x",
		.response_schema = "{\"type\":\"object\",\"properties\":{"
		"\"overall_score\":{\"type\":\"number\",\"minimum\":0,\"maximum\":100},"
		"\"grade\":{\"enum\":[\"a\",\"b\"]},"
		"\"list\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2},"
		"\"either\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}},"
		"\"required\":[\"overall_score\"]}"
	};
	static const struct
	{
		const char *content;
		const char *path;
	}			cases[] =
	{
		{"{\"overall_score\":5}", NULL},
		{"{\"overall_score\":5,\"grade\":null,\"other\":1}", NULL},
		{"{\"overall_score\":5,\"grade\":\"b\",\"list\":[1,2.0],\"either\":null}", NULL},
		{"{\"grade\":\"b\"}", "overall_score"},
		{"{\"overall_score\":101}", "overall_score"},
		{"{\"overall_score\":null}", "overall_score"},
		{"{\"overall_score\":5,\"grade\":\"c\"}", "grade"},
		{"{\"overall_score\":5,\"list\":[]}", "list"},
		{"{\"overall_score\":5,\"list\":[1,2,3]}", "list"},
		{"{\"overall_score\":5,\"list\":[1,\"x\"]}", "list[1]"},
		{"{\"overall_score\":5,\"either\":4}", "either"}
	};
	LiTemplate template;
	const char *problem;

	li_template_parse(&row, &template, &problem);
	ok(problem == NULL && template.kind == LI_ANSWER_SCHEMA, "a response_schema is read");
	is_text(template.schema,
			"{\"type\":\"object\",\"properties\":{"
			"\"overall_score\":{\"type\":\"number\",\"minimum\":0,\"maximum\":100},"
			"\"grade\":{\"anyOf\":[{\"enum\":[\"a\",\"b\"]},{\"type\":\"null\"}]},"
			"\"list\":{\"anyOf\":[{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":2},{\"type\":\"null\"}]},"
			"\"either\":{\"anyOf\":[{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]},{\"type\":\"null\"}]}},"
			"\"required\":[\"overall_score\",\"grade\",\"list\",\"either\"],\"additionalProperties\":false}",
			"and sent as a strict one");
	for (int i = 0; i < lengthof(cases); i++)
	{
		LiAnswerForm form = {.kind = LI_ANSWER_SCHEMA,.schema = template.answer_schema};
		LiJudgement j;

		li_answer_judge(&form, cases[i].content, li_evidence_new(PROFILE), &j);
		is_text(j.fault == NULL ? NULL : j.path, cases[i].path, cases[i].content);
	}

	row.response_schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\"}}}";
	li_template_parse(&row, &template, &problem);
	ok(problem == NULL && template.schema == NULL && template.answer_schema != NULL,
	   "a schema that cannot be strict is only checked");
	row.response_schema = "{\"type\":\"array\"}";
	li_template_parse(&row, &template, &problem);
	ok(problem != NULL, "a list is no object");
	row.response_schema = "{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"x\"}}}";
	li_template_parse(&row, &template, &problem);
	ok(problem != NULL, "an unknown keyword");
}

static void
test_compatibility(void)
{
	static const LiRole roles[] = {{"CIO", "Chief Information Officer", NULL}, {"CTO", "Chief Technology Officer", "leads"}};
	LiAnswerForm form = {.kind = LI_ANSWER_COMPATIBILITY,.roles = roles,.n_roles = 2};
	LiJudgement j;

#define RATED(confidence) "{\"evidence\":[\"Led 40 engineers\"],\"reasoning\":\"\"," \
	"\"key_qualifications\":[],\"missing_qualifications\":[],\"confidence\":" confidence "}"
#define BOTH(a, b) "{\"roles\":{\"CIO\":" RATED(a) ",\"CTO\":" RATED(b) "},\"overall_assessment\":\"x\"}"

	is_text(li_compatibility_describe(roles, 2),
			"CIO (Chief Information Officer)\nCTO (Chief Technology Officer): leads", "roles as a prompt tells them");
	form.schema = li_compatibility_schema(roles, 2);
	li_answer_judge(&form, BOTH("0.5", "0.9"), li_evidence_new(PROFILE), &j);
	is_text(j.fault, NULL, "a rating of every role");
	is_text(j.recommended_role, "CTO", "the most confident is recommended");
	ok(!j.ungrounded, "its evidence is there");
	li_answer_judge(&form, BOTH("0.7", "0.7"), li_evidence_new(PROFILE), &j);
	is_text(j.recommended_role, "CIO", "of equals the first");
	li_answer_judge(&form, BOTH("0.40", "0.39"), li_evidence_new(PROFILE), &j);
	is_text(j.recommended_role, "CIO", "the gate is passed at 0.40");
	li_answer_judge(&form, BOTH("0", "0.399"), li_evidence_new(PROFILE), &j);
	ok(j.fault == NULL && j.recommended_role == NULL, "and not below");
	li_answer_judge(&form, BOTH("0.5", "1.01"), li_evidence_new(PROFILE), &j);
	is_text(j.path, "roles.CTO.confidence", "a confidence is at most 1");
	li_answer_judge(&form, "{\"roles\":{\"CIO\":" RATED("1") "},\"overall_assessment\":\"x\"}",
					li_evidence_new(PROFILE), &j);
	is_text(j.path, "roles.CTO", "a role left out");
}

int
main(void)
{
	make_rubric();
	test_accepted();
	test_mended();
	test_refused();
	test_objects();
	test_schemas();
	test_compatibility();
	return done_testing();
}
