/*-------------------------------------------------------------------------
 *
 * retry.h
 *		When to ask again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_RETRY_H
#define LI_LLM_RETRY_H

/*
 * The wait in ms that the response's headers ask for; -1: none, or none that
 * can be believed.
 */
extern int64 li_retry_after_ms(const char *headers, size_t len);

/* Does the server forbid a retry (x-should-retry: false)? */
extern bool li_retry_forbidden(const char *headers, size_t len);

/*
 * The wait in ms before try number attempt + 1, after "attempt" failures (from
 * 1): exponential with full jitter, base 1 s, cap 60 s, or 5 min when the
 * server is overloaded.  random: uniform in [0, 1).
 */
extern int64 li_backoff_ms(int attempt, bool overload, double random);

#endif /* LI_LLM_RETRY_H */
