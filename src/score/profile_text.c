/*-------------------------------------------------------------------------
 *
 * profile_text.c
 *		A profile as the text that is sent to a model.
 *
 * Every profile gets the same plain layout: labelled lines, texts of several
 * lines indented below their label.  So a model sees what a person did and not
 * how the page was dressed up, and a line inside a text cannot pass for one of
 * our labels.
 *
 * The text is kept as a list of parts, since it may have to be shortened: when
 * it is written, and again when the provider finds it too long.  Descriptions
 * are the only parts that are cut.  Oldest first, each is cut down to an
 * opening; then, oldest first, they are left out; activities at schools and the
 * person's own summary follow.  The newest role is never touched.
 *
 *-------------------------------------------------------------------------
 */
#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "lib/stringinfo.h"

#include "json.h"
#include "score/blind.h"
#include "score/chars.h"
#include "score/clean.h"
#include "score/profile_text.h"

#define MAX_LINE	300			/* characters of a labelled line */
#define MAX_LIST	6000		/* characters of a list, e.g. skills */
#define MAX_VALUE	200			/* characters of a placeholder's value */
#define OPENING		600			/* bytes that a first cut leaves */
#define SHORTEST	120			/* bytes below which a part is left out */
#define CUT_MARK	" [...]"

/* In which order parts are cut; experiences before the rest, oldest first. */
typedef enum PartKind
{
	PART_FIXED,
	PART_ROLE,					/* description of a role but the newest */
	PART_SCHOOL,				/* activities at a school */
	PART_ABOUT
} PartKind;

typedef struct Part
{
	PartKind	kind;
	char	   *label;			/* goes when nothing is kept; NULL: none */
	char	   *text;
	size_t		len;			/* bytes of text */
	size_t		keep;			/* bytes still sent */
	int			age;			/* PART_ROLE: 0 is the newest */
	char	   *name;			/* for the record; NULL when PART_FIXED */
} Part;

struct LiProfileText
{
	Part	   *parts;
	int			n;
	int			room;
	LiProfileValues values;
	int			substance;
	bool		hidden;
};

/* While the text is laid out. */
typedef struct Layout
{
	LiProfileText *text;
	LiCleaner	cleaner;
	LiBlind    *blind;			/* NULL: the name may be sent */
	StringInfoData lines;		/* fixed lines not yet made a part */
} Layout;

static char *
cleaned(Layout *layout, LiCleanKind kind, const char *raw)
{
	char	   *text = li_clean(&layout->cleaner, kind, raw);

	return layout->blind != NULL ? li_blind_apply(layout->blind, text) : text;
}

/* The first "max" characters of "text", without a word cut at the end. */
static char *
clipped(char *text, int max)
{
	size_t		len = text != NULL ? strlen(text) : 0;
	size_t		cut = 0;
	const char *end = text + len;

	if (len <= (size_t) max || li_char_count(text, len) <= max)
		return text;
	while (max-- > 0)
	{
		uint32		cp;

		cut += li_char_read(text + cut, end, &cp);
	}
	for (size_t back = cut; back > 0 && cut - back < 40; back--)
	{
		if (text[back] == ' ')
		{
			cut = back;
			break;
		}
	}
	text[cut] = '\0';
	return text;
}

static Part *
add_part(LiProfileText *text, PartKind kind)
{
	Part	   *part;

	if (text->n == text->room)
	{
		text->room *= 2;
		text->parts = repalloc(text->parts, text->room * sizeof(Part));
	}
	part = &text->parts[text->n++];
	memset(part, 0, sizeof(*part));
	part->kind = kind;
	return part;
}

/* Makes a part of the lines collected so far. */
static void
flush_lines(Layout *layout)
{
	Part	   *part;

	if (layout->lines.len == 0)
		return;
	part = add_part(layout->text, PART_FIXED);
	part->text = pstrdup(layout->lines.data);
	part->len = part->keep = layout->lines.len;
	resetStringInfo(&layout->lines);
}

