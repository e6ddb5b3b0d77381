/*-------------------------------------------------------------------------
 *
 * split.h
 *		Text in the pieces within which bytes are merged to tokens.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_TOKENS_SPLIT_H
#define LI_TOKENS_SPLIT_H

#include "tokens/ranks.h"

/*
 * The end of the piece that begins at "text", which must be before "end".  Takes
 * any bytes: one that belongs to no character of UTF-8 counts as a character
 * that is neither letter, number nor white space.
 */
extern const uint8 *li_split_next(const LiRanks *ranks, const uint8 *text, const uint8 *end);

#endif							/* LI_TOKENS_SPLIT_H */
