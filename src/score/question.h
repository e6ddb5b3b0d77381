/*-------------------------------------------------------------------------
 *
 * question.h
 *		A question about a person, ready to be asked more than once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_QUESTION_H
#define LI_SCORE_QUESTION_H

#include "score/profile_text.h"
#include "score/prompt.h"
#include "score/template.h"
#include "../task.h"
#include "tokens/tokens.h"

typedef struct LiQuestion LiQuestion;

/*
 * Expands the template's texts.  The result, in the current memory context,
 * keeps "text" and copies all else.  "schema": JSON text to send; NULL: none.
 * Tokens are counted as "model" does, by its encoding; NULL: they are estimated.
 * Throws when there is no strong random number for the nonce.
 */
extern LiQuestion *li_question_new(const LiTemplate *template, const LiPromptValues *values,
								   LiProfileText *text, const char *schema,
								   const char *model, const LiRanks *encoding);

/*
 * The same question with a nonce of its own, in the current memory context;
 * shortening one leaves the other as it is.  Its texts are shared.
 */
extern LiQuestion *li_question_copy(const LiQuestion *question);

/* Shortens the profile until the three messages fit, as far as it can be. */
extern void li_question_fit(LiQuestion *question, int max_tokens);

/*
 * Shortens the profile so that the messages have "percent" of their size; 0:
 * as short as it gets.  False when nothing could be cut.
 */
extern bool li_question_shrink(LiQuestion *question, int percent);

/*
 * Fills messages and schema of *ask, in the current memory context; with
 * "code", the fault of an earlier answer is named.
 */
extern void li_question_ask(const LiQuestion *question, const char *code, const char *path,
							LiAsk *ask);

extern const LiProfileText *li_question_profile(const LiQuestion *question);

/* The text between the fences as it is asked with now. */
extern const char *li_question_profile_text(const LiQuestion *question);

/*
 * Tokens of the three messages.  The same for every nonce.  What a provider adds
 * for the schema is not in it: none tells how it is counted.
 */
extern int	li_question_tokens(const LiQuestion *question);

/* Are they counted?  Else they are estimated. */
extern bool li_question_tokens_exact(const LiQuestion *question);

#endif							/* LI_SCORE_QUESTION_H */
