/*-------------------------------------------------------------------------
 * mapping.c
 *		Adapters: the rows that say how a provider's JSON is read.
 *
 * The rows are read anew for each payload, with saved plans.  A cache would
 * save a fraction of a millisecond of an ingestion that takes several, and
 * would have to know when it is stale: under REPEATABLE READ a reload may see
 * older rows than the invalidation that caused it, and then keep them.
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "nodes/pg_list.h"

#include "profile/mapping.h"
#include "profile/path.h"
#include "profile/profile.h"
#include "sql.h"

/* A payload's paths that no mapping names: enough to see a drift by. */
#define MAX_UNMAPPED 200

/*
 * The canonical form: these places in this shape, and no others.  The first
 * three are about the envelope.
 */
static const LiTarget targets[] = {
	{NULL, "$", LI_TYPE_META},
	{NULL, "$status", LI_TYPE_META},
	{NULL, "$error", LI_TYPE_META},
	{NULL, "linkedin_id", LI_TYPE_ID, true},
	{NULL, "public_id", LI_TYPE_ID, true},
	{NULL, "linkedin_url", LI_TYPE_ID, true},
	{NULL, "urn", LI_TYPE_ID},
	{NULL, "first_name", LI_TYPE_TEXT, true},
	{NULL, "last_name", LI_TYPE_TEXT, true},
	{NULL, "full_name", LI_TYPE_TEXT, true},
	{NULL, "headline", LI_TYPE_TEXT},
	{NULL, "about", LI_TYPE_TEXT},
	{NULL, "job_title", LI_TYPE_TEXT},
	{NULL, "company_name", LI_TYPE_TEXT},
	{NULL, "city", LI_TYPE_TEXT},
	{NULL, "state", LI_TYPE_TEXT},
	{NULL, "country", LI_TYPE_TEXT},
	{NULL, "location", LI_TYPE_TEXT},
	{NULL, "email", LI_TYPE_TEXT},
	{NULL, "phone", LI_TYPE_TEXT},
	{NULL, "profile_image_url", LI_TYPE_TEXT},
	{NULL, "follower_count", LI_TYPE_COUNT},
	{NULL, "connection_count", LI_TYPE_COUNT},
	{NULL, "is_premium", LI_TYPE_BOOL},
	{NULL, "is_creator", LI_TYPE_BOOL},
	{NULL, "is_influencer", LI_TYPE_BOOL},
	{NULL, "is_verified", LI_TYPE_BOOL},
	{NULL, "fetched_at", LI_TYPE_TEXT},
	{NULL, "skills", LI_TYPE_TEXTS},
	{NULL, "experiences", LI_TYPE_ENTRIES},
	{"experiences", "title", LI_TYPE_TEXT, true},
	{"experiences", "company_name", LI_TYPE_TEXT, true},
	{"experiences", "company_linkedin_id", LI_TYPE_ID},
	{"experiences", "company_linkedin_url", LI_TYPE_ID},
	{"experiences", "company_logo_url", LI_TYPE_TEXT},
	{"experiences", "location", LI_TYPE_TEXT},
	{"experiences", "start_year", LI_TYPE_YEAR},
	{"experiences", "start_month", LI_TYPE_MONTH},
	{"experiences", "end_year", LI_TYPE_YEAR},
	{"experiences", "end_month", LI_TYPE_MONTH},
	{"experiences", "date_range", LI_TYPE_TEXT},
	{"experiences", "duration", LI_TYPE_TEXT},
	{"experiences", "description", LI_TYPE_TEXT, true},
	{"experiences", "is_current", LI_TYPE_BOOL},
	{"experiences", "job_type", LI_TYPE_TEXT},
	{"experiences", "skills", LI_TYPE_TEXTS},
	{NULL, "educations", LI_TYPE_ENTRIES},
	{"educations", "school", LI_TYPE_TEXT, true},
	{"educations", "degree", LI_TYPE_TEXT, true},
	{"educations", "field_of_study", LI_TYPE_TEXT, true},
	{"educations", "start_year", LI_TYPE_YEAR},
	{"educations", "end_year", LI_TYPE_YEAR},
	{"educations", "date_range", LI_TYPE_TEXT},
	{"educations", "activities", LI_TYPE_TEXT},
	{"educations", "school_linkedin_url", LI_TYPE_ID},
	{"educations", "school_id", LI_TYPE_ID},
	{NULL, "languages", LI_TYPE_ENTRIES},
	{"languages", "name", LI_TYPE_TEXT, true},
	{"languages", "proficiency", LI_TYPE_TEXT},
	{NULL, "certifications", LI_TYPE_ENTRIES},
	{"certifications", "name", LI_TYPE_TEXT, true},
	{"certifications", "authority", LI_TYPE_TEXT},
	{"certifications", "license_number", LI_TYPE_TEXT},
	{"certifications", "url", LI_TYPE_TEXT},
	{"certifications", "issued_year", LI_TYPE_YEAR},
	{"certifications", "issued_month", LI_TYPE_MONTH},
	{"certifications", "expires_year", LI_TYPE_YEAR},
	{"certifications", "expires_month", LI_TYPE_MONTH},
};

