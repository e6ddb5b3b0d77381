/*-------------------------------------------------------------------------
 *
 * database_ddl.h
 *		Making room for commands that want a database to themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_DATABASE_DDL_H
#define LI_DATABASE_DDL_H

extern void li_database_ddl_init(void);

#endif							/* LI_DATABASE_DDL_H */
