/*-------------------------------------------------------------------------
 *
 * blocks.h
 *		Accounts and models that are not called: blocked or told to wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_BLOCKS_H
#define LI_BLOCKS_H

#include "worker/accounts.h"

/* How long a block lasts before one job tries again. */
#define LI_PROBE_INTERVAL_MS (60 * 1000)

typedef enum LiGate
{
	LI_GATE_OPEN,
	LI_GATE_PROBE,				/* one job may try */
	LI_GATE_CLOSED
} LiGate;

/* SPI connected: the table provider_blocks. */
extern void li_accounts_restore_blocks(LiAccounts *accounts);
extern void li_accounts_save_block(const LiProviderRow *provider, const char *model);
extern void li_accounts_delete_block(const LiProviderRow *provider, const char *model);

/* Shared memory only. */
extern LiGate li_account_gate(const LiProviderRow *provider, const char *model,
							  TimestampTz now, TimestampTz *again);
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

#endif							/* LI_BLOCKS_H */
