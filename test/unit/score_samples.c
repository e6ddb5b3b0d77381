/*-------------------------------------------------------------------------
 *
 * score_samples.c
 *		Samples put together and answers used again, against an oracle that
 *		counts in whole numbers.
 *
 *-------------------------------------------------------------------------
 */
/* sources: src/score/samples.c src/score/compatibility.c src/json.c; libs: -ljansson */
#include "postgres_fe.h"

#include "lib/stringinfo.h"

#include "json.h"
#include "score/compatibility.h"
#include "score/samples.h"
#include "tap.h"

#define CASES		10000
#define MAX_N		9
#define MAX_KEYS	4
#define NONE		-1			/* no score */
#define UNIT		100000		/* of the oracle's numbers: 5 decimals */

static const char *const keys[] = {"tech", "team work", "\xc3\xa9tage", "z"};
static const LiRole roles[] = {{"CIO", "Information", NULL}, {"CTO", "Technology", NULL}};
static const LiAnswerForm object = {.kind = LI_ANSWER_OBJECT};
static const LiAnswerForm both_roles = {
	.kind = LI_ANSWER_COMPATIBILITY,.roles = roles,.n_roles = 2
};

static LiAnswerForm
rubric(int n)
{
	LiAnswerForm form = {.kind = LI_ANSWER_RUBRIC,.keys = keys,.n_keys = n};

	return form;
}

/* xorshift: the same cases everywhere */
static uint64 seed = 20260711;

static int
below(int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (int) ((seed >> 11) % n);
}

/* ---------- the oracle ---------- */

/* A number of 1 / UNIT as the shortest decimal. */
static char *
decimal_text(int units)
{
	char	   *text;

	if (units == NONE)
		return NULL;
	text = psprintf("%d.%05d", units / UNIT, units % UNIT);
	while (text[strlen(text) - 1] == '0')
		text[strlen(text) - 1] = '\0';
	if (text[strlen(text) - 1] == '.')
		text[strlen(text) - 1] = '\0';
	return text;
}

/* The value that "rank" others precede, found by counting. */
static int
ranked(const int *values, int n, int rank)
{
	for (int i = 0; i < n; i++)
	{
		int			less = 0;
		int			equal = 0;

		for (int j = 0; j < n; j++)
		{
			less += values[j] != NONE && values[j] < values[i];
			equal += values[j] == values[i];
		}
		if (values[i] != NONE && less <= rank && rank < less + equal)
			return values[i];
	}
	return NONE;
}

static int
count_scored(const int *values, int n)
{
	int			scored = 0;

	for (int i = 0; i < n; i++)
		scored += values[i] != NONE;
	return scored;
}

static int
oracle_median(const int *values, int n)
{
	int			scored = count_scored(values, n);

	if (scored == 0 || scored * 2 < n)
		return NONE;
	return (ranked(values, n, (scored - 1) / 2) + ranked(values, n, scored / 2)) / 2;
}

static int
oracle_spread(const int *values, int n)
{
	int			spread = NONE;

	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < n; j++)
		{
			if (values[i] != NONE && values[j] != NONE)
				spread = Max(spread, values[i] - values[j]);
		}
	}
	return spread;
}

static int
oracle_nearest(const int *values, int n, int median)
{
	int			nearest = -1;

	for (int i = n - 1; i >= 0; i--)
	{
		if (median == NONE)
			nearest = values[i] == NONE ? i : nearest;
		else if (values[i] != NONE &&
				 (nearest < 0 || abs(values[i] - median) <= abs(values[nearest] - median)))
			nearest = i;
	}
	return nearest;
}

/* ---------- random samples ---------- */

