/*-------------------------------------------------------------------------
 *
 * home.h
 *		Whether jobs may run on this cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_HOME_H
#define LI_HOME_H

/*
 * NULL when jobs may run here, else why not, in the current memory context.
 * Needs SPI connected.
 */
extern char *li_home_problem(void);

#endif							/* LI_HOME_H */
