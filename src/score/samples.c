/*-------------------------------------------------------------------------
 *
 * samples.c
 *		Stored answers: several put together, one used again.
 *
 * A criterion gets the median of its samples, and with it the words and quotes
 * of the sample that came nearest, so that number and reasons belong together.
 * Then the combined answer is read as if it had been stored: what is said of a
 * result, and why it needs a look, is found in one place whether it comes from
 * samples or from the cache.
 *
 * Numbers are doubles.  Scores have at most four decimals, so the mean of two
 * has at most five; decimal() brings each computed value back to the double
 * that is nearest to the decimal one, and JSON's 15 digits then write it
 * exactly.
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
#include "score/compatibility.h"
#include "score/samples.h"

#define ENOUGH_SAMPLES	3		/* before which samples cannot agree */
#define CLOSE_POINTS	5		/* so far apart they still agree */
#define WIDE_POINTS		15		/* further apart a person has to look */

/* Where the numbers of an answer are. */
typedef struct Shape
{
	LiAnswerKind kind;
	const char *group;			/* member that holds the parts; NULL: the one
								 * number is the answer's own */
	const char *number;			/* member of a part */
	double		max;			/* of a number, which is at least 0 */
	int			n;				/* parts */
	const char **keys;
} Shape;

typedef struct Samples
{
	Shape		shape;
	int			n;				/* answers that have the form */
	LiJson	  **answers;
	double	   *values;			/* by sample, then part; NAN: no score */
} Samples;

static const char *const token_counts[] = {"prompt_tokens", "completion_tokens", "tokens_used"};

static double
decimal(double value)
{
	return rint(value * 1e9) / 1e9;
}

/* jansson's own name for this is also a function of the server. */
static json_t *
new_object(void)
{
	return json_pack("{}");
}

/* Whole numbers are stored as such. */
static json_t *
number_json(double value)
{
	if (isnan(value))
		return json_null();
	return rint(value) == value ? json_integer((json_int_t) value) : json_real(value);
}

static void
make_shape(const LiAnswerForm *form, Shape *shape)
{
	shape->kind = form->kind;
	switch (form->kind)
	{
		case LI_ANSWER_RUBRIC:
			shape->group = "criteria";
			shape->number = "score";
			shape->max = 100;
			shape->n = form->n_keys;
			break;
		case LI_ANSWER_COMPATIBILITY:
			shape->group = "roles";
			shape->number = "confidence";
			shape->max = 1;
			shape->n = form->n_roles;
			break;
		case LI_ANSWER_OBJECT:
		case LI_ANSWER_SCHEMA:
			shape->group = NULL;
			shape->number = "overall_score";
			shape->max = 100;
			shape->n = 1;
			break;
	}
	shape->keys = palloc(Max(shape->n, 1) * sizeof(char *));
	for (int i = 0; i < shape->n; i++)
		shape->keys[i] = form->kind == LI_ANSWER_RUBRIC ? form->keys[i] :
			form->kind == LI_ANSWER_COMPATIBILITY ? form->roles[i].role : shape->number;
}

/* What holds number "i". */
static json_t *
part_of(const Shape *shape, const json_t *root, int i)
{
	if (shape->group == NULL)
		return (json_t *) root;
	return json_object_get(json_object_get(root, shape->group), shape->keys[i]);
}

/* What the samples said stands beside the parts, or where no model writes. */
static json_t *
samples_place(const Shape *shape, json_t *root)
{
	return shape->group != NULL ? root : json_object_get(root, "_metadata");
}

/* Number "i" into *value, NAN for none; false when the form has no such one. */
static bool
read_value(const Shape *shape, const json_t *root, int i, double *value)
{
	const json_t *number = json_object_get(part_of(shape, root, i), shape->number);

	*value = json_number_value(number);
	if (json_is_number(number) && *value >= 0 && *value <= shape->max)
		return true;
	*value = NAN;
	return shape->kind == LI_ANSWER_RUBRIC ? json_is_null(number) : shape->group == NULL;
}

/* The answer with its numbers in "values"; NULL when it does not fit. */
static LiJson *
read_answer(const Shape *shape, const char *text, double *values)
{
	LiJson	   *json = li_json_parse(text, strlen(text), NULL);
	bool		fits;

	if (json == NULL)
		return NULL;
	fits = json_is_object(json_object_get(json->root, "_metadata"));
	if (shape->group != NULL)
		fits = fits && json_object_size(json_object_get(json->root, shape->group)) == shape->n;
	for (int i = 0; fits && i < shape->n; i++)
		fits = read_value(shape, json->root, i, &values[i]);
	if (fits)
		return json;
	li_json_free(json);
	return NULL;
}

