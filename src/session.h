/*-------------------------------------------------------------------------
 *
 * session.h
 *		Facts about the session that triggers need.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SESSION_H
#define LI_SESSION_H

extern bool li_is_restoring(void);

#endif							/* LI_SESSION_H */