/* "Label: value", if there is a value. */
static void
add_line(Layout *layout, const char *label, const char *value)
{
	if (value == NULL)
		return;
	appendStringInfo(&layout->lines, "%s: %s\n", label, value);
	layout->text->substance += li_char_count(value, strlen(value));
}

static void
add_clean_line(Layout *layout, LiCleanKind kind, const char *label, const char *raw)
{
	add_line(layout, label, clipped(cleaned(layout, kind, raw), MAX_LINE));
}

/* A text of several lines, indented below its label; may be shortened later. */
static Part *
add_text(Layout *layout, PartKind kind, const char *label, const char *raw, char *name)
{
	char	   *value = cleaned(layout, LI_CLEAN_TEXT, raw);
	StringInfoData indented;
	Part	   *part;

	if (value == NULL)
		return NULL;
	layout->text->substance += li_char_count(value, strlen(value));

	initStringInfo(&indented);
	appendStringInfoString(&indented, "  ");
	for (const char *p = value; *p != '\0';)
	{
		size_t		len = strcspn(p, "\n");

		while (p[len] == '\n')
			len++;
		appendBinaryStringInfo(&indented, p, len);
		p += len;
		if (*p != '\0')
			appendStringInfoString(&indented, "  ");
	}

	flush_lines(layout);
	part = add_part(layout->text, kind);
	part->label = psprintf("%s:\n", label);
	part->text = indented.data;
	part->len = part->keep = indented.len;
	part->name = name;
	return part;
}

/* "2019-03", "2019"; nothing without a year */
static void
append_date(StringInfo buf, int year, int month)
{
	if (year > 0 && month >= 1 && month <= 12)
		appendStringInfo(buf, "%04d-%02d", year, month);
	else if (year > 0)
		appendStringInfo(buf, "%04d", year);
}

static char *
experience_dates(Layout *layout, const LiExperience *e)
{
	StringInfoData buf;

	if (e->start_year <= 0 && e->end_year <= 0)
	{
		char	   *range = clipped(cleaned(layout, LI_CLEAN_LINE, e->date_range), 60);

		return range == NULL && e->is_current ? "current" : range;
	}
	initStringInfo(&buf);
	if (e->start_year > 0)
		append_date(&buf, e->start_year, e->start_month);
	if (e->end_year > 0)
	{
		appendStringInfoString(&buf, e->start_year > 0 ? " to " : "until ");
		append_date(&buf, e->end_year, e->end_month);
	}
	else if (e->is_current)
		appendStringInfoString(&buf, " to present");
	else
		appendStringInfoString(&buf, " to unknown");
	return buf.data;
}

/* One line of facts about an employer that is known. */
static char *
company_facts(Layout *layout, const LiExperience *e)
{
	StringInfoData buf;
	char	   *employees = clipped(cleaned(layout, LI_CLEAN_LINE, e->employees), 60);
	char	   *industries = clipped(cleaned(layout, LI_CLEAN_LINE, e->industries), MAX_LINE);
	char	   *country = clipped(cleaned(layout, LI_CLEAN_LINE, e->country), 60);

	if (employees == NULL && industries == NULL && country == NULL)
		return NULL;
	initStringInfo(&buf);
	if (employees != NULL)
		appendStringInfo(&buf, "%s employees", employees);
	if (industries != NULL)
		appendStringInfo(&buf, "%sindustries %s", buf.len > 0 ? "; " : "", industries);
	if (country != NULL)
		appendStringInfo(&buf, "%scountry %s", buf.len > 0 ? "; " : "", country);
	return buf.data;
}

/* Is "a" newer than "b"?  Current roles first, then by end, then by start. */
static bool
is_newer(const LiExperience *a, const LiExperience *b)
{
	int			a_end = a->is_current ? PG_INT32_MAX : a->end_year * 12 + a->end_month;
	int			b_end = b->is_current ? PG_INT32_MAX : b->end_year * 12 + b->end_month;

	if (a_end != b_end)
		return a_end > b_end;
	return a->start_year * 12 + a->start_month > b->start_year * 12 + b->start_month;
}