/* Values in UNITs, by key and sample: close together, far apart, or anything. */
static void
make_values(int values[MAX_KEYS][MAX_N], int n_keys, int n)
{
	int			range = below(2) == 0 ? 8 : 101;
	int			nulls = below(3);	/* none, some, many */
	bool		fractions = below(3) == 0;

	for (int k = 0; k < n_keys; k++)
	{
		int			from = below(102 - range);

		for (int i = 0; i < n; i++)
		{
			values[k][i] = (from + below(range)) * UNIT;
			if (fractions && values[k][i] < 100 * UNIT)
				values[k][i] += below(10000) * (UNIT / 10000);
			if (below(10) < nulls * nulls)
				values[k][i] = NONE;
		}
	}
}

static char *
make_answer(int values[MAX_KEYS][MAX_N], int n_keys, int sample)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{\"summary\":\"of %d\",\"_metadata\":{\"prompt_tokens\":10,\"completion_tokens\":%d,"
					 "\"tokens_used\":%d},\"criteria\":{", sample, sample, sample + 10);
	for (int k = n_keys - 1; k >= 0; k--)
	{
		const char *score = decimal_text(values[k][sample]);

		appendStringInfo(&buf, "\"%s\":{\"score\":%s,\"justification\":\"of %d\",\"grounded\":true}%s",
						 keys[k], score != NULL ? score : "null", sample, k > 0 ? "," : "}}");
	}
	return buf.data;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_case(int number)
{
	int			n_keys = 1 + below(MAX_KEYS);
	int			n = 1 + below(MAX_N);
	LiAnswerForm form = rubric(n_keys);
	int			values[MAX_KEYS][MAX_N];
	const char *parsed[MAX_N];
	bool		agree = n >= 3;
	bool		wide = false;
	bool		unscored = false;
	bool		good = true;
	LiStored	stored;
	LiJson	   *json;

	make_values(values, n_keys, n);
	for (int i = 0; i < n; i++)
		parsed[i] = make_answer(values, n_keys, i);
	if (!li_samples_combine(&form, parsed, n, &stored))
	{
		ok(false, "case %d is combined", number);
		return;
	}
	json = li_json_parse(stored.parsed_score, strlen(stored.parsed_score), NULL);
	for (int k = 0; k < n_keys; k++)
	{
		int			median = oracle_median(values[k], n);
		int			spread = oracle_spread(values[k], n);
		int			scored = count_scored(values[k], n);
		json_t	   *criterion = json_object_get(json_object_get(json->root, "criteria"), keys[k]);
		json_t	   *told = json_object_get(json_object_get(json->root, "spread"), keys[k]);

		agree &= scored == 0 || (scored == n && spread <= 5 * UNIT);
		wide |= spread > 15 * UNIT;
		unscored |= median == NONE;
		good &= same(stored.judgement.scores[k], decimal_text(median));
		good &= same(li_json_dump_compact(json_object_get(criterion, "score")),
					 median == NONE ? "null" : decimal_text(median));
		good &= same(json_string_value(json_object_get(criterion, "justification")),
					 psprintf("of %d", oracle_nearest(values[k], n, median)));
		good &= same(li_json_dump_compact(told), spread == NONE ? "null" : decimal_text(spread));
		for (int i = 0; i < n; i++)
		{
			json_t	   *sample = json_array_get(json_object_get(json->root, "samples"), i);
			const char *text = decimal_text(values[k][i]);

			sample = json_object_get(json_object_get(sample, "criteria"), keys[k]);
			good &= same(li_json_dump_compact(sample), text != NULL ? text : "null");
		}
	}
	good &= json_array_size(json_object_get(json->root, "samples")) == n;
	good &= stored.spread == wide && !stored.judgement.ungrounded;
	good &= stored.judgement.unscored == unscored;
	good &= li_samples_agree(&form, parsed, n) == agree;
	good &= same(json_string_value(json_object_get(json->root, "summary")), psprintf("of %d", n - 1));
	good &= same(li_json_dump_compact(json_object_get(json_object_get(json->root, "_metadata"), "tokens_used")),
				 psprintf("%d", 10 * n + n * (n - 1) / 2));
	li_json_free(json);
	if (!good)
		ok(false, "case %d: %s", number, stored.parsed_score);
}