/* All places of the canonical form, lists before what is in them. */
const LiTarget *
li_targets(int *count)
{
	*count = lengthof(targets);
	return targets;
}

/* The place that a target_path such as "experiences[].title" names, or null. */
static const LiTarget *
find_target(const char *path)
{
	const char *brackets = strstr(path, "[].");
	size_t		list_len = brackets ? brackets - path : 0;
	const char *key = brackets ? brackets + 3 : path;

	for (int i = 0; i < lengthof(targets); i++)
	{
		const LiTarget *t = &targets[i];

		if (strcmp(t->key, key) != 0 || (t->list == NULL) != (brackets == NULL))
			continue;
		if (t->list == NULL ||
			(strlen(t->list) == list_len && strncmp(t->list, path, list_len) == 0))
			return t;
	}
	return NULL;
}

/*
 * Fills a mapping from the columns of its row; paths is a list of text.
 * Returns null, or a sentence (no final stop) that says what is wrong.
 */
static char *
build_mapping(LiMapping *mapping, const char *target, List *paths, const char *transform)
{
	char	   *fault = NULL;
	ListCell   *lc;

	mapping->target = find_target(target);
	if (mapping->target == NULL)
		return psprintf("there is no target \"%s\"", target);
	foreach(lc, paths)
	{
		LiPath	   *path = palloc0(sizeof(LiPath));

		path->text = lfirst(lc);
		path->steps = li_path_parse(path->text, &fault);
		if (fault)
			return fault;
		mapping->paths = lappend(mapping->paths, path);
	}
	mapping->readings = li_transform_parse(transform, &fault);
	return fault;
}

/* What is wrong with a row of source_mappings, or null. */
char *
li_mapping_fault(const char *target, List *paths, const char *transform)
{
	LiMapping	mapping = {0};

	return build_mapping(&mapping, target, paths, transform);
}

/* A JSON list of texts as a list of strings, which belong to the JSON. */
static List *
text_list(json_t *array)
{
	List	   *list = NIL;
	size_t		i;
	json_t	   *item;

	json_array_foreach(array, i, item)
		if (json_is_string(item))
			list = lappend(list, unconstify(char *, json_string_value(item)));
	return list;
}

/*
 * Runs a query that gives one row of one JSON text, and reads it.  The snapshot
 * is the caller's.
 */
static json_t *
query_json(LiPool *pool, LiStatement *query, const char *argument)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		value = (Datum) 0;
	char	   *json;
	json_error_t error;

	if (argument)
	{
		char	   *stored = pg_any_to_server(argument, strlen(argument), PG_UTF8);
		size_t		len = strlen(stored);
		text	   *arg = palloc(VARHDRSZ + len);

		SET_VARSIZE(arg, VARHDRSZ + len);
		memcpy(VARDATA(arg), stored, len);
		value = PointerGetDatum(arg);
	}
	SPI_connect();
	if (li_sql_read(query, &value, NULL) != 1)
		elog(ERROR, "could not read the adapters");
	json = li_sql_text(caller, 0, 1);
	SPI_finish();
	json = pg_server_to_any(json, strlen(json), PG_UTF8);
	return li_own(pool, json_loads(json, 0, &error));
}

