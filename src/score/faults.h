/*-------------------------------------------------------------------------
 *
 * faults.h
 *		A list of faults in what a caller gave.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SCORE_FAULTS_H
#define LI_SCORE_FAULTS_H

#define LI_MAX_FAULTS 20

/* Lines "argument: kind: message" (contract of all arguments' errors). */
typedef struct LiFaults
{
	char	   *lines[LI_MAX_FAULTS];
	int			n;
} LiFaults;

/* Adds a line, in the current memory context; beyond the last one it is lost. */
extern void li_fault(LiFaults *faults, const char *format,...) pg_attribute_printf(2, 3);

/*
 * "text" as it may stand in a message: one line, clipped to 60 characters; in
 * the current memory context.
 */
extern char *li_fault_quote(const char *text);

#endif							/* LI_SCORE_FAULTS_H */