/* How many roles are newer than number "i"; of equals, the first listed. */
static int
experience_age(const LiProfile *profile, int i)
{
	int			age = 0;

	for (int k = 0; k < profile->n_experiences; k++)
	{
		if (k == i)
			continue;
		if (is_newer(&profile->experiences[k], &profile->experiences[i]) ||
			(k < i && !is_newer(&profile->experiences[i], &profile->experiences[k])))
			age++;
	}
	return age;
}

static void
add_experience(Layout *layout, const LiProfile *profile, int i)
{
	const LiExperience *e = &profile->experiences[i];
	int			age = experience_age(profile, i);
	Part	   *part;

	appendStringInfo(&layout->lines, "\nExperience %d\n", i + 1);
	add_clean_line(layout, LI_CLEAN_NAME, "Title", e->title);
	add_clean_line(layout, LI_CLEAN_NAME, "Company", e->company);
	add_line(layout, "Company facts", company_facts(layout, e));
	add_line(layout, "Dates", experience_dates(layout, e));
	add_clean_line(layout, LI_CLEAN_LINE, "Location", e->location);
	part = add_text(layout, age == 0 ? PART_FIXED : PART_ROLE, "Description",
					e->description, psprintf("experience %d description", i + 1));
	if (part != NULL)
		part->age = age;
}

/* Education years tell a person's age, which a blind template withholds. */
static void
add_education(Layout *layout, const LiProfile *profile, int i)
{
	const LiEducation *e = &profile->educations[i];

	appendStringInfo(&layout->lines, "\nEducation %d\n", i + 1);
	add_clean_line(layout, LI_CLEAN_NAME, "School", e->school);
	add_clean_line(layout, LI_CLEAN_NAME, "Degree", e->degree);
	add_clean_line(layout, LI_CLEAN_NAME, "Field of study", e->field_of_study);
	if (layout->blind == NULL && (e->start_year > 0 || e->end_year > 0))
	{
		StringInfoData years;

		initStringInfo(&years);
		append_date(&years, e->start_year, 0);
		if (e->end_year > 0)
			appendStringInfo(&years, "%s%04d",
							 e->start_year > 0 ? " to " : "until ", e->end_year);
		add_line(layout, "Years", years.data);
	}
	add_text(layout, PART_SCHOOL, "Activities", e->activities,
			 psprintf("education %d activities", i + 1));
}

/* The first member of "object" among "keys" that is a text. */
static const char *
first_text(const json_t *object, const char *const *keys)
{
	for (; *keys != NULL; keys++)
	{
		const char *text = json_string_value(json_object_get(object, *keys));

		if (text != NULL && *text != '\0')
			return text;
	}
	return NULL;
}

/*
 * A list kept as JSON: texts, or objects of which two members are told.
 * Numbers and links of certificates are ids and stay behind.
 */
static void
add_json_list(Layout *layout, const char *label, const char *list,
			  const char *const *what, const char *const *detail)
{
	LiJson	   *json;
	StringInfoData buf;
	size_t		index;
	json_t	   *item;

	if (list == NULL)
		return;
	json = li_json_parse(list, strlen(list), NULL);
	if (json == NULL)
		return;
	initStringInfo(&buf);
	json_array_foreach(json->root, index, item)
	{
		const char *name = json_is_string(item) ? json_string_value(item) :
			first_text(item, what);
		const char *more = json_is_object(item) ? first_text(item, detail) : NULL;
		char	   *clean_name = clipped(cleaned(layout, LI_CLEAN_NAME, name), MAX_LINE);
		char	   *clean_more = clipped(cleaned(layout, LI_CLEAN_NAME, more), MAX_LINE);

		if (clean_name == NULL)
			continue;
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? "; " : "", clean_name);
		if (clean_more != NULL)
			appendStringInfo(&buf, " (%s)", clean_more);
	}
	li_json_free(json);
	if (buf.len > 0)
		add_line(layout, label, clipped(buf.data, MAX_LIST));
}

