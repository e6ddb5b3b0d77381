/*-------------------------------------------------------------------------
 * canonical.c
 *		One payload of any provider in, one canonical person out.
 *
 * The canonical form is a JSON object with every key of li_targets(): null for
 * a scalar that the payload does not tell, an empty list for a list.  Dates
 * keep their precision (a year, or a year and a month).  So two payloads about
 * the same person can be compared, and merged, key by key.
 *
 * Order of work: open the envelope, recognise the source, refuse a workflow
 * that failed, choose the record, read each target by its mapping, then derive
 * what follows from the rest.  Errors name fields, never what stands in them.
 *
 * Bounds: a payload of LI_MAX_PAYLOAD bytes, JSON text nested LI_MAX_UNWRAP
 * times, LI_MAX_ENTRIES entries of a list; jansson itself reads 2048 levels of
 * nesting, and below the record only mapped paths are followed.
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "profile/dates.h"
#include "profile/mapping.h"
#include "profile/path.h"
#include "profile/profile.h"
#include "profile/text.h"
#include "profile/url.h"

/* The largest real profiles have some hundred kilobytes. */
#define LI_MAX_PAYLOAD (8 * 1024 * 1024)

/* Characters of a provider's own message that an error quotes. */
#define MAX_QUOTED 200

#define PERSON_ROOT "https://www.linkedin.com/in/"

static json_t *
get(json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static const char *
get_text(json_t *object, const char *key)
{
	return json_string_value(get(object, key));
}

static int
get_int(json_t *object, const char *key)
{
	return (int) json_integer_value(get(object, key));
}

static bool
is_absent(json_t *object, const char *key)
{
	json_t	   *value = get(object, key);

	return value == NULL || json_is_null(value);
}

/* Sets a key; absent becomes null.  The pool keeps its own reference. */
static void
put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set(object, key, value ? value : json_null()) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static void
put_text(LiPool *pool, json_t *object, const char *key, const char *text)
{
	put(object, key, li_own(pool, json_string(text)));
}

static void
put_positive(LiPool *pool, json_t *object, const char *key, int value)
{
	if (value > 0)
		put(object, key, li_own(pool, json_integer(value)));
}

static void
payload_error(const char *message, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errdetail("%s", detail),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "payload")));
}

/* The source that was named, or the one the payload looks like. */
static LiSource *
choose_source(LiPool *pool, json_t *root, const char *name)
{
	List	   *sources = li_sources_load(pool);
	LiSource   *found;
	char	   *closest;
	ListCell   *lc;

	if (name == NULL)
	{
		found = li_source_recognize(sources, root, &closest);
		if (found == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("payload has the shape of no known source"),
					 errdetail("%s", closest),
					 errhint("Name its source, or add one to linkedin_ingest.sources."),
					 err_generic_string(PG_DIAG_COLUMN_NAME, "payload")));
		return found;
	}
	foreach(lc, sources)
	{
		found = lfirst(lc);
		if (strcmp(found->name, name) == 0)
			return found;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown source \"%s\"", li_text_one_line(name, MAX_QUOTED)),
			 errhint("The sources are the rows of linkedin_ingest.sources."),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "source")));
	return NULL;				/* keep the compiler quiet */
}

/* What the envelope says of itself ("$status", "$error"), or null. */
static const char *
envelope_text(LiPool *pool, LiSource *source, json_t *root, const char *key)
{
	LiMapping  *mapping = li_source_mapping(source, NULL, key);
	json_t	   *value = mapping ? li_mapping_read(pool, mapping, root) : NULL;

	return value ? json_string_value(value) : NULL;
}

static void
workflow_error(const char *error)
{
	payload_error("the workflow that should have fetched the profile failed",
				  psprintf("payload: failed: %s",
						   error ? li_text_one_line(error, MAX_QUOTED) : "no reason is given"));
}

static bool
is_failed_status(const char *status)
{
	static const char *const words[] = {
		"failed", "failure", "fail", "error", "errored", "cancelled", "canceled",
		"aborted", "timeout", "timed_out", "timedout"
	};

	for (int i = 0; status && i < lengthof(words); i++)
	{
		if (pg_strcasecmp(status, words[i]) == 0)
			return true;
	}
	return false;
}

