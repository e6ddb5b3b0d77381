/*-------------------------------------------------------------------------
 *
 * accounts.h
 *		Providers and models as configured, and which of them may be called.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_ACCOUNTS_H
#define LI_ACCOUNTS_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "llm/provider.h"
#include "worker/shared_state.h"

/* How long a block lasts before one job tries again. */
#define LI_PROBE_INTERVAL_MS (60 * 1000)

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
	bool		merge_user_messages;
	int			allotted;		/* by the look at the queue that is under way */
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
	char	   *input_price;
	char	   *cached_price;
	char	   *output_price;
} LiModelRow;

/*
 * Both tables as they were at one moment, in a context of their own.  Counted
 * references: work in flight keeps the rows it was started with.
 */
typedef struct LiAccounts
{
	MemoryContext cxt;
	int			references;
	List	   *providers;
	List	   *models;
} LiAccounts;

typedef enum LiGate
{
	LI_GATE_OPEN,
	LI_GATE_PROBE,				/* one job may try */
	LI_GATE_CLOSED
} LiGate;

/* SPI connected.  The result has one reference and lives below "parent". */
extern LiAccounts *li_accounts_load(MemoryContext parent);
extern void li_accounts_release(LiAccounts *accounts);
extern void li_accounts_restore_blocks(LiAccounts *accounts);
extern void li_accounts_save_block(const LiProviderRow *provider, const char *model);
extern void li_accounts_delete_block(const LiProviderRow *provider, const char *model);

extern LiProviderRow *li_accounts_provider(LiAccounts *accounts, const char *name);
extern LiModelRow *li_accounts_model(LiAccounts *accounts, const char *model);

/* Shared memory only. */
extern LiGate li_account_gate(const LiProviderRow *provider, const char *model,
							  TimestampTz now, TimestampTz *again);
extern void li_account_count(const LiProviderRow *provider, int calls);
extern int	li_account_in_flight(const LiProviderRow *provider);
extern bool li_account_begin_probe(const LiProviderRow *provider, const char *model);
extern TimestampTz li_account_defer(const LiProviderRow *provider, int64 hint_ms, bool overload);
extern void li_account_answers(const LiProviderRow *provider);
extern bool li_account_block(const LiProviderRow *provider, const char *model,
							 const char *code, const char *message);
extern void li_account_end_probe(const LiProviderRow *provider, const char *model, bool tried);
extern void li_accounts_drop_probes(void);
extern bool li_account_is_blocked(const LiProviderRow *provider, const char *model);
extern bool li_account_unblock(const LiProviderRow *provider, const char *model);
extern void li_accounts_probe_now(LiAccounts *accounts);

#endif							/* LI_ACCOUNTS_H */