static void
test_random(void)
{
	int			before = tap_failures;

	for (int i = 0; i < CASES; i++)
		check_case(i);
	ok(tap_failures == before, "%d random cases are as the oracle has them", CASES);
}

/* ---------- single cases ---------- */

#define CRITERION(score, word, grounded) "{\"score\":" score ",\"evidence\":[\"" word "\"],\"grounded\":" grounded "}"
#define ANSWER(tech, team, metadata) "{\"criteria\":{\"tech\":" tech ",\"team work\":" team "},\"summary\":\"x\",\"_metadata\":{" metadata "}}"
#define PLAIN(score) ANSWER(CRITERION(score, "a", "true"), CRITERION("50", "b", "true"), "")

/* One member of the combined answer as JSON text; path of at most 3 names. */
static const char *
told(const LiStored *stored, const char *a, const char *b, const char *c)
{
	LiJson	   *json = li_json_parse(stored->parsed_score, strlen(stored->parsed_score), NULL);
	json_t	   *value = json_object_get(json->root, a);
	const char *text;

	if (b != NULL)
		value = json_object_get(value, b);
	if (c != NULL)
		value = json_object_get(value, c);
	text = value != NULL ? li_json_dump_compact(value) : NULL;
	li_json_free(json);
	return text;
}

#define COMBINE(form, stored, ...) \
	li_samples_combine(form, (const char *const[]) {__VA_ARGS__}, \
					   lengthof(((const char *const[]) {__VA_ARGS__})), stored)
#define AGREE(form, ...) \
	li_samples_agree(form, (const char *const[]) {__VA_ARGS__}, \
					 lengthof(((const char *const[]) {__VA_ARGS__})))

static void
test_words(void)
{
	LiAnswerForm form = rubric(2);
	LiStored	s;

	ok(COMBINE(&form, &s, ANSWER(CRITERION("10", "first", "true"), CRITERION("null", "one", "false"), ""),
			   ANSWER(CRITERION("30", "second", "false"), CRITERION("40", "two", "true"), ""),
			   ANSWER(CRITERION("20", "third", "true"), CRITERION("60", "three", "false"), ""),
			   ANSWER(CRITERION("40", "fourth", "true"), CRITERION("null", "four", "true"), "")), "four samples");
	is_text(s.judgement.scores[0], "25", "an even number: the mean of the middle two");
	is_text(told(&s, "criteria", "tech", NULL), "{\"score\":25,\"evidence\":[\"second\"],\"grounded\":false}",
			"with the words of the first that is nearest");
	ok(s.judgement.ungrounded, "which are not grounded");
	is_text(s.judgement.scores[1], "50", "half of the samples are enough");
	is_text(told(&s, "spread", NULL, NULL), "{\"tech\":30,\"team work\":20}", "the spread in points");
	ok(s.spread && !s.judgement.unscored, "is too much");
	is_text(told(&s, "samples", NULL, NULL),
			"[{\"criteria\":{\"tech\":10,\"team work\":null}},{\"criteria\":{\"tech\":30,\"team work\":40}},"
			"{\"criteria\":{\"tech\":20,\"team work\":60}},{\"criteria\":{\"tech\":40,\"team work\":null}}]", "each sample is kept");

	ok(COMBINE(&form, &s, ANSWER(CRITERION("10", "first", "true"), CRITERION("70", "one", "true"), ""),
			   ANSWER(CRITERION("10", "second", "false"), CRITERION("null", "two", "false"), ""),
			   ANSWER(CRITERION("10", "third", "true"), CRITERION("null", "three", "true"), "")), "three samples");
	is_text(s.judgement.scores[1], NULL, "fewer than half are not");
	is_text(told(&s, "criteria", "team work", NULL), "{\"score\":null,\"evidence\":[\"two\"],\"grounded\":false}",
			"with the words of the first that gave none");
	ok(s.judgement.unscored && !s.judgement.ungrounded && !s.spread, "and what has no score needs no evidence");

	ok(COMBINE(&form, &s, ANSWER(CRITERION("87.35", "first", "true"), CRITERION("50.0", "one", "true"), "\"model_used\":\"m\"")),
	   "one sample");
	is_text(told(&s, "criteria", NULL, NULL), "{\"tech\":{\"score\":87.35,\"evidence\":[\"first\"],\"grounded\":true},"
			"\"team work\":{\"score\":50,\"evidence\":[\"one\"],\"grounded\":true}}", "is the answer");
	is_text(told(&s, "_metadata", "model_used", NULL), "\"m\"", "with its metadata");
}

