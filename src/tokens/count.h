/*-------------------------------------------------------------------------
 *
 * count.h
 *		How many tokens of a vocabulary a text has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_TOKENS_COUNT_H
#define LI_TOKENS_COUNT_H

#include "tokens/ranks.h"

/*
 * Tokens of a text in UTF-8, special tokens counting as ordinary text.  Any
 * bytes may be given.  Needs memory in proportion to the longest piece, which
 * is freed again; in the server it can be interrupted.
 */
extern size_t li_ranks_count(const LiRanks *ranks, const char *text, size_t len);

#endif							/* LI_TOKENS_COUNT_H */
