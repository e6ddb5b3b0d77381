/*-------------------------------------------------------------------------
 *
 * load.c
 *		What a question is made of, read from the tables.
 *
 * A version of a template never changes, and every job of a batch needs the
 * same few, so parsed versions are kept for the life of the process.  The hash
 * of the content is read each time all the same: a dropped and re-created
 * extension brings its seeds back under their fixed ids, perhaps reworded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "score/load.h"
#include "sql.h"

#define MAX_CACHED 200			/* versions; beyond it all are dropped */

typedef struct CacheKey
{
	pg_uuid_t	template_id;
	int32		version;
} CacheKey;

typedef struct CacheEntry
{
	CacheKey	key;
	char	   *sha256;			/* NULL: not filled */
	MemoryContext cxt;
	LiTemplate	template;
} CacheEntry;

static HTAB *cache = NULL;
static MemoryContext cache_cxt = NULL;

static char *
text_at(uint64 row, int column)
{
	return li_sql_text(CurrentMemoryContext, row, column);
}

static int
int_at(uint64 row, int column)
{
	return DatumGetInt32(li_sql_value(row, column, Int32GetDatum(0)));
}

static bool
bool_at(uint64 row, int column)
{
	return DatumGetBool(li_sql_value(row, column, BoolGetDatum(false)));
}

/* The engine's SPI connection lasts for a whole batch. */
static void
done_rows(void)
{
	SPI_freetuptable(SPI_tuptable);
}

static Datum
uuid_of(const char *text)
{
	return DirectFunctionCall1(uuid_in, CStringGetDatum(text));
}

static void
load_experiences(LiProfile *profile, Datum id)
{
	static LiStatement statement = {
		"SELECT e.title, e.company_name, e.location, e.description, e.date_range,"
		" e.start_year, e.start_month, e.end_year, e.end_month, e.is_current,"
		" coalesce(c.employee_range, c.employee_count::text),"
		" nullif(array_to_string(c.industries, ', '), ''), c.hq_country"
		" FROM linkedin_ingest.experiences e"
		" LEFT JOIN linkedin_ingest.companies c ON c.id = e.company_id"
		" WHERE e.profile_id = $1 ORDER BY e.ordinal",
		1, {UUIDOID}
	};
	uint64		n = li_sql_read(&statement, &id, NULL);

	profile->n_experiences = n;
	profile->experiences = palloc0(Max(n, 1) * sizeof(LiExperience));
	for (uint64 i = 0; i < n; i++)
	{
		LiExperience *e = &profile->experiences[i];

		e->title = text_at(i, 1);
		e->company = text_at(i, 2);
		e->location = text_at(i, 3);
		e->description = text_at(i, 4);
		e->date_range = text_at(i, 5);
		e->start_year = int_at(i, 6);
		e->start_month = int_at(i, 7);
		e->end_year = int_at(i, 8);
		e->end_month = int_at(i, 9);
		e->is_current = bool_at(i, 10);
		e->employees = text_at(i, 11);
		e->industries = text_at(i, 12);
		e->country = text_at(i, 13);
	}
	done_rows();
}

static void
load_educations(LiProfile *profile, Datum id)
{
	static LiStatement statement = {
		"SELECT e.school, e.degree, e.field_of_study, e.activities, e.start_year, e.end_year"
		" FROM linkedin_ingest.educations e WHERE e.profile_id = $1 ORDER BY e.ordinal",
		1, {UUIDOID}
	};
	uint64		n = li_sql_read(&statement, &id, NULL);

	profile->n_educations = n;
	profile->educations = palloc0(Max(n, 1) * sizeof(LiEducation));
	for (uint64 i = 0; i < n; i++)
	{
		LiEducation *e = &profile->educations[i];

		e->school = text_at(i, 1);
		e->degree = text_at(i, 2);
		e->field_of_study = text_at(i, 3);
		e->activities = text_at(i, 4);
		e->start_year = int_at(i, 5);
		e->end_year = int_at(i, 6);
	}
	done_rows();
}

LiProfile *
li_load_profile(const char *profile_id)
{
	static LiStatement statement = {
		"SELECT p.full_name, p.first_name, p.last_name, p.linkedin_id, p.public_id,"
		" p.headline, p.about, p.job_title, p.company_name,"
		" coalesce(p.location, nullif(concat_ws(', ', p.city, p.state, p.country), '')),"
		" p.suggested_role, nullif(array_to_string(p.skills, ', '), ''),"
		" p.certifications::text, p.languages::text"
		" FROM linkedin_ingest.profiles p WHERE p.id = $1",
		1, {UUIDOID}
	};
	Datum		id = uuid_of(profile_id);
	LiProfile  *profile;

	if (li_sql_read(&statement, &id, NULL) == 0)
	{
		done_rows();
		return NULL;
	}
	profile = palloc0(sizeof(LiProfile));
	profile->full_name = text_at(0, 1);
	profile->first_name = text_at(0, 2);
	profile->last_name = text_at(0, 3);
	profile->member_id = text_at(0, 4);
	profile->public_id = text_at(0, 5);
	profile->headline = text_at(0, 6);
	profile->about = text_at(0, 7);
	profile->job_title = text_at(0, 8);
	profile->company_name = text_at(0, 9);
	profile->location = text_at(0, 10);
	profile->suggested_role = text_at(0, 11);
	profile->skills = text_at(0, 12);
	profile->certifications = text_at(0, 13);
	profile->languages = text_at(0, 14);
	done_rows();

	load_experiences(profile, id);
	load_educations(profile, id);
	return profile;
}