static void
test_agreement(void)
{
	LiAnswerForm form = rubric(2);

#define NULLS(score) ANSWER(CRITERION("null", "a", "true"), CRITERION(score, "b", "true"), "")
	ok(AGREE(&form, PLAIN("60"), PLAIN("65"), PLAIN("61")), "five points apart");
	ok(!AGREE(&form, PLAIN("60"), PLAIN("65.0001"), PLAIN("61")), "more than five");
	ok(!AGREE(&form, PLAIN("60"), PLAIN("60")), "two are too few");
	ok(!AGREE(&form, PLAIN("60"), PLAIN("null"), PLAIN("60")), "scored by some");
	ok(AGREE(&form, NULLS("60"), NULLS("60"), NULLS("60")), "scored by none");
	ok(!AGREE(&form, PLAIN("60"), PLAIN("60"), "{}"), "what cannot be read does not count");
	ok(AGREE(&form, PLAIN("60"), PLAIN("60"), "{}", PLAIN("60")), "nor does it disagree");
	ok(!AGREE(&object, "{\"overall_score\":5,\"_metadata\":{}}", "{\"overall_score\":5,\"_metadata\":{}}",
			  "{\"overall_score\":5,\"_metadata\":{}}"), "answers without criteria never agree");
}

static void
test_metadata(void)
{
	LiAnswerForm form = rubric(2);
	LiStored	s;

#define WITH(metadata) ANSWER(CRITERION("60", "a", "true"), CRITERION("50", "b", "true"), metadata)
	COMBINE(&form, &s, WITH("\"prompt_tokens\":100,\"completion_tokens\":7,\"tokens_used\":107,"
							"\"shortened\":[{\"part\":\"about\"}],\"timestamp\":\"then\""),
			WITH("\"prompt_tokens\":200,\"completion_tokens\":null,\"tokens_used\":null,"
				 "\"injection\":[\"score\"],\"timestamp\":\"now\""));
	is_text(told(&s, "_metadata", NULL, NULL), "{\"prompt_tokens\":300,\"completion_tokens\":null,\"tokens_used\":null,"
			"\"injection\":[\"score\"],\"timestamp\":\"now\",\"shortened\":[{\"part\":\"about\"}]}",
			"tokens are summed if known, findings of one sample count");
	ok(s.shortened && s.injection, "and are reasons to look");
	COMBINE(&form, &s, WITH("\"shortened\":[]"), WITH(""));
	ok(!s.shortened && !s.injection, "nothing found, no reason");
}

