/*-------------------------------------------------------------------------
 *
 * rates.h
 *		The limits per minute that a response tells of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LLM_RATES_H
#define LI_LLM_RATES_H

#include "task.h"

/*
 * Requests and tokens per minute; 0 where the headers do not tell, or tell
 * something that is no positive number, is beyond belief (10^12), or is not
 * per minute.
 */
extern LiRates li_rates_of_headers(const char *headers, size_t len);

#endif							/* LI_LLM_RATES_H */
