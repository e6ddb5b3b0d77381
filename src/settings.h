/*-------------------------------------------------------------------------
 *
 * settings.h
 *		Every setting of the extension.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SETTINGS_H
#define LI_SETTINGS_H

typedef enum LiFairBy
{
	LI_FAIR_BY_NONE,
	LI_FAIR_BY_ROLE,
	LI_FAIR_BY_CREATED_BY
} LiFairBy;

extern char *li_databases;
extern char *li_worker_role;
extern int	li_workers_per_database;
extern int	li_max_in_flight;
extern int	li_batch_size;
extern int	li_poll_interval;	/* ms */
extern int	li_lease_interval;	/* ms */
extern int	li_shutdown_grace;	/* ms */
extern int	li_max_response_size;	/* kB */
extern char *li_default_model;
extern char *li_screening_model;
extern int	li_default_max_tokens;
extern double li_default_temperature;
extern int	li_max_prompt_tokens;
extern int	li_max_jobs_per_profile_per_hour;
extern int	li_max_manual_retries;
extern int	li_cache_ttl;		/* s; 0: off */
extern bool li_store_requests;
extern int	li_fair_by;			/* LiFairBy */
extern bool li_allow_private_endpoints;
extern char *li_home_hosts;
extern bool li_notify;

extern void li_settings_init(void);

#endif							/* LI_SETTINGS_H */