static void
test_unfit(void)
{
	static const char *const texts[] = {
		"", "{", "5", "[]", "{}", "null", "{\"criteria\":{},\"_metadata\":{}}", "{\"criteria\":[1,2],\"_metadata\":{}}",
		"{\"criteria\":{\"tech\":1,\"team work\":2},\"_metadata\":{}}",
		"{\"criteria\":{\"tech\":{},\"team work\":{}},\"_metadata\":{}}",
		"{\"criteria\":{\"tech\":{\"score\":1},\"other\":{\"score\":2}},\"_metadata\":{}}",
		"{\"criteria\":{\"tech\":{\"score\":1}},\"_metadata\":{}}",
		"{\"criteria\":{\"tech\":{\"score\":1},\"team work\":{\"score\":2},\"third\":{\"score\":3}},\"_metadata\":{}}",
		"{\"criteria\":{\"tech\":{\"score\":1},\"team work\":{\"score\":2}}}",
		"{\"criteria\":{\"tech\":{\"score\":1},\"team work\":{\"score\":2}},\"_metadata\":[]}",
		PLAIN("\"60\""), PLAIN("101"), PLAIN("-1"), PLAIN("true"), PLAIN("[60]"), PLAIN("1e400"),
		"{\"roles\":{\"CIO\":{\"confidence\":1},\"CTO\":{\"confidence\":1}},\"_metadata\":{}}"
	};
	LiAnswerForm form = rubric(2);
	LiStored	s;

	for (int i = 0; i < lengthof(texts); i++)
	{
		ok(!li_samples_combine(&form, &texts[i], 1, &s), "not of the form: %s", texts[i]);
		ok(!li_stored_reuse(&form, texts[i], &s), "nor used again");
	}
	ok(!li_samples_combine(&form, texts, lengthof(texts), &s), "none is left");
	ok(COMBINE(&form, &s, PLAIN("10"), "{}", PLAIN("80"), PLAIN("70")), "the rest counts");
	is_text(s.judgement.scores[0], "70", "as if the bad one were not there");
	ok(COMBINE(&form, &s, "{\"criteria\":{\"tech\":{\"score\":9},\"team work\":{\"score\":8}},\"_metadata\":{}}"),
	   "scores without evidence");
	ok(s.judgement.ungrounded, "are not grounded");
}

#define RATED(confidence, word, grounded) "{\"confidence\":" confidence ",\"reasoning\":\"" word "\",\"grounded\":" grounded "}"
#define ROLES(cio, cto) "{\"roles\":{\"CTO\":" cto ",\"CIO\":" cio "},\"overall_assessment\":\"x\",\"_metadata\":{}}"
#define SURE(cio, cto) ROLES(RATED(cio, "a", "true"), RATED(cto, "b", "true"))

static void
test_compatibility(void)
{
	LiStored	s;

	ok(COMBINE(&both_roles, &s, ROLES(RATED("0.39", "one", "true"), RATED("0.9", "a", "false")),
			   ROLES(RATED("0.41", "two", "true"), RATED("0.1", "b", "false"))), "ratings of two samples");
	is_text(s.judgement.recommended_role, "CTO", "the highest median is recommended");
	is_text(told(&s, "roles", "CIO", NULL), "{\"confidence\":0.4,\"reasoning\":\"one\",\"grounded\":true}", "a median of confidences");
	is_text(told(&s, "spread", NULL, NULL), "{\"CIO\":2,\"CTO\":80}", "the spread in points");
	is_text(told(&s, "samples", NULL, NULL), "[{\"roles\":{\"CIO\":0.39,\"CTO\":0.9}},{\"roles\":{\"CIO\":0.41,\"CTO\":0.1}}]",
			"what each said");
	ok(s.spread && s.judgement.ungrounded, "a passed role without evidence, and a wide spread");
	COMBINE(&both_roles, &s, SURE("0.39", "0.2"), SURE("0.41", "0.1"));
	is_text(s.judgement.recommended_role, "CIO", "the gate is passed by a median of 0.40");
	COMBINE(&both_roles, &s, SURE("0.39", "0.2"), SURE("0.39", "0.1"), SURE("0.9", "0.9"));
	is_text(s.judgement.recommended_role, NULL, "and not by one sample alone");
	COMBINE(&both_roles, &s, SURE("0.7", "0.75"), SURE("0.8", "0.75"));
	is_text(s.judgement.recommended_role, "CIO", "of equal medians the first");
	COMBINE(&both_roles, &s, SURE("0.75", "0.5"), SURE("0.9", "0.5"));
	ok(!s.spread, "fifteen points are not too much");
	COMBINE(&both_roles, &s, SURE("0.75", "0.5"), SURE("0.901", "0.5"));
	ok(s.spread, "but more is");
	ok(AGREE(&both_roles, SURE("0.75", "0.5"), SURE("0.8", "0.5"), SURE("0.8", "0.5")), "five points apart agree");
	ok(!AGREE(&both_roles, SURE("0.75", "0.5"), SURE("0.81", "0.5"), SURE("0.8", "0.5")), "six do not");
	ok(!COMBINE(&both_roles, &s, SURE("null", "0.5")), "a role without confidence is not of the form");
	ok(!COMBINE(&both_roles, &s, SURE("1.01", "0.5")), "nor one above 1");
}

