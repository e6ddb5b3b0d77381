/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Every setting of the extension.
 *
 * None is PGC_USERSET: a caller must not lift a limit, nor decide which file
 * the server reads or where it sends a request.  None is PGC_POSTMASTER:
 * defining one in a session that did not preload the library is fatal to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"
#include "utils/varlena.h"

#include "settings.h"

char	   *li_databases;
char	   *li_worker_role;
int			li_workers_per_database;
int			li_max_in_flight;
int			li_batch_size;
int			li_poll_interval;
int			li_lease_interval;
int			li_shutdown_grace;
int			li_max_response_size;
char	   *li_default_model;
char	   *li_screening_model;
int			li_default_max_tokens;
double		li_default_temperature;
int			li_max_prompt_tokens;
int			li_max_jobs_per_profile_per_hour;
int			li_max_manual_retries;
int			li_cache_ttl;
bool		li_store_requests;
int			li_fair_by;
bool		li_allow_private_endpoints;
char	   *li_home_hosts;
bool		li_notify;

static const struct config_enum_entry fair_by_options[] = {
	{"created_by", LI_FAIR_BY_CREATED_BY, false},
	{"role", LI_FAIR_BY_ROLE, false},
	{"none", LI_FAIR_BY_NONE, false},
	{NULL, 0, false}
};

static bool
check_list(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid = SplitIdentifierString(copy, ',', &names);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(names);
	pfree(copy);
	return valid;
}

/* The worker: which databases, how much at once, how often. */
static void
define_worker_settings(void)
{
	DefineCustomStringVariable("linkedin_ingest.databases",
							   "Sets the databases that get a worker.",
							   "Comma-separated names. Empty means every database that has the extension.",
							   &li_databases, "", PGC_SIGHUP, GUC_LIST_INPUT, check_list, NULL, NULL);
	DefineCustomStringVariable("linkedin_ingest.worker_role",
							   "Sets the role that the workers run as.",
							   "Empty means the bootstrap superuser. The role needs grant_access(role, 'worker').",
							   &li_worker_role, "", PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.workers_per_database",
							"Sets the number of workers for each database.", NULL,
							&li_workers_per_database, 1, 1, 16,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.max_in_flight",
							"Sets the number of requests that a worker keeps open at once.",
							"Clipped, with a log line, to what the limit on open files allows.",
							&li_max_in_flight, 256, 1, 10000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.batch_size",
							"Sets the number of jobs that one claim takes at most.", NULL,
							&li_batch_size, 100, 1, 10000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.poll_interval",
							"Sets the longest wait between looks at the jobs table.",
							"New jobs wake the worker at once; this is the safety net.",
							&li_poll_interval, 5000, 100, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.lease_interval",
							"Sets how long a worker may show no sign of life before its jobs go to another.", NULL,
							&li_lease_interval, 60 * 1000, 1000, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.shutdown_grace",
							"Sets how long a worker that is told to stop waits for open requests.",
							"Zero hands them back at once. Any other value delays every shutdown of the server.",
							&li_shutdown_grace, 0, 0, 600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomEnumVariable("linkedin_ingest.fair_by",
							 "Sets who shares a batch equally when there is more work than room.", NULL,
							 &li_fair_by, LI_FAIR_BY_CREATED_BY, fair_by_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("linkedin_ingest.home_hosts",
							   "Sets the hosts on which jobs go on by themselves after a promotion.",
							   "Comma-separated contents of /etc/machine-id. List every member of the cluster, never a recovery host.",
							   &li_home_hosts, "", PGC_SIGHUP, GUC_LIST_INPUT | GUC_SUPERUSER_ONLY,
							   check_list, NULL, NULL);
	DefineCustomBoolVariable("linkedin_ingest.notify",
							 "Sends NOTIFY linkedin_ingest when a job ends.", NULL,
							 &li_notify, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* Requests: how large, how long, where to. */
static void
define_request_settings(void)
{
	DefineCustomIntVariable("linkedin_ingest.max_response_size",
							"Sets the largest response that is read.", NULL,
							&li_max_response_size, 4096, 16, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.cache_ttl",
							"Sets for how long an identical question about the same person is answered from its last answer.",
							"Zero asks the model every time.",
							&li_cache_ttl, 0, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomBoolVariable("linkedin_ingest.store_requests",
							 "Stores the body of a request with its job.", NULL,
							 &li_store_requests, true, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("linkedin_ingest.allow_private_endpoints",
							 "Allows providers on private addresses, and http to them.",
							 "Loopback addresses are always allowed.",
							 &li_allow_private_endpoints, false, PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/* Jobs: what they get when the caller says nothing, and limits on callers. */
static void
define_job_settings(void)
{
	DefineCustomStringVariable("linkedin_ingest.default_model",
							   "Sets the model for jobs whose call and template name none.", NULL,
							   &li_default_model, "gpt-6-luna", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("linkedin_ingest.screening_model",
							   "Sets the model for jobs of stage screening whose call and template name none.", NULL,
							   &li_screening_model, "gpt-6-luna", PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.default_max_tokens",
							"Sets the cap on answer tokens for jobs whose call and template set none.", NULL,
							&li_default_max_tokens, 2000, 100, 32000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("linkedin_ingest.default_temperature",
							 "Sets the temperature for jobs whose call and template set none.",
							 "Not sent to a model that takes none.",
							 &li_default_temperature, 0.1, 0, 2,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.max_prompt_tokens",
							"Sets the tokens of a prompt beyond which the profile in it is shortened.", NULL,
							&li_max_prompt_tokens, 15000, 1000, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.max_jobs_per_profile_per_hour",
							"Sets how many jobs a profile may get in 60 minutes.",
							"Zero turns the limit off.",
							&li_max_jobs_per_profile_per_hour, 10, 0, INT_MAX,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("linkedin_ingest.max_manual_retries",
							"Sets how often retry_job may be used on a job.", NULL,
							&li_max_manual_retries, 3, 0, 10,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Called once from _PG_init, preloaded or not. */
void
li_settings_init(void)
{
	define_worker_settings();
	define_request_settings();
	define_job_settings();
	MarkGUCPrefixReserved("linkedin_ingest");
}
