/*-------------------------------------------------------------------------
 *
 * endings.c
 *		The log's line about models that end.
 *
 * Models die on a date that is known months before, and nobody reads
 * model_status every day.  So the worker writes one line, at its start and then
 * once per UTC day, for as long as a model in use has at most 60 days left or
 * has ended.  The day is kept in shared memory, so that neither a worker that
 * is started again nor a second one repeats it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "sql.h"
#include "worker/engine_private.h"

static LiStatement endings_statement = {
	"SELECT string_agg(format('\"%s\" %s on %s', e.model,"
	" CASE WHEN e.ended THEN 'ended' ELSE 'ends' END, to_char(e.sunset_on, 'YYYY-MM-DD'))"
	" || coalesce(' (replacement \"' || e.replacement || '\")', ''),"
	" ', ' ORDER BY e.sunset_on, e.model)"
	" FROM linkedin_ingest.models_ending() e",
	0
};

/* Whether this database's log has had no line today; it has one from now on. */
static bool
is_first_today(int today)
{
	LiDatabase *db;
	bool		first = false;

	li_shared_lock(LW_EXCLUSIVE);
	db = li_database_find(MyDatabaseId, false);
	if (db != NULL && db->endings_told_on != today)
	{
		db->endings_told_on = today;
		first = true;
	}
	li_shared_unlock();
	return first;
}

static void
read_endings(void *arg)
{
	char	  **line = arg;

	if (li_sql_read(&endings_statement, NULL, NULL) > 0)
		*line = li_sql_text(CurrentMemoryContext, 0, 1);
}

/*
 * Part of a cycle now and then; nearly always there is nothing to do.  An
 * error costs the day's line, never the jobs.
 */
void
li_engine_tell_endings(LiEngine *engine)
{
	/* 0: the first of January 2000, long gone */
	int			today = (int) (GetCurrentTimestamp() / USECS_PER_DAY);
	char	   *line = NULL;
	ErrorData  *error;

	if (engine->endings_told_on == today || engine->slot->kind != LI_SLOT_WORKER ||
		!li_engine_begin(engine))
		return;
	engine->endings_told_on = today;
	error = is_first_today(today) ? li_engine_attempt(read_endings, &line) : NULL;
	li_engine_commit(engine);
	if (error != NULL)
		ereport(LOG,
				(errmsg("linkedin_ingest could not look for models that end (SQLSTATE %s)",
						unpack_sql_state(error->sqlerrcode))));
	if (line != NULL)
		ereport(LOG,
				(errmsg("linkedin_ingest: models in use end: %s", line),
				 errhint("See model_status; replace_model() changes templates, queued jobs and settings.")));
}
