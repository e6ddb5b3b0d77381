/*-------------------------------------------------------------------------
 *
 * limits.h
 *		How fast an account may be called: rates, calls at once, breaker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LIMITS_H
#define LI_LIMITS_H

#include "http/message.h"
#include "worker/accounts.h"

typedef enum LiAdmission
{
	LI_ADMITTED,				/* reserved: make the call, then settle it */
	LI_ADMIT_LATER,
	LI_ADMIT_BLOCKED			/* the account or the model is blocked */
} LiAdmission;

/* All work on shared memory alone and throw nothing. */
extern void li_limits_configure(LiAccounts *accounts);
extern int	li_limits_in_flight(const LiAccount *entry);
extern int	li_limits_room(const LiProviderRow *provider, const char *model, int64 *wait_ms);
extern LiAdmission li_limits_admit(const LiProviderRow *provider, const char *model, bool probe,
								   double tokens, int64 *wait_ms, bool *whole_account,
								   char *code, size_t code_size);
extern void li_limits_settle(const LiProviderRow *provider, const char *model,
							 double reserved, double used);
extern double li_limits_estimate(const LiProviderRow *provider, const LiHttpRequest *request);
extern void li_limits_learn(const LiProviderRow *provider, const LiHttpRequest *request,
							const LiAnswer *answer, int http_status, const char *model);
extern void li_limits_heard(const LiProviderRow *provider, const LiOutcome *outcome,
							int http_status, TimestampTz sent_at);
extern void li_limits_report_overflow(void);

#endif							/* LI_LIMITS_H */