/* Parses a fingerprint: paths parted by spaces, all of which must be there. */
static List *
parse_fingerprint(const char *fingerprint)
{
	List	   *paths = NIL;
	char	   *text = pstrdup(fingerprint);

	for (char *token = strtok(text, " "); token; token = strtok(NULL, " "))
	{
		LiPath	   *path = palloc0(sizeof(LiPath));
		char	   *fault;

		path->text = pstrdup(token);
		path->steps = li_path_parse(path->text, &fault);
		if (fault)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a fingerprint in linkedin_ingest.sources cannot be read"),
					 errdetail("%s.", fault)));
		paths = lappend(paths, path);
	}
	return paths;
}

/* All sources, by name, without their mappings.  Must be in a transaction. */
List *
li_sources_load(LiPool *pool)
{
	static LiStatement query = {
		"SELECT coalesce(json_agg(json_build_object('source', source,"
		" 'fingerprints', fingerprints, 'ignored_paths', ignored_paths)"
		" ORDER BY source COLLATE \"C\"), '[]')::text"
		" FROM linkedin_ingest.sources", 0
	};
	json_t	   *rows = query_json(pool, &query, NULL);
	List	   *sources = NIL;
	size_t		i;
	json_t	   *row;

	json_array_foreach(rows, i, row)
	{
		LiSource   *source = palloc0(sizeof(LiSource));
		ListCell   *lc;

		source->name = json_string_value(json_object_get(row, "source"));
		foreach(lc, text_list(json_object_get(row, "fingerprints")))
			source->fingerprints = lappend(source->fingerprints,
										   parse_fingerprint(lfirst(lc)));
		source->ignored = text_list(json_object_get(row, "ignored_paths"));
		sources = lappend(sources, source);
	}
	return sources;
}

/* Reads the source's mappings.  Must be in a transaction. */
void
li_source_load_mappings(LiPool *pool, LiSource *source)
{
	static LiStatement query = {
		"SELECT coalesce(json_agg(json_build_object('target_path', target_path,"
		" 'paths', paths, 'transform', transform, 'required', required)"
		" ORDER BY target_path COLLATE \"C\"), '[]')::text"
		" FROM linkedin_ingest.source_mappings WHERE source = $1", 1, {TEXTOID}
	};
	json_t	   *rows = query_json(pool, &query, source->name);
	size_t		i;
	json_t	   *row;

	json_array_foreach(rows, i, row)
	{
		LiMapping  *mapping = palloc0(sizeof(LiMapping));
		const char *target = json_string_value(json_object_get(row, "target_path"));
		char	   *fault;

		fault = build_mapping(mapping, target, text_list(json_object_get(row, "paths")),
							  json_string_value(json_object_get(row, "transform")));
		if (fault)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("mapping \"%s\" of source \"%s\" cannot be read",
							target, source->name),
					 errdetail("%s.", fault)));
		mapping->required = json_is_true(json_object_get(row, "required"));
		source->mappings = lappend(source->mappings, mapping);
	}
}

/*
 * The source whose fingerprint the payload has; of several, the one whose
 * fingerprint is longest, then the first by name.  Null when there is none:
 * *closest then has a line for each source that says what it lacked.
 */
