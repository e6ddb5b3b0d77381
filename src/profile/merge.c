/*-------------------------------------------------------------------------
 * merge.c
 *		What is known of a person, and a new payload's word, as one.
 *
 * A poorer source never erases a richer profile.  So a null never wins, an
 * empty list never wins, and an entry keeps what its new version does not say.
 * A list is replaced only by a source that carries it in full; the lists of
 * others (a recruiter's feed with the latest two positions, a résumé, which is
 * a selection) add to it.  A payload older than the profile fills gaps only.
 *
 * Merging is idempotent: a payload merged twice changes nothing the second
 * time, and that is how "unchanged" is found.
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <string.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"

#include "profile/mapping.h"
#include "profile/profile.h"
#include "profile/text.h"
#include "profile/transforms.h"

/* An entry with what it is compared by, folded once. */
typedef struct Entry
{
	json_t	   *json;
	const char *id;				/* employer's or school's id, or null */
	const char *owner;			/* employer, school, name, ...; folded, or null */
	const char *title;			/* title, degree; folded, or null */
	int			year;
	int			month;
	bool		taken;
	bool		current;
} Entry;

/* By which keys the entries of a list are told apart. */
typedef struct ListKeys
{
	const char *list;
	const char *id;
	const char *owner;
	const char *title;
} ListKeys;

static const ListKeys list_keys[] = {
	{"experiences", "company_linkedin_id", "company_name", "title"},
	{"educations", "school_id", "school", "degree"},
	{"languages", NULL, "name", NULL},
	{"certifications", NULL, "name", NULL},
	{"skills", NULL, NULL, NULL},
};

static void
out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

static bool
is_empty(json_t *value)
{
	return value == NULL || json_is_null(value) ||
		(json_is_array(value) && json_array_size(value) == 0);
}

static const char *
folded(json_t *value)
{
	const char *text = json_string_value(value);

	return text ? li_utf8_lower(text) : NULL;
}

