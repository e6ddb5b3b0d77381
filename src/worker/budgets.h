/*-------------------------------------------------------------------------
 *
 * budgets.h
 *		What a provider and a role may cost in a day.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_BUDGETS_H
#define LI_BUDGETS_H

#include "worker/accounts.h"

/* The amounts that one call has reserved; all in USD. */
typedef struct LiReservedCost
{
	double		cost;			/* 0: nothing is reserved */
	bool		of_provider;
	bool		of_role;
} LiReservedCost;

/* SPI connected: reads what the day has cost so far. */
extern void li_budgets_load(LiAccounts *accounts);

/* Shared memory only. */
extern bool li_budget_refuses(bool of_role, const char *name, double limit);
extern const char *li_budgets_exhausted(LiAccounts *accounts, const LiProviderRow *provider,
										const char *role);
extern const char *li_budgets_reserve(LiAccounts *accounts, const LiProviderRow *provider,
									  const char *role, double cost, LiReservedCost *reserved);
extern void li_budgets_settle(const LiProviderRow *provider, const char *role,
							  LiReservedCost *reserved, double cost);

#endif							/* LI_BUDGETS_H */
