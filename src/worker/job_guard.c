/*-------------------------------------------------------------------------
 *
 * job_guard.c
 *		The trigger that keeps scoring_jobs to its state machine.
 *
 * In C because every claim and every result passes through it.  It also takes
 * the claim's token away when a job stops processing, by whatever command: a
 * late answer of the worker then finds no row to write.  The states and their
 * transitions are drawn in docs/design.md.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "session.h"

PG_FUNCTION_INFO_V1(linkedin_ingest_scoring_jobs_guard);

static const struct
{
	const char *from;
	const char *to;
}			transitions[] = {
	{"pending", "processing"},
	{"pending", "cancelled"},
	{"processing", "completed"},
	{"processing", "failed"},
	{"processing", "pending"},
	{"processing", "cancelled"},
	{"failed", "pending"},
	{"cancelled", "pending"},
};

/* Column numbers of scoring_jobs; looked up once, the table never loses columns. */
static int	col_status;
static int	col_created_at;
static int	col_updated_at;
static int	col_claim_no;
static int	col_claim_token;

static int
column(Relation rel, const char *name)
{
	int			attnum = SPI_fnumber(RelationGetDescr(rel), name);

	if (attnum <= 0)
		elog(ERROR, "column \"%s\" of scoring_jobs not found", name);
	return attnum;
}

static const char *
text_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? "" : TextDatumGetCString(value);
}

static int
int_column(HeapTuple tuple, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

static void
check_transition(const char *from, const char *to)
{
	int			i;

	if (strcmp(from, to) == 0)
		return;
	for (i = 0; i < lengthof(transitions); i++)
		if (strcmp(transitions[i].from, from) == 0 && strcmp(transitions[i].to, to) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("a job cannot go from \"%s\" to \"%s\"", from, to),
			 errhint("Use cancel_job() to end a job and retry_job() to queue it again."),
			 err_generic_string(PG_DIAG_COLUMN_NAME, "status")));
}

/*
 * BEFORE INSERT OR UPDATE, per row.  While a dump is restored rows stay as
 * they come.
 */
Datum
linkedin_ingest_scoring_jobs_guard(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	rel = trigger->tg_relation;
	TupleDesc	desc = RelationGetDescr(rel);
	HeapTuple	tuple;
	Datum		now = TimestampTzGetDatum(GetCurrentTimestamp());
	Datum		values[3];
	bool		nulls[3] = {false, false, true};
	int			cols[3];
	const char *status;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by a trigger", "scoring_jobs_guard")));

	if (col_status == 0)
	{
		col_created_at = column(rel, "created_at");
		col_updated_at = column(rel, "updated_at");
		col_claim_no = column(rel, "claim_no");
		col_claim_token = column(rel, "claim_token");
		col_status = column(rel, "status");
	}

	cols[0] = col_updated_at;
	values[0] = now;
	cols[1] = col_created_at;
	values[1] = now;
	cols[2] = col_claim_token;
	values[2] = (Datum) 0;

	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
	{
		tuple = trigger->tg_trigtuple;
		if (li_is_restoring())
			return PointerGetDatum(tuple);

		status = text_column(tuple, desc, col_status);
		if (strcmp(status, "pending") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("a new job must be \"pending\", not \"%s\"", status),
					 err_generic_string(PG_DIAG_COLUMN_NAME, "status")));
		tuple = heap_modify_tuple_by_cols(tuple, desc, 2, cols, values, nulls);
		return PointerGetDatum(tuple);
	}

	tuple = trigger->tg_newtuple;
	status = text_column(tuple, desc, col_status);
	check_transition(text_column(trigger->tg_trigtuple, desc, col_status), status);
	if (int_column(tuple, desc, col_claim_no) <
		int_column(trigger->tg_trigtuple, desc, col_claim_no))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the claim number of a job is never lowered"),
				 err_generic_string(PG_DIAG_COLUMN_NAME, "claim_no")));
	values[1] = heap_getattr(trigger->tg_trigtuple, col_created_at, desc, &nulls[1]);
	tuple = heap_modify_tuple_by_cols(tuple, desc, strcmp(status, "processing") == 0 ? 2 : 3,
									  cols, values, nulls);
	return PointerGetDatum(tuple);
}
