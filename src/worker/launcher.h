/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		Which databases need a worker.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_LAUNCHER_H
#define LI_LAUNCHER_H

extern void li_launcher_init(void);
extern PGDLLEXPORT void li_launcher_main(Datum arg);

#endif							/* LI_LAUNCHER_H */