static void
test_objects(void)
{
	LiStored	s;

	ok(COMBINE(&object, &s, "{\"overall_score\":70,\"_metadata\":{}}", "{\"overall_score\":\"high\",\"_metadata\":{}}",
			   "{\"why\":\"last\",\"spread\":{\"a\":99},\"overall_score\":90.5,\"_metadata\":{}}"), "any objects");
	is_text(s.judgement.overall, "80.25", "the median of the scores there are");
	is_text(s.parsed_score, "{\"why\":\"last\",\"spread\":{\"a\":99},\"overall_score\":80.25,\"_metadata\":{"
			"\"prompt_tokens\":null,\"completion_tokens\":null,\"tokens_used\":null,"
			"\"samples\":[{\"overall_score\":70},{\"overall_score\":null},{\"overall_score\":90.5}],"
			"\"spread\":{\"overall_score\":20.5}}}", "the last object, its own members untouched");
	ok(s.spread, "twenty points apart");
	ok(COMBINE(&object, &s, "{\"overall_score\":101,\"_metadata\":{}}"), "a total that is none");
	ok(s.judgement.overall == NULL && !s.spread, "is not counted");
	is_text(told(&s, "overall_score", NULL, NULL), "101", "and stays in the object");
	ok(COMBINE(&object, &s, "{\"spread\":{\"a\":99},\"_metadata\":{}}") && !s.spread, "a model's own spread means nothing");
}

static void
test_reuse(void)
{
	LiAnswerForm form = rubric(2);
	LiStored	s;

	ok(li_stored_reuse(&form, WITH("\"model_used\":\"m\",\"prompt_tokens\":100,\"completion_tokens\":7,\"tokens_used\":107,"
								   "\"finish_reason\":\"stop\",\"totals\":[{\"total\":1}],\"weights_version\":3,"
								   "\"injection\":[\"score\"]"), &s), "an answer used again");
	is_text(told(&s, "_metadata", NULL, NULL), "{\"model_used\":\"m\",\"prompt_tokens\":0,\"completion_tokens\":0,\"tokens_used\":0,"
			"\"finish_reason\":\"stop\",\"injection\":[\"score\"],\"cached\":true}", "says so, without tokens or totals");
	is_text(s.judgement.scores[0], "60", "its scores");
	ok(s.injection && !s.shortened && !s.spread && !s.judgement.ungrounded, "and what is to be looked at");

	COMBINE(&form, &s, PLAIN("10"), PLAIN("87.3455"), PLAIN("87.3456"), PLAIN("100"));
	is_text(s.judgement.scores[0], "87.34555", "a mean of fractions");
	ok(li_stored_reuse(&form, s.parsed_score, &s) && s.spread, "a combined answer keeps its spread");
	is_text(s.judgement.scores[0], "87.34555", "and every decimal");
	form = rubric(3);
	ok(!li_stored_reuse(&form, PLAIN("60"), &s), "other criteria");
	ok(!li_stored_reuse(&both_roles, PLAIN("60"), &s), "another form");
	ok(li_stored_reuse(&both_roles, SURE("0.5", "0.6"), &s), "ratings");
	is_text(s.judgement.recommended_role, "CTO", "and their recommendation");
	ok(li_stored_reuse(&object, "{\"overall_score\":61.5,\"_metadata\":{}}", &s), "an object");
	is_text(s.judgement.overall, "61.5", "and its score");
}

int
main(void)
{
	test_random();
	test_words();
	test_agreement();
	test_metadata();
	test_unfit();
	test_compatibility();
	test_objects();
	test_reuse();
	return done_testing();
}
