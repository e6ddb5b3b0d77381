/*-------------------------------------------------------------------------
 *
 * sql.c
 *		Saved plans and array parameters over SPI.
 *
 * Every statement of the engine has parameters and a saved plan: no SQL is
 * built from text, and planning is paid once per process.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "sql.h"

static uint64
run(LiStatement *statement, Datum *values, const char *nulls, bool read_only)
{
	MemoryContext cxt = CurrentMemoryContext;
	int			result;

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->text, statement->nargs, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare a statement: %s",
				 SPI_result_code_string(SPI_result));
		statement->plan = plan;
	}

	result = SPI_execute_plan(statement->plan, values, nulls, read_only, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement: %s", SPI_result_code_string(result));
	/* SPI leaves its own behind, which goes with the connection */
	MemoryContextSwitchTo(cxt);
	return SPI_processed;
}

uint64
li_sql_run(LiStatement *statement, Datum *values, const char *nulls)
{
	return run(statement, values, nulls, false);
}

uint64
li_sql_read(LiStatement *statement, Datum *values, const char *nulls)
{
	return run(statement, values, nulls, true);
}

Datum
li_sql_array(Oid type, Datum *values, bool *nulls, int n)
{
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			dims[1];
	int			lbs[1] = {1};

	if (n == 0)
		return PointerGetDatum(construct_empty_array(type));
	dims[0] = n;
	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, type,
											  typlen, typbyval, typalign));
}

char *
li_sql_text(MemoryContext cxt, uint64 row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
	char	   *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextStrdup(cxt, value);
	pfree(value);
	return copy;
}

Datum
li_sql_value(uint64 row, int column, Datum missing)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
									  column, &isnull);

	return isnull ? missing : value;
}
