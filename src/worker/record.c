/*-------------------------------------------------------------------------
 *
 * record.c
 *		Writing what became of the jobs whose call has ended.
 *
 * Everything that is ready goes into one transaction.  When it cannot be
 * written as a whole it is written row by row, so that a poison row costs one
 * row; when the reason is none of the rows', nothing is written and the next
 * cycle tries again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "faults.h"
#include "worker/blocks.h"
#include "worker/engine_private.h"

/* ---------- record ---------- */

typedef struct Recording
{
	List	   *works;			/* LiWork, one per record */
	List	   *records;		/* LiRecord */
	MemoryContext cxt;			/* of the notices */
	List	   *notices;		/* out: payload texts */
} Recording;

/* When a model that is not there has ended or will, and what to use instead. */
static const char *
ending_of(const LiModelRow *model)
{
	const char *ending = "";

	if (model == NULL)
		return ending;
	if (model->sunset_on != NULL)
		ending = psprintf("; it %s on %s", model->ended ? "ended" : "ends", model->sunset_on);
	if (model->replacement != NULL)
		ending = psprintf("%s%s its replacement is %s", ending,
						  model->sunset_on != NULL ? "," : ";", model->replacement);
	return ending;
}

/*
 * Why an account is blocked, in our own words: a provider's may quote a person,
 * and a block is shown to whoever looks after the server.
 */
static const char *
block_reason(const LiWork *work)
{
	const char *code = work->outcome.code;
	const char *reason = "the provider refuses to answer";
	const char *ending = "";

	if (strcmp(code, "invalid_api_key") == 0)
		reason = "the provider does not accept the key";
	else if (strcmp(code, "permission_denied") == 0)
		reason = "the key has no permission for this";
	else if (strcmp(code, "quota_exhausted") == 0)
		reason = "the account's quota or budget is used up";
	else if (strcmp(code, "model_not_found") == 0)
	{
		reason = "the provider does not have the model";
		ending = ending_of(work->run->model);
	}
	else if (strcmp(code, "tls_failed") == 0)
		reason = "the server's certificate cannot be trusted";
	else if (strcmp(code, "config_error") == 0)
		reason = "the provider's address is wrong";
	if (work->made.http_status == 0)
		return psprintf("%s%s", reason, ending);
	return psprintf("%s (HTTP status %d)%s", reason, work->made.http_status, ending);
}

/* What the outcome means for the account. */
static void
apply_to_account(LiEngine *engine, LiWork *work)
{
	LiOutcome  *outcome = &work->outcome;
	const char *model = outcome->blocks_model ? work->run->claim->job.model : "";

	if (work->run->provider == NULL || !work->called)
		return;
	switch (outcome->class)
	{
		case LI_OPEN:
			if (li_account_block(work->run->provider, model, outcome->code, block_reason(work)))
				ereport(LOG,
						(errmsg("linkedin_ingest: provider \"%s\"%s%s is blocked: %s",
								work->run->provider->name, model[0] ? ", model " : "", model,
								outcome->code),
						 errdetail("%s", block_reason(work))));
			break;
		case LI_DEFER:
		case LI_RETRY:
			break;
		default:
			li_account_answers(work->run->provider);
			if (work->run->probe)
			{
				bool		was = li_account_unblock(work->run->provider, "");

				if (li_account_unblock(work->run->provider, work->run->claim->job.model) || was)
				{
					engine->look = true;
					li_wake_all(LI_WAKE_JOBS);
					ereport(LOG,
							(errmsg("linkedin_ingest: provider \"%s\" answers again",
									work->run->provider->name)));
				}
			}
			break;
	}
}

static void
save_block(LiWork *work)
{
	if (work->run->provider == NULL || !work->called)
		return;
	if (work->outcome.class == LI_OPEN)
		li_accounts_save_block(work->run->provider,
							   work->outcome.blocks_model ? work->run->claim->job.model : "");
	else if (work->run->probe && work->outcome.class != LI_DEFER && work->outcome.class != LI_RETRY)
	{
		li_accounts_delete_block(work->run->provider, "");
		li_accounts_delete_block(work->run->provider, work->run->claim->job.model);
	}
}

static void
record_step(void *arg)
{
	Recording  *recording = arg;
	ListCell   *cell;

	recording->notices = li_queue_record(recording->records, recording->cxt);
	LI_FAULT("in-record");
	foreach(cell, recording->works)
		save_block(lfirst(cell));
}

/*
 * What cannot be stored must not be asked for again and again: the job fails
 * with the code of the error, its answer is dropped.
 */
