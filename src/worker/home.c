/*-------------------------------------------------------------------------
 *
 * home.c
 *		A copy spends nothing: whether jobs may run on this cluster.
 *
 * The table "home" says on which cluster, host and data directory jobs were
 * created.  It is not dumped, and what it says does not survive a copy: a
 * restored dump has no row, a database made with TEMPLATE another oid, a
 * copied data directory another host, path or inode, a promoted standby and a
 * point-in-time recovery another timeline.  Whoever does not match calls
 * nobody until resume_worker().
 *
 * Hosts that take turns by design (Patroni, repmgr) are listed in
 * linkedin_ingest.home_hosts: there the same system goes on by itself with a
 * higher timeline.
 *
 * A file-level snapshot that is put back in place cannot be told from the
 * original.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <sys/stat.h>

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/varlena.h"

#include "settings.h"
#include "sql.h"
#include "worker/home.h"

typedef struct Home
{
	uint64		system_identifier;
	TimeLineID	timeline;
	Oid			database;
	char		host_id[64];	/* empty: the host has none */
	const char *data_directory;
	int64		device;
	int64		inode;
} Home;

static LiStatement home_statement = {
	"SELECT system_identifier, timeline, database_oid, host_id, data_directory, device, inode"
	" FROM linkedin_ingest.home",
	0
};

PG_FUNCTION_INFO_V1(linkedin_ingest_this_home);
PG_FUNCTION_INFO_V1(linkedin_ingest_home_problem);

/* The host's own id; a container without one gets none, its name changes. */
static void
read_host_id(char *id, size_t size)
{
	FILE	   *file = fopen("/etc/machine-id", "r");
	size_t		len;

	id[0] = '\0';
	if (file == NULL)
		return;
	len = fread(id, 1, size - 1, file);
	fclose(file);
	while (len > 0 && isspace((unsigned char) id[len - 1]))
		len--;
	id[len] = '\0';
}

static void
this_home(Home *home)
{
	struct stat st;

	memset(home, 0, sizeof(Home));
	home->system_identifier = GetSystemIdentifier();
	/* pg_control lags after a promotion */
	home->timeline = RecoveryInProgress() ? 0 : GetWALInsertionTimeLine();
	home->database = MyDatabaseId;
	read_host_id(home->host_id, sizeof(home->host_id));
	home->data_directory = DataDir;
	if (stat(DataDir, &st) == 0)
	{
		home->device = (int64) st.st_dev;
		home->inode = (int64) st.st_ino;
	}
}

static bool
host_is_listed(const char *host_id)
{
	List	   *hosts;
	ListCell   *cell;

	if (host_id[0] == '\0' ||
		!SplitIdentifierString(pstrdup(li_home_hosts), ',', &hosts))
		return false;
	foreach(cell, hosts)
		if (pg_strcasecmp(lfirst(cell), host_id) == 0)
			return true;
	return false;
}

char *
li_home_problem(void)
{
	Home		here;
	uint64		system_identifier;
	TimeLineID	timeline;
	const char *host_id;
	const char *data_directory;

	this_home(&here);
	if (li_sql_read(&home_statement, NULL, NULL) == 0)
		return pstrdup("this database has jobs but was not made here (restored from a dump?); call resume_worker() to let them run");

	system_identifier = (uint64) DatumGetInt64(li_sql_value(0, 1, Int64GetDatum(0)));
	timeline = DatumGetUInt32(li_sql_value(0, 2, UInt32GetDatum(0)));
	host_id = li_sql_text(CurrentMemoryContext, 0, 4);
	data_directory = li_sql_text(CurrentMemoryContext, 0, 5);

	if (system_identifier != here.system_identifier)
		return pstrdup("the jobs belong to another cluster; call resume_worker() to let them run here");
	if (DatumGetObjectId(li_sql_value(0, 3, ObjectIdGetDatum(InvalidOid))) != here.database)
		return pstrdup("this database is a copy of another; call resume_worker() to let its jobs run");
	if (timeline < here.timeline && host_is_listed(here.host_id))
		return NULL;
	if (timeline != here.timeline)
		return psprintf("the timeline is %u, the jobs belong to %u (promoted or recovered); call resume_worker() to let them run here",
						here.timeline, timeline);
	if (strcmp(host_id ? host_id : "", here.host_id) != 0)
		return pstrdup("the jobs belong to another host; call resume_worker() to let them run here");
	if (data_directory == NULL || strcmp(data_directory, here.data_directory) != 0 ||
		DatumGetInt64(li_sql_value(0, 6, Int64GetDatum(0))) != here.device ||
		DatumGetInt64(li_sql_value(0, 7, Int64GetDatum(0))) != here.inode)
		return pstrdup("the data directory is a copy or was moved; call resume_worker() to let the jobs run here");
	return NULL;
}

/* this_home() -> the row that "home" would hold for this cluster */
Datum
linkedin_ingest_this_home(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		values[7];
	bool		nulls[7] = {false};
	Home		here;

	InitMaterializedSRF(fcinfo, 0);
	this_home(&here);
	values[0] = Int64GetDatum((int64) here.system_identifier);
	values[1] = Int32GetDatum((int32) here.timeline);
	values[2] = ObjectIdGetDatum(here.database);
	values[3] = CStringGetTextDatum(here.host_id);
	nulls[3] = here.host_id[0] == '\0';
	values[4] = CStringGetTextDatum(here.data_directory);
	values[5] = Int64GetDatum(here.device);
	values[6] = Int64GetDatum(here.inode);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	return (Datum) 0;
}

/* home_problem() -> text: why jobs may not run here; null: they may */
Datum
linkedin_ingest_home_problem(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *problem;
	text	   *result = NULL;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	problem = li_home_problem();
	if (problem != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(caller);

		result = cstring_to_text(problem);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(result);
}
