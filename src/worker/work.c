/*-------------------------------------------------------------------------
 *
 * work.c
 *		A claimed job on its way: question, call, answer, record.
 *
 * One LiWork is one claim.  It is opened (the task renders the question), sent,
 * judged when the transfer ends, and turned into a record for the queue.  Some
 * answers ask for one more call under the same claim; it then goes round again
 * after the open attempt row of that call was committed.
 *
 * No SQL here but the task's own in li_work_open().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "llm/retry.h"
#include "settings.h"
#include "worker/work.h"

static const char *const class_names[] = {
	[LI_OK] = "ok",
	[LI_RETRY] = "retry",
	[LI_DEFER] = "defer",
	[LI_OPEN] = "open",
	[LI_FAIL] = "fail",
	[LI_REASK] = "reask",
	[LI_SHRINK] = "shrink"
};

static void
set_outcome(LiWork *work, LiClass class, const char *code, const char *message)
{
	memset(&work->outcome, 0, sizeof(LiOutcome));
	work->outcome.class = class;
	work->outcome.code = code;
	work->outcome.message = message;
	work->outcome.retry_after_ms = -1;
}

/* Takes over a claim; everything lives and goes with the claim's context. */
LiWork *
li_work_create(LiClaim *claim, LiAccounts *accounts, const LiTaskKind *kind, bool probe)
{
	LiWork	   *work = MemoryContextAllocZero(claim->cxt, sizeof(LiWork));

	work->claim = claim;
	work->accounts = accounts;
	accounts->references++;
	work->provider = li_accounts_provider(accounts, claim->job.provider);
	work->model = li_accounts_model(accounts, claim->job.model);
	work->kind = kind;
	work->probe = probe;
	work->made.kind = probe ? "probe" : claim->claim_no == 1 ? "first" : "retry";
	work->made.sample = 1;
	set_outcome(work, LI_OK, NULL, NULL);
	return work;
}

/* The facts of the model and the provider that the task does not know. */
static void
complete_ask(LiWork *work, LiAsk *ask)
{
	ask->model = work->claim->job.model;
	ask->merge_user_messages = work->provider->merge_user_messages;
	if (work->model != NULL)
	{
		ask->token_parameter = work->model->token_parameter;
		ask->reasoning_effort = work->model->reasoning_effort;
		ask->json_schema = work->model->json_schema;
	}
	else
	{
		/* A model without a row: what its home server is known to take. */
		ask->token_parameter =
			strstr(work->provider->endpoint.base_url, "://api.openai.com/") != NULL ?
			"max_completion_tokens" : "max_tokens";
		ask->reasoning_effort = NULL;
		ask->json_schema = true;
	}
}

static void
build_request(LiWork *work)
{
	const char *fault;

	memset(&work->request, 0, sizeof(LiHttpRequest));
	fault = work->provider->dialect->build(&work->provider->endpoint, &work->ask, &work->request);
	if (fault != NULL)
	{
		set_outcome(work, LI_FAIL, "config_error", fault);
		return;
	}
	work->request.connect_timeout_ms = work->provider->connect_timeout_ms;
	work->request.timeout_ms = work->provider->request_timeout_ms;
	work->request.max_response = (size_t) li_max_response_size * 1024;
	work->request.ca_file = work->provider->ca_file;
	work->request.allow_private = li_allow_private_endpoints;
}

/*
 * Renders the question and builds the request.  Inside a transaction with SPI
 * connected; may throw.  Afterwards outcome.class is LI_OK, or the job ends
 * without a call.
 */
void
li_work_open(LiWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->claim->cxt);

	if (work->provider == NULL)
		set_outcome(work, LI_FAIL, "config_error", "the job's provider does not exist");
	else if (work->provider->problem != NULL)
		set_outcome(work, LI_OPEN, "config_error", work->provider->problem);
	else
	{
		work->state = work->kind->open(&work->claim->job, &work->ask, &work->outcome);
		if (work->state != NULL)
		{
			set_outcome(work, LI_OK, NULL, NULL);
			complete_ask(work, &work->ask);
			build_request(work);
		}
	}
	MemoryContextSwitchTo(old);
}

/* Starts the call; false when there was no memory for it. */
bool
li_work_send(LiWork *work, LiHttpPool *pool)
{
	LiCallRecord *made = &work->made;

	made->sent_at = GetCurrentTimestamp();
	made->prompt_tokens = made->cached_tokens = made->completion_tokens = -1;
	made->input_price = work->model ? work->model->input_price : NULL;
	made->cached_price = work->model ? work->model->cached_price : NULL;
	made->output_price = work->model ? work->model->output_price : NULL;
	work->call = li_http_start(pool, &work->request, work);
	work->called = work->call != NULL;
	return work->called;
}

