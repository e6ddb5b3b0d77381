/*-------------------------------------------------------------------------
 *
 * crash_guard.h
 *		A worker that crashes again and again is not started any more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_CRASH_GUARD_H
#define LI_CRASH_GUARD_H

extern void li_crash_guard_init(void);

/* For a worker: from its start to its way out, whatever that is. */
extern void li_crash_guard_enter(int slot, Oid database);
extern void li_crash_guard_leave(void);

/* For the launcher. */
extern void li_crash_guard_collect(void);
extern bool li_crash_guard_stops(Oid database, const char *name);

/* Lets the database's worker try again; InvalidOid: every one. */
extern void li_crash_guard_forget(Oid database);

#endif							/* LI_CRASH_GUARD_H */
