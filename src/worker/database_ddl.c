/*-------------------------------------------------------------------------
 *
 * database_ddl.c
 *		Making room for commands that want a database to themselves.
 *
 * DROP DATABASE, ALTER DATABASE RENAME or SET TABLESPACE and CREATE DATABASE
 * ... TEMPLATE fail while anybody is connected to the database, after five
 * seconds of waiting.  A worker of ours must not be the reason: the hook marks
 * the database, wakes its workers, which hand their jobs back and leave, waits
 * for that a second at most, and lets the command run.  The mark ends with
 * the transaction, whether it commits or not: before, the launcher would start
 * a worker into a database that is about to go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/condition_variable.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "worker/database_ddl.h"
#include "worker/shared_state.h"

#define LEAVE_TIMEOUT_MS 1000
#define MAX_MARKS		16		/* renames in one transaction; more are not helped */

static ProcessUtility_hook_type previous_utility_hook;
static Oid	marks[MAX_MARKS];	/* of the current transaction */
static int	mark_count;
static bool databases_changed;

static bool
owns_database(Oid oid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, oid, GetUserId());
#else
	return pg_database_ownercheck(oid, GetUserId());
#endif
}

static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		may = superuser();

	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		may = may || ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return may;
}

static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

/*
 * The database that the command wants to itself; InvalidOid when it wants
 * none, there is no such database, or the user may not do it anyway.
 */
static Oid
wanted_database(Node *node)
{
	const char *name = NULL;
	bool		as_template = false;
	Oid			oid;

	switch (nodeTag(node))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *) node)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) node)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) node)->subname;
			break;
		case T_AlterDatabaseStmt:
			if (find_option(((AlterDatabaseStmt *) node)->options, "tablespace") != NULL)
				name = ((AlterDatabaseStmt *) node)->dbname;
			break;
		case T_CreatedbStmt:
			{
				DefElem    *option = find_option(((CreatedbStmt *) node)->options, "template");

				as_template = true;
				name = option && option->arg ? defGetString(option) : "template1";
				break;
			}
		default:
			break;
	}
	if (name == NULL)
		return InvalidOid;
	oid = get_database_oid(name, true);
	if (!OidIsValid(oid) || oid == MyDatabaseId)
		return InvalidOid;
	if (as_template ? !may_create_databases() : !owns_database(oid))
		return InvalidOid;
	return oid;
}

static bool
has_worker(Oid oid)
{
	int			i;

	for (i = 0; i < LI_MAX_SLOTS; i++)
		if (li_shared->slots[i].kind == LI_SLOT_WORKER && li_shared->slots[i].database == oid)
			return true;
	return false;
}

static void
mark(Oid oid, int by)
{
	LiDatabase *db;

	li_shared_lock(LW_EXCLUSIVE);
	db = li_database_find(oid, by > 0);
	if (db != NULL)
		db->leaving += by;
	li_shared_unlock();
}

/* Asks the workers of the database to leave and waits for it, within limits. */
static void
make_leave(Oid oid)
{
	uint64		deadline = li_monotonic_ms() + LEAVE_TIMEOUT_MS;

	ConditionVariablePrepareToSleep(&li_shared->slot_freed);
	while (has_worker(oid) && li_monotonic_ms() < deadline)
	{
		li_wake_database(oid, LI_WAKE_LEAVE);
		ConditionVariableTimedSleep(&li_shared->slot_freed, 100,
									li_wait_event(LI_WAIT_WORKERS_LEAVE));
	}
	ConditionVariableCancelSleep();
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	NodeTag		tag = nodeTag(pstmt->utilityStmt);

	if (tag == T_DropdbStmt || tag == T_RenameStmt || tag == T_AlterDatabaseStmt ||
		tag == T_CreatedbStmt)
	{
		Oid			oid = wanted_database(pstmt->utilityStmt);

		if (OidIsValid(oid) && mark_count < MAX_MARKS)
		{
			marks[mark_count++] = oid;
			mark(oid, 1);
			make_leave(oid);
		}
		databases_changed = true;
	}
	if (previous_utility_hook)
		previous_utility_hook(pstmt, queryString, readOnlyTree, context, params,
							  queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);
}

/* Ends the marks; the launcher looks at the databases as they are now. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	while (mark_count > 0)
		mark(marks[--mark_count], -1);
	if (databases_changed)
	{
		databases_changed = false;
		li_shared->launcher_refresh = true;
		li_wake_launcher();
	}
}

/* Called from _PG_init while libraries are preloaded. */
void
li_database_ddl_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(at_transaction_end, NULL);
}