LiSource *
li_source_recognize(List *sources, json_t *root, char **closest)
{
	LiSource   *best = NULL;
	int			best_length = 0;
	StringInfoData lines;
	ListCell   *ls;

	initStringInfo(&lines);
	foreach(ls, sources)
	{
		LiSource   *source = lfirst(ls);
		int			most_present = -1;
		char	   *lacking = NULL;
		ListCell   *lf;

		foreach(lf, source->fingerprints)
		{
			List	   *fingerprint = lfirst(lf);
			StringInfoData absent;
			int			present = 0;
			ListCell   *lp;

			initStringInfo(&absent);
			foreach(lp, fingerprint)
			{
				LiPath	   *path = lfirst(lp);

				if (li_path_present(path->steps, root))
					present++;
				else
					appendStringInfo(&absent, "%s%s", absent.len > 0 ? ", " : "", path->text);
			}
			if (absent.len == 0 && present > best_length)
			{
				best = source;
				best_length = present;
			}
			if (present > most_present)
			{
				most_present = present;
				lacking = absent.data;
			}
		}
		if (lacking)
			appendStringInfo(&lines, "%ssource: unrecognized: \"%s\" lacks %s",
							 lines.len > 0 ? "\n" : "", source->name, lacking);
	}
	*closest = lines.data;
	return best;
}

/* The mapping of one place of the canonical form, or null. */
LiMapping *
li_source_mapping(LiSource *source, const char *list, const char *key)
{
	ListCell   *lc;

	foreach(lc, source->mappings)
	{
		LiMapping  *mapping = lfirst(lc);
		const LiTarget *t = mapping->target;

		if (strcmp(t->key, key) == 0 && (t->list == NULL) == (list == NULL) &&
			(list == NULL || strcmp(t->list, list) == 0))
			return mapping;
	}
	return NULL;
}

/* All values at all paths, untransformed; borrowed from base. */
List *
li_mapping_values(LiMapping *mapping, json_t *base)
{
	List	   *values = NIL;
	ListCell   *lc;

	foreach(lc, mapping->paths)
		values = list_concat(values, li_path_values(((LiPath *) lfirst(lc))->steps, base));
	return values;
}

/* The value as the target's type wants it, or NULL. */
static json_t *
fit(LiPool *pool, LiType type, json_t *value)
{
	switch (type)
	{
		case LI_TYPE_META:
		case LI_TYPE_TEXT:
			return li_read_text(pool, value);
		case LI_TYPE_ID:
			return li_read_id(pool, value);
		case LI_TYPE_COUNT:
			return li_read_count(pool, value);
		case LI_TYPE_BOOL:
			return li_read_bool(pool, value);
		case LI_TYPE_YEAR:
			return li_read_year(pool, value);
		case LI_TYPE_MONTH:
			return li_read_month(pool, value);
		case LI_TYPE_TEXTS:
			return li_gather_texts(pool, list_make1(value));
		case LI_TYPE_ENTRIES:
			if (json_is_object(value))
			{
				json_t	   *list = li_own(pool, json_array());

				json_array_append(list, value);
				return list;
			}
			return json_array_size(value) > 0 ? value : NULL;
	}
	return NULL;
}

/*
 * Reads one place: the first value of the first path that can be read; a
 * transform that gathers takes all of them.  NULL when there is none.
 */
json_t *
li_mapping_read(LiPool *pool, LiMapping *mapping, json_t *base)
{
	List	   *readable = NIL;
	bool		gathers = li_transform_gathers(mapping->readings);
	LiType		type = mapping->target->type;
	ListCell   *lc;

	foreach(lc, li_mapping_values(mapping, base))
	{
		json_t	   *value = li_transform_run(pool, mapping->readings, lfirst(lc));

		if (value && gathers)
			readable = lappend(readable, value);
		else if (value)
		{
			value = fit(pool, type, value);
			if (value)
				return value;
		}
	}
	if (readable == NIL)
		return NULL;
	if (type == LI_TYPE_TEXTS)
		return li_gather_texts(pool, readable);
	return fit(pool, type, li_gather_lines(pool, readable));
}

/* Whether a pattern is the path, or the path leads below a pattern. */
static bool
is_covered(List *patterns, const char *path)
{
	ListCell   *lc;

	foreach(lc, patterns)
	{
		const char *pattern = lfirst(lc);
		size_t		len = strlen(pattern);

		if (strncmp(pattern, path, len) == 0 &&
			(path[len] == '\0' || path[len] == '.' || path[len] == '['))
			return true;
	}
	return false;
}