/* Reads a list's entries; plain texts (skills) are their own owner. */
static Entry *
read_entries(const ListKeys *keys, json_t *list, int *count)
{
	Entry	   *entries = palloc0((json_array_size(list) + 1) * sizeof(Entry));
	size_t		i;
	json_t	   *json;

	json_array_foreach(list, i, json)
	{
		Entry	   *e = &entries[i];

		e->json = json;
		if (keys->owner == NULL)
		{
			e->owner = folded(json);
			continue;
		}
		if (keys->id)
			e->id = json_string_value(json_object_get(json, keys->id));
		e->owner = folded(json_object_get(json, keys->owner));
		if (keys->title)
			e->title = folded(json_object_get(json, keys->title));
		e->year = json_integer_value(json_object_get(json, "start_year"));
		e->month = json_integer_value(json_object_get(json, "start_month"));
		e->current = json_is_true(json_object_get(json, "is_current"));
	}
	*count = json_array_size(list);
	return entries;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/*
 * How well two entries match: 0 not at all, 2 with equal starts, 1 when one
 * start is less precise than the other.
 */
static int
match(const Entry *a, const Entry *b)
{
	if (!same(a->title, b->title))
		return 0;
	if (!(a->id && b->id ? same(a->id, b->id) : same(a->owner, b->owner)))
		return 0;
	if (a->year == b->year && a->month == b->month)
		return 2;
	if (a->year && b->year && (a->year != b->year || (a->month && b->month)))
		return 0;
	return 1;
}

/* The best match for an entry among those not taken yet, or null. */
static Entry *
find_match(Entry *entries, int count, const Entry *wanted)
{
	Entry	   *found = NULL;
	int			best = 0;

	for (int i = 0; i < count && best < 2; i++)
	{
		int			score = entries[i].taken ? 0 : match(&entries[i], wanted);

		if (score > best)
		{
			best = score;
			found = &entries[i];
		}
	}
	return found;
}

static bool
equal_key(json_t *a, json_t *b, const char *key)
{
	return json_equal(json_object_get(a, key), json_object_get(b, key));
}

/*
 * Whether the stored value of a key may stand in for one that the new version
 * of the entry lacks.  The end of a role is one fact: a new end is not mixed
 * with the old one, and a caption or duration goes with the dates it was
 * written for.
 */
static bool
may_keep(json_t *stored, json_t *fresh, const char *key)
{
	bool		has_end = !is_empty(json_object_get(fresh, "end_year"));
	bool		is_current = json_is_true(json_object_get(fresh, "is_current"));

	if (strcmp(key, "end_year") == 0)
		return !is_current;
	if (strcmp(key, "end_month") == 0)
		return !is_current && (!has_end || equal_key(stored, fresh, "end_year"));
	if (strcmp(key, "date_range") == 0 || strcmp(key, "duration") == 0)
		return equal_key(stored, fresh, "is_current") &&
			(!has_end || equal_key(stored, fresh, "end_year")) &&
			(is_empty(json_object_get(fresh, "end_month")) ||
			 equal_key(stored, fresh, "end_month"));
	return true;
}

/* The new version of an entry, with what only the stored one says. */
static json_t *
merge_entry(LiPool *pool, json_t *stored, json_t *fresh)
{
	json_t	   *merged;
	const char *key;
	json_t	   *value;

	if (!json_is_object(fresh) || !json_is_object(stored))
		return stored;
	merged = li_own(pool, json_copy(fresh));
	json_object_foreach(stored, key, value)
	{
		if (is_empty(json_object_get(fresh, key)) && !is_empty(value) &&
			may_keep(stored, fresh, key) && json_object_set(merged, key, value) != 0)
			out_of_memory();
	}
	return merged;
}

/* Present roles first, then by start, the latest first; else as they stand. */
static int
compare_entries(const ListCell *a, const ListCell *b)
{
	const Entry *ea = lfirst(a);
	const Entry *eb = lfirst(b);
	int			start_a = ea->year * 12 + ea->month;
	int			start_b = eb->year * 12 + eb->month;

	if (ea->current != eb->current)
		return ea->current ? -1 : 1;
	if (start_a != start_b)
		return start_a > start_b ? -1 : 1;
	return ea < eb ? -1 : ea > eb;
}

static json_t *
build_list(LiPool *pool, Entry *entries, int count, bool sort)
{
	json_t	   *list = li_own(pool, json_array());
	List	   *order = NIL;
	ListCell   *lc;

	for (int i = 0; i < count; i++)
		order = lappend(order, &entries[i]);
	if (sort)
		list_sort(order, compare_entries);
	foreach(lc, order)
	{
		if (json_array_append(list, ((Entry *) lfirst(lc))->json) != 0)
			out_of_memory();
	}
	return list;
}

/*
 * A newer list merged into the stored one.  A complete one gives the entries
 * and their order; one that is not gives additions, for which room is found by
 * date when there are any.
 */
static json_t *
merge_list(LiPool *pool, const ListKeys *keys, json_t *stored, json_t *fresh, bool complete)
{
	int			n_old;
	int			n_new;
	int			n_added = 0;
	Entry	   *old = read_entries(keys, stored, &n_old);
	Entry	   *new = read_entries(keys, fresh, &n_new);
	Entry	   *all;

	for (int i = 0; i < n_new; i++)
	{
		Entry	   *match = find_match(old, n_old, &new[i]);

		CHECK_FOR_INTERRUPTS();
		if (match)
		{
			match->taken = true;
			new[i].taken = true;
			new[i].json = match->json = merge_entry(pool, match->json, new[i].json);
		}
	}
	if (complete)
		return build_list(pool, new, n_new, false);

	all = palloc0((n_old + n_new + 1) * sizeof(Entry));
	memcpy(all, old, n_old * sizeof(Entry));
	for (int i = 0; i < n_new; i++)
	{
		if (!new[i].taken)
			all[n_old + n_added++] = new[i];
	}
	for (int i = 0; i < n_old; i++)
		all[i].current = json_is_true(json_object_get(all[i].json, "is_current"));
	return build_list(pool, all, n_old + n_added, n_added > 0);
}

static const ListKeys *
find_keys(const char *key)
{
	for (int i = 0; i < lengthof(list_keys); i++)
	{
		if (strcmp(list_keys[i].list, key) == 0)
			return &list_keys[i];
	}
	return NULL;
}

static bool
contains(List *names, const char *name)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}

/*
 * Merges two canonical forms (JSON texts in UTF-8).  complete_lists names the
 * lists that the source of the incoming one carries in full; older says that
 * it was fetched before what is stored.  The result is palloc'd.
 */
char *
li_merge_canonical(const char *stored_text, const char *incoming_text,
				   List *complete_lists, bool older)
{
	LiPool	   *pool = li_pool_new();
	json_t	   *stored = li_parse_any(pool, stored_text);
	json_t	   *incoming = li_parse_any(pool, incoming_text);
	json_t	   *merged;
	const char *key;
	json_t	   *value;
	char	   *text;

	if (!json_is_object(stored) || !json_is_object(incoming))
		elog(ERROR, "a canonical form is not an object");

	merged = li_own(pool, json_copy(stored));
	json_object_foreach(incoming, key, value)
	{
		json_t	   *known = json_object_get(stored, key);
		const ListKeys *keys = find_keys(key);

		if (!is_empty(known) && (older || is_empty(value)))
			continue;
		if (keys && !is_empty(known))
			value = merge_list(pool, keys, known, value, contains(complete_lists, key));
		if (json_object_set(merged, key, value) != 0)
			out_of_memory();
	}
	text = li_json_dump_compact(merged);
	if (text == NULL)
		out_of_memory();
	return text;
}
