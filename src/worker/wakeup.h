/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *		What a commit sets going.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_WAKEUP_H
#define LI_WAKEUP_H

extern void li_wakeup_init(void);
extern void li_wakeup_at_commit(uint32 why);
extern void li_wakeup_mute(bool mute);

#endif							/* LI_WAKEUP_H */
