/*-------------------------------------------------------------------------
 *
 * worker.h
 *		The background worker of one database.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_WORKER_H
#define LI_WORKER_H

extern PGDLLEXPORT void li_worker_main(Datum slot_number);

#endif							/* LI_WORKER_H */