static void
record_as_failed(LiWork *work, LiRecord *record, const ErrorData *error)
{
	record->status = "failed";
	record->error_code = "invalid_json";
	record->error_message =
		MemoryContextStrdup(work->run->claim->cxt,
							psprintf("the result could not be stored (SQLSTATE %s)",
									 unpack_sql_state(error->sqlerrcode)));
	record->retryable = false;
	record->run_at = 0;
	record->request = record->reply = NULL;
	record->result = NULL;
	record->next = NULL;
	work->made.outcome = "fail";
	work->made.error_code = record->error_code;
	work->made.error_message = record->error_message;
	work->made.request_id = NULL;
}

/* The batch failed: row by row, so that a poison row costs one row. */
static void
record_singly(Recording *all)
{
	ListCell   *work_cell;
	ListCell   *record_cell;

	forboth(work_cell, all->works, record_cell, all->records)
	{
		Recording	one = {
			list_make1(lfirst(work_cell)), list_make1(lfirst(record_cell)), all->cxt
		};
		ErrorData  *error = li_engine_attempt(record_step, &one);

		if (error == NULL)
		{
			all->notices = list_concat(all->notices, one.notices);
			continue;
		}
		/* Not the row's fault: nothing is recorded, the cycle comes again. */
		if (li_engine_is_transient(error))
			ReThrowError(error);
		record_as_failed(lfirst(work_cell), lfirst(record_cell), error);
		error = li_engine_attempt(record_step, &one);
		if (error != NULL)
			ReThrowError(error);
		all->notices = list_concat(all->notices, one.notices);
	}
}

static void
count(LiEngine *engine, const LiRecord *record, const LiWork *work)
{
	LiSlot	   *slot = engine->slot;

	if (!record->stored)
		pg_atomic_fetch_add_u64(&slot->stale, 1);
	else if (strcmp(record->status, "completed") == 0)
		pg_atomic_fetch_add_u64(&slot->completed, 1);
	else if (strcmp(record->status, "failed") == 0)
		pg_atomic_fetch_add_u64(&slot->failed, 1);
	else if (strcmp(record->status, "pending") == 0)
		pg_atomic_fetch_add_u64(work->outcome.class == LI_RETRY ?
								&slot->retried : &slot->deferred, 1);
	if (record->error_code != NULL)
		strlcpy(slot->last_error, record->error_code, sizeof(slot->last_error));
}

/* Records everything that has ended, in one transaction. */
void
li_engine_record(LiEngine *engine)
{
	Recording	all = {NIL, NIL, engine->step};
	dlist_mutable_iter iter;
	ListCell   *work_cell;
	ListCell   *record_cell;
	bool		ended = false;

	if (dlist_is_empty(&engine->ended))
		return;
	dlist_foreach_modify(iter, &engine->ended)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		work->run->last = work;
	}
	dlist_foreach_modify(iter, &engine->ended)
	{
		LiWork	   *work = dlist_container(LiWork, node, iter.cur);

		/* once: whoever has the row locked may have mended the account meanwhile */
		if (!work->applied)
			apply_to_account(engine, work);
		work->applied = true;
		all.works = lappend(all.works, work);
		all.records = lappend(all.records, li_work_record(work));
	}

	LI_FAULT("before-record");
	if (!li_engine_begin(engine))
		return;
	if (li_engine_attempt(record_step, &all) != NULL)
	{
		all.notices = NIL;
		record_singly(&all);
	}
	li_engine_beat(engine);
	LI_FAULT("before-record-commit");
	li_engine_commit(engine);
	engine->unsettled = true;
	LI_FAULT("after-record-commit");

	forboth(work_cell, all.works, record_cell, all.records)
	{
		LiWork	   *work = lfirst(work_cell);
		LiRecord   *one = lfirst(record_cell);

		if (one->locked)
			continue;			/* it stays, the next cycle tries again */
		li_work_committed(work);
		count(engine, one, work);
		if (one->stored && one->next != NULL)
		{
			LI_FAULT("before-next-call");
			work->next.open_attempt = one->next_attempt;
			if (work->next_sample > 0)
			{
				li_engine_take_off(engine, li_work_fork(work, work->next_sample, &work->next));
				li_engine_drop(engine, work);
			}
			else
			{
				li_work_settle(work);
				li_engine_move(&engine->claimed, work);
				li_engine_send(engine, work);
			}
		}
		else
		{
			ended = true;
			li_engine_drop(engine, work);
		}
	}
	engine->unsettled = false;
	li_engine_keep_notices(engine, all.notices);
	if (ended)
	{
		ConditionVariableBroadcast(&li_shared->job_ended);
		engine->look = engine->look || engine->limit != 0;
	}
}