static const char *
placeholder_value(Layout *layout, LiCleanKind kind, const char *raw)
{
	return clipped(cleaned(layout, kind, raw), MAX_VALUE);
}

LiProfileText *
li_profile_text_new(const LiProfile *profile, bool blind)
{
	static const char *const name_keys[] = {"name", "title", "language", NULL};
	static const char *const issuer_keys[] = {"issuer", "authority", "organization", "subtitle", NULL};
	static const char *const level_keys[] = {"proficiency", "fluency", "level", NULL};
	Layout		layout;
	LiProfileText *text = palloc0(sizeof(LiProfileText));
	char	   *full_name;
	char	   *skills;

	text->room = 16;
	text->parts = palloc(text->room * sizeof(Part));
	layout.text = text;
	layout.blind = NULL;
	initStringInfo(&layout.lines);

	/* the name itself is cleaned without knowledge of the name */
	li_cleaner_init(&layout.cleaner, NULL, NULL, NULL);
	full_name = li_clean(&layout.cleaner, LI_CLEAN_NAME, profile->full_name);
	if (blind)
		layout.blind =
			li_blind_new(full_name,
						 li_clean(&layout.cleaner, LI_CLEAN_NAME, profile->first_name),
						 li_clean(&layout.cleaner, LI_CLEAN_NAME, profile->last_name));
	li_cleaner_init(&layout.cleaner, full_name, profile->member_id, profile->public_id);

	text->values.full_name = blind ? LI_BLIND_NAME :
		clipped(full_name != NULL ? pstrdup(full_name) : NULL, MAX_VALUE);
	text->values.headline = placeholder_value(&layout, LI_CLEAN_LINE, profile->headline);
	text->values.job_title = placeholder_value(&layout, LI_CLEAN_NAME, profile->job_title);
	text->values.company_name = placeholder_value(&layout, LI_CLEAN_NAME, profile->company_name);
	text->values.location = placeholder_value(&layout, LI_CLEAN_LINE, profile->location);
	text->values.suggested_role =
		placeholder_value(&layout, LI_CLEAN_LINE, profile->suggested_role);

	appendStringInfo(&layout.lines, "Name: %s\n",
					 blind || full_name == NULL ? LI_BLIND_NAME : full_name);
	add_clean_line(&layout, LI_CLEAN_LINE, "Headline", profile->headline);
	add_clean_line(&layout, LI_CLEAN_NAME, "Current title", profile->job_title);
	add_clean_line(&layout, LI_CLEAN_NAME, "Current company", profile->company_name);
	add_clean_line(&layout, LI_CLEAN_LINE, "Location", profile->location);
	add_text(&layout, PART_ABOUT, "About", profile->about, "about");
	for (int i = 0; i < profile->n_experiences; i++)
		add_experience(&layout, profile, i);
	for (int i = 0; i < profile->n_educations; i++)
		add_education(&layout, profile, i);

	appendStringInfoChar(&layout.lines, '\n');
	skills = cleaned(&layout, LI_CLEAN_NAME, profile->skills);
	add_line(&layout, "Skills", clipped(skills, MAX_LIST));
	add_json_list(&layout, "Certifications", profile->certifications, name_keys, issuer_keys);
	add_json_list(&layout, "Languages", profile->languages, name_keys, level_keys);
	flush_lines(&layout);

	text->hidden = layout.cleaner.hidden_text;
	return text;
}

LiProfileText *
li_profile_text_copy(const LiProfileText *text)
{
	LiProfileText *copy = palloc(sizeof(LiProfileText));

	*copy = *text;
	copy->parts = palloc(text->room * sizeof(Part));
	memcpy(copy->parts, text->parts, text->n * sizeof(Part));
	return copy;
}

const LiProfileValues *
li_profile_text_values(const LiProfileText *text)
{
	return &text->values;
}

int
li_profile_text_substance(const LiProfileText *text)
{
	return text->substance;
}

bool
li_profile_text_hidden(const LiProfileText *text)
{
	return text->hidden;
}

