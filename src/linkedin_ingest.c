/*-------------------------------------------------------------------------
 *
 * linkedin_ingest.c
 *		Entry point: calls each room's init, nothing else.
 *
 * Without preload the functions work all the same; there is then no worker,
 * and worker_status says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "task.h"
#include "score/task.h"
#include "settings.h"
#include "worker/crash_guard.h"
#include "worker/database_ddl.h"
#include "worker/engine.h"
#include "worker/errand.h"
#include "worker/launcher.h"
#include "worker/shared_state.h"
#include "worker/wakeup.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	li_settings_init();
	li_shared_init();
	li_errand_init();
	li_wakeup_init();
	li_engine_register(&li_scoring_task);
	if (process_shared_preload_libraries_in_progress && !IsBinaryUpgrade)
	{
		li_crash_guard_init();
		li_database_ddl_init();
		li_launcher_init();
	}
}
