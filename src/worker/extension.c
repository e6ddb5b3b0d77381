/*-------------------------------------------------------------------------
 *
 * extension.c
 *		Whether this database has the extension, and settings for its SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_extension.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "worker/extension.h"

/* The extension's oid and whether its version is the library's. */
static Oid
find_extension(bool *same_version)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			oid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("linkedin_ingest"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		version = heap_getattr(tuple, Anum_pg_extension_extversion,
										   RelationGetDescr(rel), &isnull);

		oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		*same_version = !isnull && strcmp(TextDatumGetCString(version), LI_VERSION) == 0;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return oid;
}

/*
 * Looks the extension up and keeps a share lock on it until the transaction
 * ends; looks again under the lock, it may have been dropped meanwhile.
 */
LiExtension
li_extension_lock(void)
{
	bool		same_version = false;
	Oid			oid = find_extension(&same_version);

	if (!OidIsValid(oid))
		return LI_EXTENSION_ABSENT;
	LockDatabaseObject(ExtensionRelationId, oid, 0, AccessShareLock);
	if (find_extension(&same_version) != oid)
		return LI_EXTENSION_ABSENT;
	return same_version ? LI_EXTENSION_PRESENT : LI_EXTENSION_OTHER_VERSION;
}

/*
 * Settings under which the engine's statements run: every one is a look-up in
 * an index, and a plan chosen while the tables were small must not change to
 * a scan.  GUC_ACTION_LOCAL for a session that is not ours.
 */
void
li_engine_settings(GucAction action)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"jit", "off"},
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_seqscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"enable_bitmapscan", "off"},
		{"enable_material", "off"},
	};
	int			i;

	for (i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET,
								 action == GUC_ACTION_SET ? PGC_S_OVERRIDE : PGC_S_SESSION,
								 action, true, 0, false);
}

/*
 * For each transaction of the engine: a committed claim must survive a crash,
 * or a call that may have been paid would be invisible.
 */
void
li_engine_durable(void)
{
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "local", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}