/* Bytes of a part as it will be written. */
static size_t
part_size(const Part *part)
{
	size_t		size = part->keep;

	if (part->keep == 0)
		return 0;
	if (part->label != NULL)
		size += strlen(part->label) + 1;	/* and the last line end */
	if (part->keep < part->len)
		size += strlen(CUT_MARK);
	return size;
}

size_t
li_profile_text_size(const LiProfileText *text)
{
	size_t		size = 0;

	for (int i = 0; i < text->n; i++)
		size += part_size(&text->parts[i]);
	return size;
}

/*
 * Cuts "part" by "excess" bytes or more, but not below "least"; what would be
 * shorter than SHORTEST goes as a whole if "least" allows it.  Returns the
 * bytes won.
 */
static size_t
cut_part(Part *part, size_t excess, size_t least)
{
	size_t		before = part_size(part);
	size_t		target;

	excess += strlen(CUT_MARK);
	target = part->keep > excess ? part->keep - excess : 0;
	if (target < least)
		target = least;
	if (target < SHORTEST)
		target = 0;
	if (target >= part->keep)
		return 0;

	target = li_char_clip(part->text, part->len, target);
	/* rather between words, if one ends near */
	for (size_t back = target; back > 0 && target - back < 60; back--)
	{
		if (part->text[back] == ' ' || part->text[back] == '\n')
		{
			target = back;
			break;
		}
	}
	part->keep = target;
	return before > part_size(part) ? before - part_size(part) : 0;
}

/* The oldest role of those younger than "than"; NULL: none left. */
static Part *
next_role(LiProfileText *text, int than)
{
	Part	   *found = NULL;

	for (int i = 0; i < text->n; i++)
	{
		Part	   *part = &text->parts[i];

		if (part->kind == PART_ROLE && part->keep > 0 && part->age < than &&
			(found == NULL || part->age > found->age))
			found = part;
	}
	return found;
}

bool
li_profile_text_shorten(LiProfileText *text, size_t max_bytes)
{
	static const PartKind last_kinds[] = {PART_SCHOOL, PART_ABOUT};
	static const size_t leasts[] = {OPENING, 0};
	size_t		size = li_profile_text_size(text);
	size_t		before = size;

	for (int round = 0; round < lengthof(leasts); round++)
	{
		int			age = PG_INT32_MAX;
		Part	   *part;

		while (size > max_bytes && (part = next_role(text, age)) != NULL)
		{
			age = part->age;
			size -= cut_part(part, size - max_bytes, leasts[round]);
		}
	}
	for (int k = 0; k < lengthof(last_kinds); k++)
	{
		for (int i = text->n - 1; i >= 0 && size > max_bytes; i--)
		{
			if (text->parts[i].kind == last_kinds[k] && text->parts[i].keep > 0)
				size -= cut_part(&text->parts[i], size - max_bytes, 0);
		}
	}
	return size < before;
}

char *
li_profile_text_write(const LiProfileText *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < text->n; i++)
	{
		const Part *part = &text->parts[i];

		if (part->keep == 0)
			continue;
		if (part->label != NULL)
			appendStringInfoString(&buf, part->label);
		appendBinaryStringInfo(&buf, part->text, part->keep);
		if (part->keep < part->len)
			appendStringInfoString(&buf, CUT_MARK);
		if (part->label != NULL)
			appendStringInfoChar(&buf, '\n');
	}
	while (buf.len > 0 && buf.data[buf.len - 1] == '\n')
		buf.data[--buf.len] = '\0';
	return buf.data;
}

int
li_profile_text_shortened(const LiProfileText *text, LiShortened **list)
{
	int			n = 0;

	*list = palloc(text->n * sizeof(LiShortened));
	for (int i = 0; i < text->n; i++)
	{
		const Part *part = &text->parts[i];

		if (part->keep == part->len)
			continue;
		(*list)[n].part = part->name;
		(*list)[n].length = li_char_count(part->text, part->len);
		(*list)[n].kept = li_char_count(part->text, part->keep);
		n++;
	}
	return n;
}
