/*-------------------------------------------------------------------------
 *
 * injection.h
 *		Does a profile speak to the model?
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_INJECTION_H
#define LI_SCORE_INJECTION_H

#define LI_INJECTION_KINDS 8

/*
 * Writes the names of the kinds of instruction that "text" holds to "kinds"
 * (static strings, each once, room for LI_INJECTION_KINDS) and returns their
 * number.  "text" is a profile as it is sent: clean UTF-8.
 */
extern int	li_injection_scan(const char *text, const char **kinds);

#endif							/* LI_SCORE_INJECTION_H */
