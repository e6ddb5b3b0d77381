/*-------------------------------------------------------------------------
 *
 * faults.h
 *		Named places at which a test makes the server fail.
 *
 * LI_FAULT("name") is nothing unless the library is built with -DLI_FAULTS,
 * which only the tests do.  A leaf: every room may use it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_FAULTS_H
#define LI_FAULTS_H

#ifdef LI_FAULTS
#define LI_FAULT(name) li_fault_point(name)
extern void li_fault_point(const char *name);
#else
#define LI_FAULT(name) ((void) 0)
#endif

#endif							/* LI_FAULTS_H */