static void
read_samples(const LiAnswerForm *form, const char *const *parsed, int n, Samples *samples)
{
	make_shape(form, &samples->shape);
	samples->n = 0;
	samples->answers = palloc(Max(n, 1) * sizeof(LiJson *));
	samples->values = palloc(Max(n * samples->shape.n, 1) * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		LiJson	   *answer = read_answer(&samples->shape, parsed[i],
										 samples->values + samples->n * samples->shape.n);

		if (answer != NULL)
			samples->answers[samples->n++] = answer;
	}
}

static void
free_samples(Samples *samples)
{
	for (int i = 0; i < samples->n; i++)
		li_json_free(samples->answers[i]);
	pfree(samples->answers);
	pfree(samples->values);
	pfree(samples->shape.keys);
}

static double
value_at(const Samples *samples, int sample, int part)
{
	return samples->values[sample * samples->shape.n + part];
}

static int
compare_values(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* The values of a part in ascending order; returns their number. */
static int
sorted_values(const Samples *samples, int part, double *values)
{
	int			n = 0;

	for (int i = 0; i < samples->n; i++)
	{
		double		value = value_at(samples, i, part);

		if (!isnan(value))
			values[n++] = value;
	}
	qsort(values, n, sizeof(double), compare_values);
	return n;
}

/* How far apart the values of a part are, in points of 100; NAN: there is none. */
static double
spread_of(const Shape *shape, const double *sorted, int n)
{
	if (n == 0)
		return NAN;
	return decimal((sorted[n - 1] - sorted[0]) * (100 / shape->max));
}

/*
 * The median; NAN when fewer than half of the samples tell a score.  A total
 * of an object's own, which nothing makes a model give, needs one sample.
 */
static double
median_of(const Samples *samples, const double *sorted, int n)
{
	if (n == 0 || (samples->shape.group != NULL && n * 2 < samples->n))
		return NAN;
	if (n % 2 == 1)
		return sorted[n / 2];
	return decimal((sorted[n / 2 - 1] + sorted[n / 2]) / 2);
}

/* The first sample whose value is nearest to "median", or that has none either. */
static int
nearest_sample(const Samples *samples, int part, double median)
{
	int			nearest = -1;
	double		least = 0;

	for (int i = 0; i < samples->n; i++)
	{
		double		value = value_at(samples, i, part);
		double		distance = decimal(fabs(value - median));

		if (isnan(median) && isnan(value))
			return i;
		if (!isnan(distance) && (nearest < 0 || distance < least))
		{
			nearest = i;
			least = distance;
		}
	}
	return nearest;
}

bool
li_samples_agree(const LiAnswerForm *form, const char *const *parsed, int n)
{
	Samples		samples;
	double	   *values = palloc(Max(n, 1) * sizeof(double));
	bool		agree;

	read_samples(form, parsed, n, &samples);
	agree = samples.shape.group != NULL && samples.n >= ENOUGH_SAMPLES;
	for (int i = 0; agree && i < samples.shape.n; i++)
	{
		int			scored = sorted_values(&samples, i, values);

		if (scored > 0)
			agree = scored == samples.n &&
				spread_of(&samples.shape, values, scored) <= CLOSE_POINTS;
	}
	free_samples(&samples);
	pfree(values);
	return agree;
}

/* Puts each part's median, with the words that belong to it, into "root". */
static void
put_medians(const Samples *samples, json_t *root, LiJson *group, LiJson *spread)
{
	const Shape *shape = &samples->shape;
	double	   *values = palloc(samples->n * sizeof(double));

	group->root = new_object();
	spread->root = new_object();
	for (int i = 0; i < shape->n; i++)
	{
		int			n = sorted_values(samples, i, values);
		double		median = median_of(samples, values, n);

		json_object_set_new(spread->root, shape->keys[i],
							number_json(spread_of(shape, values, n)));
		if (shape->group != NULL)
		{
			int			nearest = nearest_sample(samples, i, median);
			json_t	   *part = json_copy(part_of(shape, samples->answers[nearest]->root, i));

			json_object_set_new(part, shape->number, number_json(median));
			json_object_set_new(group->root, shape->keys[i], part);
		}
		else if (!isnan(median))
			json_object_set_new(root, shape->number, number_json(median));
	}
	if (shape->group != NULL)
		json_object_set(root, shape->group, group->root);
	json_object_set(samples_place(shape, root), "spread", spread->root);
	pfree(values);
}

/* Keeps what each sample said.  Nothing here throws: the list has no owner yet. */
static void
put_samples(const Samples *samples, json_t *root)
{
	const Shape *shape = &samples->shape;
	json_t	   *list = json_array();

	for (int s = 0; s < samples->n; s++)
	{
		json_t	   *numbers = new_object();

		for (int i = 0; i < shape->n; i++)
			json_object_set_new(numbers, shape->keys[i], number_json(value_at(samples, s, i)));
		if (shape->group != NULL)
			numbers = json_pack("{s:o}", shape->group, numbers);
		json_array_append_new(list, numbers);
	}
	json_object_set_new(samples_place(shape, root), "samples", list);
}

/*
 * "root" has the metadata of the last sample.  Tokens are summed, not known
 * when one sample's are not; what was found in the text of one sample counts,
 * since each may have been sent a text shortened in its own way.
 */
static void
put_metadata(const Samples *samples, json_t *root)
{
	static const char *const findings[] = {"shortened", "injection"};
	json_t	   *merged = json_object_get(root, "_metadata");

	for (int i = 0; i < lengthof(token_counts); i++)
	{
		json_int_t	sum = 0;
		bool		known = true;

		for (int s = 0; s < samples->n; s++)
		{
			const json_t *count =
			json_object_get(json_object_get(samples->answers[s]->root, "_metadata"), token_counts[i]);

			known &= json_is_integer(count);
			sum += json_integer_value(count);
		}
		json_object_set_new(merged, token_counts[i], known ? json_integer(sum) : json_null());
	}
	for (int i = 0; i < lengthof(findings); i++)
	{
		for (int s = samples->n - 1; s >= 0 && json_object_get(merged, findings[i]) == NULL; s--)
			json_object_set(merged, findings[i],
							json_object_get(json_object_get(samples->answers[s]->root, "_metadata"),
											findings[i]));
	}
}

static const char *
number_text(double value)
{
	return isnan(value) ? NULL : psprintf("%.15g", value);
}

/* What the answer in "root" says; false when it does not have the form. */
static bool
judge_stored(const LiAnswerForm *form, const Shape *shape, json_t *root, LiStored *stored)
{
	const json_t *metadata = json_object_get(root, "_metadata");
	LiJudgement *judgement = &stored->judgement;
	const char *key;
	json_t	   *points;

	memset(stored, 0, sizeof(*stored));
	if (form->kind == LI_ANSWER_RUBRIC)
		judgement->scores = palloc0(form->n_keys * sizeof(char *));
	for (int i = 0; i < shape->n; i++)
	{
		const json_t *part = part_of(shape, root, i);
		double		value;

		if (!read_value(shape, root, i, &value))
			return false;
		switch (form->kind)
		{
			case LI_ANSWER_RUBRIC:
				judgement->scores[i] = number_text(value);
				judgement->unscored |= isnan(value);
				judgement->ungrounded |=
					!isnan(value) && !json_is_true(json_object_get(part, "grounded"));
				break;
			case LI_ANSWER_COMPATIBILITY:
				judgement->ungrounded |= value >= LI_COMPATIBILITY_GATE &&
					!json_is_true(json_object_get(part, "grounded"));
				break;
			case LI_ANSWER_OBJECT:
			case LI_ANSWER_SCHEMA:
				judgement->overall = number_text(value);
				break;
		}
	}
	if (form->kind == LI_ANSWER_COMPATIBILITY)
		judgement->recommended_role =
			li_compatibility_recommend(form->roles, form->n_roles, root);

	stored->injection = json_array_size(json_object_get(metadata, "injection")) > 0;
	stored->shortened = json_array_size(json_object_get(metadata, "shortened")) > 0;
	json_object_foreach(json_object_get(samples_place(shape, root), "spread"), key, points)
		stored->spread |= json_number_value(points) > WIDE_POINTS;
	stored->parsed_score = li_json_dump_compact(root);
	return true;
}

bool
li_samples_combine(const LiAnswerForm *form, const char *const *parsed, int n, LiStored *stored)
{
	LiJson	   *combined = li_json_new();
	LiJson	   *group = li_json_new();
	LiJson	   *spread = li_json_new();
	Samples		samples;
	bool		found;

	read_samples(form, parsed, n, &samples);
	found = samples.n > 0;
	if (found)
	{
		combined->root = json_deep_copy(samples.answers[samples.n - 1]->root);
		put_metadata(&samples, combined->root);
		put_samples(&samples, combined->root);
		put_medians(&samples, combined->root, group, spread);
		if (!judge_stored(form, &samples.shape, combined->root, stored))
			stored->parsed_score = NULL;	/* there was no memory for all of it */
	}
	li_json_free(spread);
	li_json_free(group);
	li_json_free(combined);
	free_samples(&samples);
	return found;
}

bool
li_stored_reuse(const LiAnswerForm *form, const char *parsed, LiStored *stored)
{
	Samples		samples;
	bool		found;

	read_samples(form, &parsed, 1, &samples);
	found = samples.n > 0;
	if (found)
	{
		json_t	   *root = samples.answers[0]->root;
		json_t	   *metadata = json_object_get(root, "_metadata");

		/* nothing was spent here, and what retotal() noted is the other job's own */
		for (int i = 0; i < lengthof(token_counts); i++)
			json_object_set_new(metadata, token_counts[i], json_integer(0));
		json_object_set_new(metadata, "cached", json_true());
		json_object_del(metadata, "totals");
		json_object_del(metadata, "weights_version");
		found = judge_stored(form, &samples.shape, root, stored);
	}
	free_samples(&samples);
	return found;
}