/* Whether some pattern leads below the path with this character next. */
static bool
leads_on(List *patterns, const char *path, char next)
{
	size_t		len = strlen(path);
	ListCell   *lc;

	foreach(lc, patterns)
	{
		const char *pattern = lfirst(lc);

		if (strncmp(pattern, path, len) == 0 && pattern[len] == next)
			return true;
	}
	return false;
}

/* null, "", {}: a key that tells nothing. */
static bool
is_blank(json_t *value)
{
	return json_is_null(value) ||
		(json_is_string(value) && json_string_length(value) == 0) ||
		(json_is_object(value) && json_object_size(value) == 0);
}

static void
find_unmapped(json_t *value, const char *path, List *patterns, List **found)
{
	ListCell   *lc;
	size_t		i;
	const char *key;
	json_t	   *child;
	char	   *below = psprintf("%s[*]", path);

	if (is_blank(value) || list_length(*found) >= MAX_UNMAPPED ||
		is_covered(patterns, path))
		return;
	if (json_is_array(value) && leads_on(patterns, path, '['))
	{
		json_array_foreach(value, i, child)
			find_unmapped(child, below, patterns, found);
	}
	else if (json_is_object(value) && leads_on(patterns, path, '.'))
	{
		json_object_foreach(value, key, child)
			find_unmapped(child, psprintf("%s.%s", path, key), patterns, found);
	}
	else if (json_is_object(value) && leads_on(patterns, path, '['))
		find_unmapped(value, below, patterns, found);
	else
	{
		foreach(lc, *found)
			if (strcmp(lfirst(lc), path) == 0)
				return;
		*found = lappend(*found, pstrdup(path));
	}
}

/* The patterns of a mapping of an entry: below each path of its list. */
static List *
entry_patterns(LiSource *source, LiMapping *mapping)
{
	LiMapping  *list = li_source_mapping(source, NULL, mapping->target->list);
	const char *flattened = list ? li_transform_flattens(list->readings) : NULL;
	List	   *patterns = NIL;
	ListCell   *ll;
	ListCell   *lp;
	ListCell   *lk;

	if (list == NULL)
		return NIL;
	foreach(ll, list->paths)
	{
		const char *above = llast(li_path_patterns(((LiPath *) lfirst(ll))->steps));

		foreach(lp, mapping->paths)
		{
			foreach(lk, li_path_patterns(((LiPath *) lfirst(lp))->steps))
			{
				const char *key = lfirst(lk);
				const char *dot = key[0] ? "." : "";

				patterns = lappend(patterns, psprintf("%s[*]%s%s", above, dot, key));
				if (flattened)
					patterns = lappend(patterns, psprintf("%s[*].%s[*]%s%s", above,
														  flattened, dot, key));
			}
		}
	}
	return patterns;
}

/*
 * The paths of the record that no mapping reads and the source does not ignore
 * (list of text): what a provider has added, or we have never looked at.
 */
List *
li_source_unmapped(LiSource *source, json_t *record)
{
	List	   *patterns = list_copy(source->ignored);
	List	   *found = NIL;
	ListCell   *lc;
	ListCell   *lp;
	const char *key;
	json_t	   *value;

	foreach(lc, source->mappings)
	{
		LiMapping  *mapping = lfirst(lc);

		if (strcmp(mapping->target->key, "$") == 0)
			continue;
		if (mapping->target->list)
			patterns = list_concat(patterns, entry_patterns(source, mapping));
		else if (mapping->target->type != LI_TYPE_ENTRIES)
		{
			foreach(lp, mapping->paths)
				patterns = list_concat(patterns,
									   li_path_patterns(((LiPath *) lfirst(lp))->steps));
		}
	}
	json_object_foreach(record, key, value)
		find_unmapped(value, key, patterns, &found);
	return found;
}