/* How many essential places of a person this object fills. */
static int
essentials(LiPool *pool, LiSource *source, json_t *record)
{
	int			filled = 0;
	ListCell   *lc;

	foreach(lc, source->mappings)
	{
		LiMapping  *mapping = lfirst(lc);

		if (mapping->target->essential && mapping->target->list == NULL &&
			li_mapping_read(pool, mapping, record) != NULL)
			filled++;
	}
	return filled;
}

/*
 * The person's record within the payload.  A workflow has several outputs, of
 * which some are inputs of the next action: the one that names a person best
 * is taken, of equals at one path the last.
 */
static json_t *
choose_record(LiPool *pool, LiSource *source, json_t *root, int *filled)
{
	LiMapping  *mapping = li_source_mapping(source, NULL, "$");
	json_t	   *best = NULL;
	ListCell   *lp;
	ListCell   *lv;

	*filled = -1;
	if (mapping == NULL)
	{
		*filled = essentials(pool, source, root);
		return root;
	}
	foreach(lp, mapping->paths)
	{
		bool		beaten = false;

		foreach(lv, li_path_values(((LiPath *) lfirst(lp))->steps, root))
		{
			json_t	   *value = li_transform_run(pool, mapping->readings, lfirst(lv));
			json_t	   *record = value ? li_unwrap(pool, value) : NULL;
			int			here;

			CHECK_FOR_INTERRUPTS();
			if (record == NULL)
				continue;
			here = essentials(pool, source, record);
			if (here > *filled || (here == *filled && beaten))
			{
				best = record;
				*filled = here;
				beaten = true;
			}
		}
	}
	return best;
}

/* Whether an entry says anything by which it can be told from others. */
static bool
is_readable(json_t *entry, const char *list)
{
	int			count;
	const LiTarget *t = li_targets(&count);

	for (int i = 0; i < count; i++)
	{
		if (t[i].list && t[i].essential && strcmp(t[i].list, list) == 0 &&
			!is_absent(entry, t[i].key))
			return true;
	}
	return false;
}

/* Reads the places of one object: the person (list null), or an entry. */
static json_t *
read_object(LiPool *pool, LiSource *source, const char *list, json_t *base)
{
	json_t	   *object = li_empty_object(pool);
	int			count;
	const LiTarget *t = li_targets(&count);

	for (int i = 0; i < count; i++)
	{
		LiMapping  *mapping;
		json_t	   *value;

		if (t[i].type == LI_TYPE_META || t[i].type == LI_TYPE_ENTRIES ||
			(t[i].list == NULL) != (list == NULL) ||
			(list && strcmp(t[i].list, list) != 0))
			continue;
		mapping = li_source_mapping(source, list, t[i].key);
		value = mapping ? li_mapping_read(pool, mapping, base) : NULL;
		if (value == NULL && t[i].type == LI_TYPE_TEXTS)
			value = li_own(pool, json_array());
		put(object, t[i].key, value);
	}
	return object;
}

/*
 * Reads a list of entries.  What cannot be read is skipped, and so is an entry
 * equal to an earlier one (exports repeat rows); *notes is told how many.
 */