/* Times, tokens and ids of the call that just ended. */
static void
complete_call(LiWork *work, const LiHttpResponse *response)
{
	LiCallRecord *made = &work->made;

	made->http_status = response->status;
	if (response->first_byte_us > 0)
		made->first_byte_at = made->sent_at + response->first_byte_us;
	made->finished_at = made->sent_at + response->total_us;
	made->request_id = work->answer.request_id;
	made->prompt_tokens = work->answer.prompt_tokens;
	made->cached_tokens = work->answer.cached_tokens;
	made->completion_tokens = work->answer.completion_tokens;
}

/*
 * Reads the answer of the call that just ended and lets the task judge it.
 * Outside any transaction.  Never throws for what came from outside; an error
 * of our own becomes a retry of this one job.
 */
void
li_work_judge(LiWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->claim->cxt);
	const LiHttpResponse *response = li_http_call_response(work->call);

	PG_TRY();
	{
		memset(&work->answer, 0, sizeof(LiAnswer));
		work->provider->dialect->read(&work->provider->endpoint, response, &work->ask,
										&work->answer);
		complete_call(work, response);
		work->outcome = work->answer.outcome;
		if (work->outcome.class == LI_OK || work->outcome.class == LI_REASK ||
			work->outcome.class == LI_SHRINK)
		{
			work->again = work->ask;
			work->kind->read(work->state, &work->answer, &work->again,
							 &work->outcome, &work->result);
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(work->claim->cxt);
		error = CopyErrorData();
		FlushErrorState();
		/* The text may quote the answer: only the code is kept. */
		set_outcome(work, LI_RETRY, "provider_error",
					psprintf("the answer could not be read (SQLSTATE %s)",
							 unpack_sql_state(error->sqlerrcode)));
	}
	PG_END_TRY();

	li_http_call_free(work->call);
	work->call = NULL;
	MemoryContextSwitchTo(old);
}

static TimestampTz
after_ms(int64 ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

static int64
backoff(const LiWork *work)
{
	int			tries = Max(work->claim->attempts, 1);

	if (work->outcome.retry_after_ms >= 0)
		return work->outcome.retry_after_ms;
	return li_backoff_ms(tries, work->outcome.overload, pg_prng_double(&pg_global_prng_state));
}

/* Decides what becomes of the job; the record's strings live with the claim. */
LiRecord *
li_work_record(LiWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->claim->cxt);
	LiRecord   *record = palloc0(sizeof(LiRecord));
	LiOutcome  *outcome = &work->outcome;
	bool		exhausted = work->claim->attempts >= work->claim->max_attempts;

	record->claim = work->claim;
	record->error_code = outcome->code;
	record->error_message = outcome->message;
	record->give_back = work->probe;
	record->retryable = outcome->class == LI_RETRY && !outcome->final;
	switch (outcome->class)
	{
		case LI_OK:
			record->status = "completed";
			record->result = &work->result;
			record->error_code = NULL;
			break;
		case LI_RETRY:
			if (!work->probe && (exhausted || outcome->final))
				record->status = "failed";
			else
			{
				record->status = "pending";
				record->run_at = after_ms(backoff(work));
			}
			break;
		case LI_DEFER:
			record->status = "pending";
			record->run_at = after_ms(backoff(work));
			record->give_back = true;
			break;
		case LI_OPEN:
			record->status = "pending";
			record->give_back = true;
			break;
		case LI_FAIL:
			record->status = "failed";
			break;
		case LI_REASK:
		case LI_SHRINK:
			record->status = "processing";
			record->error_code = NULL;
			memset(&work->next, 0, sizeof(LiCallRecord));
			work->next.kind = "reask";
			work->next.sample = work->made.sample;
			work->next.charged = !work->probe;
			work->next.prompt_tokens = work->next.cached_tokens = work->next.completion_tokens = -1;
			record->next = &work->next;
			break;
	}

	if (work->called)
	{
		work->made.outcome = class_names[outcome->class];
		work->made.error_code = outcome->code;
		work->made.error_message = outcome->message;
		work->made.charged = !record->give_back;
		record->call = &work->made;
	}
	if (strcmp(record->status, "completed") == 0 || strcmp(record->status, "failed") == 0)
	{
		record->request = work->called && li_store_requests ? work->request.body : NULL;
		record->reply = work->answer.reply;
	}
	MemoryContextSwitchTo(old);
	return record;
}

/* Prepares the next call after REASK or SHRINK; its open row is committed. */
void
li_work_settle(LiWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->claim->cxt);

	work->ask = work->again;
	work->made = work->next;
	work->called = false;
	set_outcome(work, LI_OK, NULL, NULL);
	complete_ask(work, &work->ask);
	build_request(work);
	MemoryContextSwitchTo(old);
}

/* Ends the call in flight, if any; no answer will come. */
void
li_work_abort(LiWork *work)
{
	if (work->call != NULL)
		li_http_call_free(work->call);
	work->call = NULL;
}

/* Aborts what is in flight and frees everything. */
void
li_work_free(LiWork *work)
{
	li_work_abort(work);
	li_accounts_release(work->accounts);
	MemoryContextDelete(work->claim->cxt);
}
