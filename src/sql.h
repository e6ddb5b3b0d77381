/*-------------------------------------------------------------------------
 *
 * sql.h
 *		Saved plans and array parameters over SPI.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_SQL_H
#define LI_SQL_H

#include "executor/spi.h"

#define LI_SQL_MAX_ARGS 40

/*
 * A statement with a plan that is made at its first use and kept for the life
 * of the process.  Static storage only.
 */
typedef struct LiStatement
{
	const char *text;
	int			nargs;
	Oid			types[LI_SQL_MAX_ARGS];
	SPIPlanPtr	plan;
} LiStatement;

/*
 * Both need SPI to be connected, leave rows in SPI_tuptable and return their
 * number; the memory context stays the caller's.  "nulls" as for SPI_execute_plan, NULL for none.  They throw what the
 * statement throws.  li_sql_read takes no new snapshot and refuses writes.
 */
extern uint64 li_sql_run(LiStatement *statement, Datum *values, const char *nulls);
extern uint64 li_sql_read(LiStatement *statement, Datum *values, const char *nulls);

/* An array of n elements; elements by value or already detoasted. */
extern Datum li_sql_array(Oid type, Datum *values, bool *nulls, int n);

/* A column of the current SPI result as text in the given context; NULL for null. */
extern char *li_sql_text(MemoryContext cxt, uint64 row, int column);

/* A column of the current SPI result that is passed by value; "missing" for null. */
extern Datum li_sql_value(uint64 row, int column, Datum missing);

#endif							/* LI_SQL_H */