/* The entry for a version, empty if it is new. */
static CacheEntry *
cache_entry(const CacheKey *key)
{
	CacheEntry *entry;
	bool		found;

	if (cache != NULL && hash_get_num_entries(cache) >= MAX_CACHED &&
		hash_search(cache, key, HASH_FIND, NULL) == NULL)
	{
		MemoryContextDelete(cache_cxt);
		cache = NULL;
	}
	if (cache == NULL)
	{
		HASHCTL		ctl = {0};

		cache_cxt = AllocSetContextCreate(TopMemoryContext, "linkedin_ingest templates",
										  ALLOCSET_DEFAULT_SIZES);
		ctl.keysize = sizeof(CacheKey);
		ctl.entrysize = sizeof(CacheEntry);
		ctl.hcxt = cache_cxt;
		cache = hash_create("linkedin_ingest templates", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(cache, key, HASH_ENTER, &found);
	if (!found)
	{
		entry->sha256 = NULL;
		entry->cxt = NULL;
	}
	return entry;
}

/* Fills "template" from the row that was just read. */
static void
parse_version(LiTemplate *template, const char **problem)
{
	LiTemplateRow row;

	row.stage = text_at(0, 1);
	row.system_text = text_at(0, 2);
	row.prompt_text = text_at(0, 3);
	row.rubric = text_at(0, 4);
	row.response_schema = text_at(0, 5);
	row.blind = bool_at(0, 6);
	li_template_parse(&row, template, problem);
}

const LiTemplate *
li_load_template(const char *template_id, int version, const char **problem)
{
	static LiStatement hash_statement = {
		"SELECT v.content_sha256::text FROM linkedin_ingest.prompt_template_versions v"
		" WHERE v.template_id = $1 AND v.version = $2",
		2, {UUIDOID, INT4OID}
	};
	static LiStatement statement = {
		"SELECT v.stage, v.system_text, v.prompt_text, v.rubric::text, v.response_schema::text,"
		" v.blind FROM linkedin_ingest.prompt_template_versions v"
		" WHERE v.template_id = $1 AND v.version = $2",
		2, {UUIDOID, INT4OID}
	};
	Datum		values[2] = {uuid_of(template_id), Int32GetDatum(version)};
	CacheKey	key;
	CacheEntry *entry;
	char	   *sha256;
	MemoryContext old;
	MemoryContext cxt;

	*problem = "the job's template version does not exist";
	if (li_sql_read(&hash_statement, values, NULL) == 0)
	{
		done_rows();
		return NULL;
	}
	sha256 = text_at(0, 1);
	done_rows();

	memset(&key, 0, sizeof(key));
	memcpy(&key.template_id, DatumGetUUIDP(values[0]), sizeof(pg_uuid_t));
	key.version = version;
	entry = cache_entry(&key);
	if (entry->sha256 != NULL && strcmp(entry->sha256, sha256) == 0)
		return &entry->template;

	if (entry->cxt != NULL)
		MemoryContextDelete(entry->cxt);
	entry->cxt = NULL;
	entry->sha256 = NULL;
	if (li_sql_read(&statement, values, NULL) == 0)
	{
		done_rows();
		return NULL;
	}
	/* an error while parsing must not leave half an entry */
	cxt = AllocSetContextCreate(CurrentMemoryContext, "linkedin_ingest template",
								ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(cxt);
	*problem = NULL;
	parse_version(&entry->template, problem);
	if (*problem == NULL)
	{
		entry->sha256 = pstrdup(sha256);
		MemoryContextSetParent(cxt, cache_cxt);
		entry->cxt = cxt;
	}
	MemoryContextSwitchTo(old);
	done_rows();
	return *problem == NULL ? &entry->template : NULL;
}

void
li_load_facts(const char *role, const char *model, LiFacts *facts)
{
	static LiStatement statement = {
		"SELECT m.max_output_tokens, m.supports_json_schema,"
		" (SELECT r.title FROM linkedin_ingest.roles r WHERE r.role = $1),"
		" m.token_parameter, m.reasoning_effort, m.encoding"
		" FROM (SELECT $2 AS model) j"
		" LEFT JOIN linkedin_ingest.llm_models m ON m.model = j.model",
		2, {TEXTOID, TEXTOID}
	};
	Datum		values[2];
	char		nulls[3] = "  ";

	values[0] = role != NULL ? CStringGetTextDatum(role) : (Datum) 0;
	nulls[0] = role != NULL ? ' ' : 'n';
	values[1] = CStringGetTextDatum(model);
	li_sql_read(&statement, values, nulls);
	facts->max_output_tokens = int_at(0, 1);
	facts->json_schema = bool_at(0, 2);
	facts->role_title = text_at(0, 3);
	facts->token_parameter = text_at(0, 4);
	facts->reasoning_effort = text_at(0, 5);
	facts->encoding = text_at(0, 6);
	done_rows();
}

int
li_load_roles(LiRole **roles)
{
	static LiStatement statement = {
		"SELECT r.role, r.title, r.description FROM linkedin_ingest.roles r ORDER BY r.role", 0
	};
	uint64		n = li_sql_read(&statement, NULL, NULL);

	*roles = palloc(Max(n, 1) * sizeof(LiRole));
	for (uint64 i = 0; i < n; i++)
	{
		(*roles)[i].role = text_at(i, 1);
		(*roles)[i].title = text_at(i, 2);
		(*roles)[i].description = text_at(i, 3);
	}
	done_rows();
	return n;
}
