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

typedef enum LiBudgetState
{
	LI_BUDGET_OPEN,
	LI_BUDGET_RESERVED,			/* calls under way may use it up: wait for them */
	LI_BUDGET_EXHAUSTED			/* until the day ends or the budget is raised */
} LiBudgetState;

/* SPI connected: reads what the day has cost so far. */
extern void li_budgets_load(LiAccounts *accounts);

/* Shared memory only. */
extern LiBudgetState li_budgets_look(LiAccounts *accounts, const LiProviderRow *provider,
									 const char *model, const char *role);
extern bool li_budget_refuses(bool of_role, const char *name, double limit, const char *model);
extern LiBudgetState li_budgets_reserve(LiAccounts *accounts, const LiProviderRow *provider,
										const char *model, const char *role, double cost,
										double *reserved, const char **reason);
extern void li_budgets_settle(const LiProviderRow *provider, const char *role,
							  double reserved, double cost);

#endif							/* LI_BUDGETS_H */
