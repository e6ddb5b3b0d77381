/*-------------------------------------------------------------------------
 *
 * accounts.h
 *		Providers, models and roles as configured.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_ACCOUNTS_H
#define LI_ACCOUNTS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "llm/provider.h"
#include "worker/shared_state.h"

/* A row of llm_providers with its references resolved. */
typedef struct LiProviderRow
{
	char	   *name;
	char	   *kind;
	const LiProvider *dialect;	/* NULL: see problem */
	LiEndpoint	endpoint;
	const char *problem;		/* why it cannot be called at all; NULL: it can */
	bool		key_found;
	char	   *ca_file;
	int			connect_timeout_ms;
	int			request_timeout_ms;
	int			max_in_flight;	/* 0: no limit of its own */
	int			requests_per_minute;	/* 0: likewise */
	int			tokens_per_minute;	/* 0: likewise */
	double		daily_budget;	/* USD; below 0: none */
	bool		merge_user_messages;
	int			room;			/* calls that the look under way may still give it */
	uint64		next_send_ms;	/* monotonic; until then no call is admitted */
	char		account[LI_ACCOUNT_LEN];
} LiProviderRow;

/* A row of llm_models; prices are numeric as text, NULL for unknown. */
typedef struct LiModelRow
{
	char	   *model;
	char	   *provider;
	char	   *token_parameter;
	char	   *reasoning_effort;
	bool		json_schema;
	bool		temperature;	/* it takes one */
	char	   *sunset_on;		/* YYYY-MM-DD; NULL: none known */
	bool		ended;			/* that day is past */
	char	   *replacement;	/* NULL: none known */
	char	   *input_price;
	char	   *cached_price;
	char	   *output_price;
} LiModelRow;

/* A row of roles that has a budget. */
typedef struct LiRoleBudget
{
	char	   *role;
	double		daily_budget;	/* USD */
} LiRoleBudget;

/*
 * The tables as they were at one moment, in a context of their own.  Counted
 * references: work in flight keeps the rows it was started with.
 */
typedef struct LiAccounts
{
	MemoryContext cxt;
	int			references;
	List	   *providers;
	List	   *models;
	List	   *role_budgets;
} LiAccounts;

/* SPI connected.  The result has one reference and lives below "parent". */
extern LiAccounts *li_accounts_load(MemoryContext parent);
extern void li_accounts_release(LiAccounts *accounts);

extern LiProviderRow *li_accounts_provider(LiAccounts *accounts, const char *name);
extern LiModelRow *li_accounts_model(LiAccounts *accounts, const char *model);
extern double li_accounts_role_budget(LiAccounts *accounts, const char *role);

#endif							/* LI_ACCOUNTS_H */