static json_t *
read_entries(LiPool *pool, LiSource *source, const char *list, json_t *record,
			 void (*derive) (LiPool *pool, json_t *entry), List **notes)
{
	LiMapping  *mapping = li_source_mapping(source, NULL, list);
	json_t	   *from = mapping ? li_mapping_read(pool, mapping, record) : NULL;
	json_t	   *entries = li_own(pool, json_array());
	int			skipped = 0;
	size_t		i;
	json_t	   *item;

	json_array_foreach(from, i, item)
	{
		json_t	   *entry;
		json_t	   *earlier;
		size_t		j;
		bool		repeated = false;

		CHECK_FOR_INTERRUPTS();
		if (i >= LI_MAX_ENTRIES)
		{
			skipped += json_array_size(from) - i;
			break;
		}
		entry = read_object(pool, source, list, item);
		if (!is_readable(entry, list))
		{
			skipped++;
			continue;
		}
		if (derive)
			derive(pool, entry);
		json_array_foreach(entries, j, earlier)
			if (json_equal(earlier, entry))
				repeated = true;
		if (!repeated && json_array_append(entries, entry) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	if (skipped > 0)
		*notes = lappend(*notes, psprintf("%s: %d entries skipped", list, skipped));
	return entries;
}

/* Dates from the caption where the fields have none. */
static void
dates_from_caption(LiPool *pool, json_t *entry)
{
	const char *caption = get_text(entry, "date_range");
	LiDateRange range;

	if (caption == NULL || !is_absent(entry, "start_year") || !is_absent(entry, "end_year") ||
		!li_date_caption(caption, &range))
		return;
	put_positive(pool, entry, "start_year", range.start.year);
	put_positive(pool, entry, "end_year", range.end.year);
	if (get(entry, "start_month"))
	{
		put_positive(pool, entry, "start_month", range.start.month);
		put_positive(pool, entry, "end_month", range.end.month);
	}
}

static void
derive_education(LiPool *pool, json_t *entry)
{
	dates_from_caption(pool, entry);
}

/* A month without its year tells nothing. */
static void
derive_experience(LiPool *pool, json_t *entry)
{
	dates_from_caption(pool, entry);
	if (is_absent(entry, "start_year"))
		put(entry, "start_month", NULL);
	if (is_absent(entry, "end_year"))
		put(entry, "end_month", NULL);
	if (is_absent(entry, "is_current"))
		put(entry, "is_current", json_boolean(!is_absent(entry, "start_year") &&
											  is_absent(entry, "end_year")));
}

/*
 * A member id, public id and URL from each other: the URL contains the public
 * id, and "urn:li:member:123" the member id.
 */
static void
derive_identity(LiPool *pool, json_t *person)
{
	static const char member[] = "urn:li:member:";
	const char *urn = get_text(person, "urn");
	const char *public_id = get_text(person, "public_id");
	const char *url = get_text(person, "linkedin_url");

	if (is_absent(person, "linkedin_id") && urn &&
		strncmp(urn, member, sizeof(member) - 1) == 0 && urn[sizeof(member) - 1] != '\0')
		put_text(pool, person, "linkedin_id", urn + sizeof(member) - 1);
	if (public_id && url == NULL)
		put_text(pool, person, "linkedin_url", psprintf(PERSON_ROOT "%s", public_id));
	else if (url && public_id == NULL)
		put_text(pool, person, "public_id", url + sizeof(PERSON_ROOT) - 1);
}

static void
derive_full_name(LiPool *pool, json_t *person)
{
	const char *first = get_text(person, "first_name");
	const char *last = get_text(person, "last_name");

	if (is_absent(person, "full_name") && first && last)
		put_text(pool, person, "full_name", psprintf("%s %s", first, last));
}

/* Null or equal, but for case: does not contradict. */
static bool
agrees(const char *given, const char *other)
{
	return given == NULL || li_utf8_equal_caseless(given, other);
}

/*
 * The present job where the payload does not give it: that of the current
 * experience which started last and agrees with what is given.
 */
static void
derive_current_job(json_t *person)
{
	const char *title = get_text(person, "job_title");
	const char *company = get_text(person, "company_name");
	json_t	   *newest = NULL;
	int			newest_start = -1;
	size_t		i;
	json_t	   *entry;

	json_array_foreach(get(person, "experiences"), i, entry)
	{
		int			start = get_int(entry, "start_year") * 12 + get_int(entry, "start_month");

		if (json_is_true(get(entry, "is_current")) && start > newest_start &&
			agrees(title, get_text(entry, "title")) &&
			agrees(company, get_text(entry, "company_name")))
		{
			newest = entry;
			newest_start = start;
		}
	}
	if (newest == NULL)
		return;
	if (title == NULL)
		put(person, "job_title", get(newest, "title"));
	if (company == NULL)
		put(person, "company_name", get(newest, "company_name"));
}

/* The person's skills where only the experiences have any. */
static void
derive_skills(LiPool *pool, json_t *person)
{
	List	   *lists = NIL;
	json_t	   *skills;
	size_t		i;
	json_t	   *entry;

	if (json_array_size(get(person, "skills")) > 0)
		return;
	json_array_foreach(get(person, "experiences"), i, entry)
		lists = lappend(lists, get(entry, "skills"));
	skills = li_gather_texts(pool, lists);
	if (skills)
		put(person, "skills", skills);
}

static void
derive_location(LiPool *pool, json_t *person)
{
	static const char *const parts[] = {"city", "state", "country"};
	StringInfoData buf;

	if (!is_absent(person, "location"))
		return;
	initStringInfo(&buf);
	for (int i = 0; i < lengthof(parts); i++)
	{
		const char *part = get_text(person, parts[i]);

		if (part)
			appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "", part);
	}
	if (buf.len > 0)
		put_text(pool, person, "location", buf.data);
}

static void
complain(StringInfo detail, const char *field, const char *what)
{
	appendStringInfo(detail, "%s%s: %s", detail->len > 0 ? "\n" : "", field, what);
}

/*
 * A person needs a name and something to be known by, and the source may ask
 * for more.  One error names everything that is missing.
 */
static void
check_essentials(LiPool *pool, LiSource *source, json_t *record, json_t *person)
{
	StringInfoData detail;
	ListCell   *lc;

	initStringInfo(&detail);
	if (is_absent(person, "full_name"))
		complain(&detail, "full_name", "missing: a full name is needed, or a first and a last name");
	if (is_absent(person, "linkedin_id") && is_absent(person, "public_id") &&
		is_absent(person, "linkedin_url"))
	{
		static const char any[] = "missing: a member id, a public id or a LinkedIn URL is needed";
		LiMapping  *url = li_source_mapping(source, NULL, "linkedin_url");

		complain(&detail, "linkedin_id", any);
		complain(&detail, "public_id", any);
		complain(&detail, "linkedin_url", url && li_mapping_values(url, record) != NIL ?
				 "invalid: it is not the address of a person's page" : any);
	}
	foreach(lc, source->mappings)
	{
		LiMapping  *mapping = lfirst(lc);
		const LiTarget *t = mapping->target;
		json_t	   *value = get(person, t->key);

		if (mapping->required && t->list == NULL && t->type != LI_TYPE_META &&
			(is_absent(person, t->key) || (json_is_array(value) && json_array_size(value) == 0)))
			complain(&detail, t->key, "missing: the source requires it");
	}
	if (detail.len > 0)
		payload_error("payload lacks what a profile needs", detail.data);
}

/*
 * Reads a payload (JSON text in UTF-8) of the named source, or of the one it
 * looks like when source is null.  The result is palloc'd.  Must be called
 * inside a transaction; throws 22023 for whatever is wrong with the payload.
 */
void
li_read_payload(const char *payload, const char *source_name, LiReadPayload *result)
{
	LiPool	   *pool = li_pool_new();
	LiSource   *source;
	json_t	   *root;
	json_t	   *record;
	json_t	   *person;
	const char *error;
	int			filled;
	List	   *notes = NIL;

	if (strlen(payload) > LI_MAX_PAYLOAD)
		payload_error("payload is too large",
					  psprintf("payload: size: at most %d megabytes are read",
							   LI_MAX_PAYLOAD / 1024 / 1024));
	root = li_unwrap(pool, li_parse_any(pool, payload));
	if (root == NULL)
		payload_error("payload is not a profile",
					  "payload: type: it must be a JSON object, or text or a list that holds one");

	source = choose_source(pool, root, source_name);
	li_source_load_mappings(pool, source);

	error = envelope_text(pool, source, root, "$error");
	if (is_failed_status(envelope_text(pool, source, root, "$status")))
		workflow_error(error);
	record = choose_record(pool, source, root, &filled);
	if (filled <= 0 && error)
		workflow_error(error);
	if (record == NULL)
		payload_error("payload holds no profile",
					  psprintf("payload: missing: no object at the places where source \"%s\" has it",
							   source->name));

	person = read_object(pool, source, NULL, record);
	put(person, "experiences",
		read_entries(pool, source, "experiences", record, derive_experience, &notes));
	put(person, "educations",
		read_entries(pool, source, "educations", record, derive_education, &notes));
	put(person, "languages",
		read_entries(pool, source, "languages", record, NULL, &notes));
	put(person, "certifications",
		read_entries(pool, source, "certifications", record, NULL, &notes));
	derive_identity(pool, person);
	derive_full_name(pool, person);
	check_essentials(pool, source, record, person);
	derive_current_job(person);
	derive_skills(pool, person);
	derive_location(pool, person);

	result->source = pstrdup(source->name);
	result->canonical = li_json_dump_compact(person);
	if (result->canonical == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	result->unmapped = list_concat(li_source_unmapped(source, record), notes);
}
