/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *		The commit that queues or changes jobs wakes the worker.
 *
 * Statement triggers note in this process that something happened; the commit
 * acts on the note.  After the commit record nothing may throw, so all that
 * happens there is setting latches.  A prepared transaction keeps no note
 * (COMMIT PREPARED may run in another session): polling finds its jobs.
 *
 * Installing, updating and dropping the extension are seen the same way: the
 * install script calls extension_created(), an object access hook sees the
 * update and the drop from whichever command it comes (DROP EXTENSION, DROP
 * SCHEMA CASCADE, DROP OWNED).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "worker/crash_guard.h"
#include "worker/shared_state.h"
#include "worker/wakeup.h"

static uint32 noted;			/* LI_WAKE_* of this transaction */
static bool noted_created;		/* the extension was created */
static bool noted_dropped;		/* the extension was dropped */
static bool noted_start;		/* the worker may start again */
static bool counted;			/* in LiDatabase.changing */
static bool muted;				/* the process is the worker itself */

static object_access_hook_type previous_object_access_hook;

PG_FUNCTION_INFO_V1(linkedin_ingest_wake_worker);
PG_FUNCTION_INFO_V1(linkedin_ingest_notify_providers_changed);
PG_FUNCTION_INFO_V1(linkedin_ingest_extension_created);

/* Acts on the notes.  Must not throw. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT && (noted & LI_WAKE_CONFIG) && !counted)
	{
		li_database_count_change(1);
		counted = true;
	}
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;

	if (event == XACT_EVENT_COMMIT && li_preloaded())
	{
		if (noted_created || noted_dropped)
		{
			LiDatabase *db;

			li_shared_lock(LW_EXCLUSIVE);
			db = li_database_find(MyDatabaseId, true);
			if (db != NULL && noted_created)
			{
				db->state = LI_DB_PRESENT;
				db->created++;
				db->crashes = 0;
				db->next_start_ms = 0;
			}
			li_shared_unlock();
			li_wake_launcher();
		}
		if (noted_created || noted_start)
		{
			li_crash_guard_forget(MyDatabaseId);
			li_wake_launcher();
		}
		if (noted != 0)
		{
			li_wake_database(MyDatabaseId, noted);
			if (noted & LI_WAKE_CHANGED)
				ConditionVariableBroadcast(&li_shared->job_ended);
		}
	}
	if (counted)
		li_database_count_change(-1);	/* whoever needs to know has been told */
	counted = false;
	noted = 0;
	noted_created = false;
	noted_dropped = false;
	noted_start = false;
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, classId, objectId, subId, arg);

	if ((access == OAT_DROP || access == OAT_POST_ALTER) && classId == ExtensionRelationId)
	{
		char	   *name = get_extension_name(objectId);

		if (name != NULL && strcmp(name, "linkedin_ingest") == 0)
		{
			noted_dropped |= access == OAT_DROP;
			noted |= LI_WAKE_CONFIG;
		}
	}
}

/* Called from _PG_init. */
void
li_wakeup_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	if (process_shared_preload_libraries_in_progress)
	{
		previous_object_access_hook = object_access_hook;
		object_access_hook = object_access;
	}
}

/* The commit of the current transaction wakes this database's workers. */
void
li_wakeup_at_commit(uint32 why)
{
	if (!muted)
		noted |= why;
}

/* A worker needs no wake-up from its own writes. */
void
li_wakeup_mute(bool mute)
{
	muted = mute;
}

/* Statement trigger on scoring_jobs. */
Datum
linkedin_ingest_wake_worker(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger", "wake_worker")));
	li_wakeup_at_commit(TRIGGER_FIRED_BY_INSERT(trigger->tg_event) ?
						LI_WAKE_JOBS : LI_WAKE_JOBS | LI_WAKE_CHANGED);
	return PointerGetDatum(NULL);
}

/*
 * Statement trigger on what decides whether and where jobs may run.  With the
 * argument "start" the worker is started again if it was stopped for crashing.
 */
Datum
linkedin_ingest_notify_providers_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger", "notify_providers_changed")));
	if (trigger->tg_trigger->tgnargs > 0)
		noted_start = true;
	li_wakeup_at_commit(LI_WAKE_CONFIG | LI_WAKE_JOBS);
	return PointerGetDatum(NULL);
}

/* Called once by the install script. */
Datum
linkedin_ingest_extension_created(PG_FUNCTION_ARGS)
{
	noted_created = true;
	noted |= LI_WAKE_CONFIG;
	PG_RETURN_VOID();
}
