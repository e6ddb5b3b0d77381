/*-------------------------------------------------------------------------
 *
 * ranks.h
 *		A vocabulary of tokens, mapped from its file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_TOKENS_RANKS_H
#define LI_TOKENS_RANKS_H

#include "tokens/tokens.h"

/* Classes of characters, as far as text is split by them. */
enum
{
	LI_CLASS_OTHER,
	LI_CLASS_UPPER,				/* Lu, Lt */
	LI_CLASS_LOWER,				/* Ll */
	LI_CLASS_LETTER,			/* Lm, Lo */
	LI_CLASS_MARK,				/* M */
	LI_CLASS_NUMBER,			/* N */
	LI_CLASS_SPACE,				/* white space but the next */
	LI_CLASS_LINE_END			/* CR, LF */
};

/* By which rules text is split; numbers in the file. */
typedef enum LiSplitRules
{
	LI_SPLIT_CL100K,
	LI_SPLIT_O200K
} LiSplitRules;

/* Pointers are into the mapped file, which stays for the life of the process. */
struct LiRanks
{
	LiSplitRules rules;
	const uint8 *blocks_index;	/* block of 256 characters to its classes */
	const uint8 *blocks;
	const uint32 *slots;
	int			slot_bits;
	const uint8 *entries;
	uint32		longest;		/* bytes of the longest token */
};

/* What no token's order is. */
#define LI_NO_TOKEN PG_UINT32_MAX

/* Fills *ranks from a file.  NULL: done; else what is wrong (static). */
extern const char *li_ranks_open(LiRanks *ranks, const char *path);

/*
 * The order of the token with these bytes, which is all that merging asks of a
 * rank; LI_NO_TOKEN: there is none.
 */
extern uint32 li_ranks_find(const LiRanks *ranks, const uint8 *bytes, size_t len);

static inline int
li_ranks_class(const LiRanks *ranks, uint32 character)
{
	return ranks->blocks[(uint32) ranks->blocks_index[character >> 8] << 8 | (character & 0xff)];
}

#endif							/* LI_TOKENS_RANKS_H */
