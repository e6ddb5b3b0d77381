/*-------------------------------------------------------------------------
 *
 * tokens.h
 *		Tokens of texts, exact where the vocabulary is known.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_TOKENS_TOKENS_H
#define LI_TOKENS_TOKENS_H

typedef struct LiRanks LiRanks;

/*
 * The vocabulary of that name (llm_models.encoding), which stays for the life of
 * the process.  NULL: the name is NULL, of none that we have, or its file cannot
 * be used, which is said once in a WARNING.
 */
extern const LiRanks *li_encoding_find(const char *name);

/*
 * Tokens of a text in UTF-8; special tokens count as ordinary text.  With no
 * encoding (NULL) an estimate: bytes / 3, rounded up.
 */
extern int	li_count_tokens(const LiRanks *encoding, const char *text, size_t len);

#endif							/* LI_TOKENS_TOKENS_H */
