/*-------------------------------------------------------------------------
 *
 * work.c
 *		A claimed job on its way: question, calls, answers, record.
 *
 * A LiRun is one claim, a LiWork one line of calls under it: opened (the task
 * renders the question), sent, judged when the transfer ends, and turned into
 * a record for the queue.  Some answers ask for one more call; the line then
 * goes round again after the open attempt row of that call was committed.
 *
 * A job that wants samples begins with up to MAX_LINES lines.  Each begins with
 * an open attempt row and keeps its valid answer in that row.  When the first
 * ones have been judged and do not agree, each end begins one sample more, so
 * that none is paid for in vain.  The claim ends with its last line: what counts
 * then is what the lines have left in the run, so a record that could not be
 * written may be made again.
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
#include "worker/blocks.h"
#include "worker/budgets.h"
#include "worker/limits.h"
#include "worker/work.h"

#define MAX_LINES	3			/* samples asked for at a time */
#define MAX_HELD_MS	3000		/* a job that has to wait longer is put back */
#define MAX_HELD_AGAIN_MS 60000	/* the same after a first answer */
#define BUDGET_WAIT_MS 250		/* until calls under way may have ended */
#define PROMPT_MARGIN 1.25		/* the prompt's tokens are estimated for its cost */

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
	MemoryContext old = MemoryContextSwitchTo(claim->cxt);
	LiWork	   *work = palloc0(sizeof(LiWork));
	LiRun	   *run = palloc0(sizeof(LiRun));
	int			samples = claim->job.samples;

	run->claim = claim;
	run->accounts = accounts;
	accounts->references++;
	run->provider = li_accounts_provider(accounts, claim->job.provider);
	run->model = li_accounts_model(accounts, claim->job.model);
	run->kind = kind;
	run->probe = probe;
	run->works = 1;
	run->going = 1;
	run->stop = probe;
	run->parsed = palloc0(sizeof(char *) * (samples + 1));
	run->begun = palloc0(sizeof(bool) * (samples + 1));
	run->ends = palloc0(sizeof(LiOutcome) * (samples + 1));

	work->run = run;
	work->sample = 1;
	work->made.kind = probe ? "probe" : claim->claim_no == 1 ? "first" : "retry";
	set_outcome(work, LI_OK, NULL, NULL);
	MemoryContextSwitchTo(old);
	return work;
}

/* The facts of the model and the provider that the task does not know. */
static void
complete_ask(LiWork *work, LiAsk *ask)
{
	const LiModelRow *model = work->run->model;

	ask->model = work->run->claim->job.model;
	ask->merge_user_messages = work->run->provider->merge_user_messages;
	ask->reasoning_effort = model != NULL ? model->reasoning_effort : NULL;
	ask->json_schema = model == NULL || model->json_schema;
	/* the row may have changed since the job was made */
	if (model != NULL && !model->temperature)
		ask->temperature = NULL;
	/* where it is not known: what its home server is known to take */
	if (model != NULL && model->token_parameter != NULL)
		ask->token_parameter = model->token_parameter;
	else
		ask->token_parameter =
			strstr(work->run->provider->endpoint.base_url, "://api.openai.com/") != NULL ?
			"max_completion_tokens" : "max_tokens";
}

static void
build_request(LiWork *work)
{
	const char *fault;

	memset(&work->request, 0, sizeof(LiHttpRequest));
	fault = work->run->provider->dialect->build(&work->run->provider->endpoint, &work->ask,
												&work->request);
	if (fault != NULL)
	{
		set_outcome(work, LI_FAIL, "config_error", fault);
		return;
	}
	work->request.connect_timeout_ms = work->run->provider->connect_timeout_ms;
	work->request.timeout_ms = work->run->provider->request_timeout_ms;
	work->request.max_response = (size_t) li_max_response_size * 1024;
	work->request.ca_file = work->run->provider->ca_file;
	work->request.allow_private = li_allow_private_endpoints;
}

static bool
is_sampled(const LiRun *run)
{
	return run->claim->job.samples > 1;
}

/* The first sample that is neither answered nor begun; 0: there is none. */
static int
missing_sample(const LiRun *run)
{
	int			i;

	for (i = 1; i <= run->claim->job.samples; i++)
		if (!run->begun[i])
			return i;
	return 0;
}

/* The valid answers in the order of their samples; how many. */
static int
valid_answers(const LiRun *run, const char **parsed)
{
	int			n = 0;
	int			i;

	for (i = 1; i <= run->claim->job.samples; i++)
		if (run->parsed[i] != NULL)
			parsed[n++] = run->parsed[i];
	return n;
}

/* Whether what is there makes a further sample a waste. */
static bool
samples_agree(LiWork *work)
{
	const char **parsed = palloc(sizeof(char *) * work->run->claim->job.samples);
	int			n = valid_answers(work->run, parsed);

	return n >= 3 && work->run->kind->agree(work->state, parsed, n);
}

/* Takes over the samples that earlier claims have left. */
static void
take_samples(LiWork *work)
{
	LiRun	   *run = work->run;
	int			i;

	if (work->ask.cache_key != NULL)
		li_queue_samples(run->claim, work->ask.cache_key, run->parsed);
	for (i = 1; i <= run->claim->job.samples; i++)
		run->begun[i] = run->parsed[i] != NULL;
	work->sample = missing_sample(run);
	if (work->sample == 0 || samples_agree(work))
	{
		work->answered = true;	/* all there is to do is to combine them */
		run->going = 0;
	}
	else
		run->begun[work->sample] = true;
	work->made.sample = work->sample;
}

/* Looks for the same question in the recent past. */
static void
look_into_cache(LiWork *work)
{
	const char *parsed;

	if (li_cache_ttl == 0 || work->ask.cache_key == NULL)
		return;
	parsed = li_queue_cached(work->run->claim, work->ask.cache_key, li_cache_ttl);
	if (parsed != NULL && work->run->kind->reuse(work->state, parsed, &work->result))
	{
		work->answered = work->cached = true;
		work->run->going = 0;
	}
}

/*
 * Renders the question and builds the request.  Inside a transaction with SPI
 * connected; may throw, and may be called again then.  Afterwards
 * outcome.class is LI_OK, or the job ends without a call; it does so with a
 * result when "answered".
 */
void
li_work_open(LiWork *work)
{
	LiRun	   *run = work->run;
	MemoryContext old = MemoryContextSwitchTo(run->claim->cxt);

	work->made.sample = 1;
	work->answered = work->cached = false;
	work->next_sample = 0;
	run->going = 1;
	if (run->provider == NULL)
		set_outcome(work, LI_FAIL, "config_error", "the job's provider does not exist");
	else if (run->provider->problem != NULL)
		set_outcome(work, LI_OPEN, "config_error", run->provider->problem);
	else
	{
		work->state = run->kind->open(&run->claim->job, &work->ask, &work->outcome);
		if (work->state != NULL)
		{
			set_outcome(work, LI_OK, NULL, NULL);
			look_into_cache(work);
			if (!work->answered && is_sampled(run))
				take_samples(work);
			if (!work->answered)
			{
				complete_ask(work, &work->ask);
				build_request(work);
			}
		}
	}
	MemoryContextSwitchTo(old);
}

/* ---------- samples ---------- */

/*
 * How many open rows a work needs before its first call: none, or with
 * samples one for each line that begins.
 */
int
li_work_samples_to_begin(const LiWork *work)
{
	const LiRun *run = work->run;
	int			missing = 0;
	int			i;

	if (!is_sampled(run) || work->answered || work->outcome.class != LI_OK ||
		work->made.open_attempt > 0)
		return 0;
	for (i = 1; i <= run->claim->job.samples; i++)
		if (!run->begun[i])
			missing++;
	return 1 + (run->stop ? 0 : Min(missing, MAX_LINES - 1));
}

/* What is known of a call before it is made. */
static void
intend(LiCallRecord *call, const char *kind, int sample, bool charged)
{
	memset(call, 0, sizeof(LiCallRecord));
	call->kind = kind;
	call->sample = sample;
	call->charged = charged;
	call->prompt_tokens = call->cached_tokens = call->completion_tokens = -1;
}

/*
 * The record that opens the attempt row of the work's own first call, or when
 * that is open already of the next sample; "next_attempt" is its number.
 */
LiRecord *
li_work_begin_sample(LiWork *work)
{
	LiRun	   *run = work->run;
	MemoryContext old = MemoryContextSwitchTo(run->claim->cxt);
	LiRecord   *record = palloc0(sizeof(LiRecord));
	LiCallRecord *call = palloc(sizeof(LiCallRecord));

	if (work->next_sample == 0)
	{
		intend(call, work->made.kind, work->sample, !run->probe);
		work->next_sample = work->sample;
	}
	else
	{
		int			sample = missing_sample(run);

		intend(call, "sample", sample, !run->probe);
		run->begun[sample] = true;
	}
	record->claim = run->claim;
	record->status = "processing";
	record->next = call;
	MemoryContextSwitchTo(old);
	return record;
}

/* A further line for the sample whose open row is "call". */
LiWork *
li_work_fork(LiWork *work, int sample, const LiCallRecord *call)
{
	LiRun	   *run = work->run;
	MemoryContext old = MemoryContextSwitchTo(run->claim->cxt);
	LiWork	   *line = palloc0(sizeof(LiWork));

	line->run = run;
	line->sample = sample;
	line->made = *call;
	line->state = run->kind->sample(work->state, &line->ask);
	set_outcome(line, LI_OK, NULL, NULL);
	complete_ask(line, &line->ask);
	build_request(line);
	run->works++;
	MemoryContextSwitchTo(old);
	return line;
}

/* ---------- calls ---------- */

/* What the call may cost at most, by the prices of its model; 0: unknown. */
static double
highest_cost(const LiWork *work, double prompt_tokens)
{
	const LiModelRow *model = work->run->model;

	if (model == NULL || model->input_price == NULL || model->output_price == NULL)
		return 0;
	return (prompt_tokens * PROMPT_MARGIN * strtod(model->input_price, NULL) +
			work->ask.max_tokens * strtod(model->output_price, NULL)) / 1000000;
}

/* Is its next call one that follows an answer? */
bool
li_work_is_again(const LiWork *work)
{
	return strcmp(work->made.kind, "reask") == 0;
}

/* Ends a line without its call; the job is pending again. */
void
li_work_put_back(LiWork *work, const char *message)
{
	set_outcome(work, LI_DEFER, "rate_limited", message);
}

/*
 * Reserves what the next call needs.  False: not now.  Then *wait_ms is the
 * time to the next try, and *whole_account whether that holds for all calls of
 * the account; or the outcome is set and the job is put back, because what holds
 * it up lasts longer than a job should be held for.  One that has been answered
 * already, and is to be asked again, is held longer: its answer was paid for.
 */
bool
li_work_admit(LiWork *work, int64 *wait_ms, bool *whole_account)
{
	LiRun	   *run = work->run;
	MemoryContext old = MemoryContextSwitchTo(run->claim->cxt);
	uint64		now = li_monotonic_ms();
	double		prompt_tokens = li_limits_estimate(run->provider, &work->request);
	double		tokens = prompt_tokens + work->ask.max_tokens;
	const char *reason = NULL;
	char		code[32];
	bool		admitted = false;

	*wait_ms = 0;
	*whole_account = false;
	switch (li_budgets_reserve(run->accounts, run->provider, run->claim->job.model,
							   run->claim->job.role, highest_cost(work, prompt_tokens),
							   &work->cost, &reason))
	{
		case LI_BUDGET_EXHAUSTED:
			set_outcome(work, LI_OPEN, "budget_exhausted", reason);
			break;
		case LI_BUDGET_RESERVED:
			*wait_ms = BUDGET_WAIT_MS;
			break;
		case LI_BUDGET_OPEN:
			switch (li_limits_admit(run->provider, run->claim->job.model, run->probe, tokens,
									wait_ms, whole_account, code, sizeof(code)))
			{
				case LI_ADMITTED:
					work->tokens = tokens;
					work->waits_since_ms = 0;
					admitted = true;
					break;
				case LI_ADMIT_LATER:
					break;
				case LI_ADMIT_BLOCKED:
					set_outcome(work, LI_OPEN, pstrdup(code), "not sent: the account is blocked");
					break;
			}
			break;
	}
	if (!admitted)
		li_work_committed(work);
	if (!admitted && work->outcome.class == LI_OK)
	{
		if (work->waits_since_ms == 0)
			work->waits_since_ms = now;
		work->next_try_ms = now + *wait_ms;
		if (work->next_try_ms - work->waits_since_ms >
			(li_work_is_again(work) ? MAX_HELD_AGAIN_MS : MAX_HELD_MS))
			li_work_put_back(work, "not sent: the account has to wait");
	}
	MemoryContextSwitchTo(old);
	return admitted;
}

/* Starts the admitted call; false when there was no memory for it. */
bool
li_work_send(LiWork *work, LiHttpPool *pool)
{
	LiCallRecord *made = &work->made;

	work->settled = false;
	made->sent_at = GetCurrentTimestamp();
	made->prompt_tokens = made->cached_tokens = made->completion_tokens = -1;
	made->input_price = work->run->model ? work->run->model->input_price : NULL;
	made->cached_price = work->run->model ? work->run->model->cached_price : NULL;
	made->output_price = work->run->model ? work->run->model->output_price : NULL;
	work->call = li_http_start(pool, &work->request, work);
	work->called = work->call != NULL;
	if (work->called)
		work->run->sent = true;
	else
		li_limits_settle(work->run->provider, work->run->claim->job.model, work->tokens, 0);
	return work->called;
}

/*
 * Tokens that the call has used, as far as it is known: those told; none when
 * it was refused; else what was reserved for it.
 */
static double
tokens_used(const LiWork *work)
{
	if (work->made.prompt_tokens >= 0 && work->made.completion_tokens >= 0)
		return (double) work->made.prompt_tokens + work->made.completion_tokens;
	return work->made.http_status >= 400 ? 0 : work->tokens;
}

/* Ends the call, if there is one; an answer that has not come is lost. */
void
li_work_abort(LiWork *work)
{
	if (work->call == NULL)
		return;
	li_http_call_free(work->call);
	work->call = NULL;
	li_limits_settle(work->run->provider, work->run->claim->job.model, work->tokens,
					 tokens_used(work));
}

/* The USD of a call at the prices it was made with; 0: unknown. */
static double
cost_of(const LiCallRecord *made)
{
	double		cached = Max(made->cached_tokens, 0);
	double		input;

	if (made->prompt_tokens < 0 || made->completion_tokens < 0 ||
		made->input_price == NULL || made->output_price == NULL)
		return 0;
	input = strtod(made->input_price, NULL);
	return ((made->prompt_tokens - cached) * input +
			cached * (made->cached_price ? strtod(made->cached_price, NULL) : input) +
			made->completion_tokens * strtod(made->output_price, NULL)) / 1000000;
}

/*
 * The call's record is committed, or there will be none: what was reserved of
 * the budgets is given back, and what it did cost counts.
 */
void
li_work_committed(LiWork *work)
{
	if (work->run->provider != NULL)
		li_budgets_settle(work->run->provider, work->run->claim->job.role, work->cost,
						  work->called && !work->settled ? cost_of(&work->made) : 0);
	work->settled = work->called;
	work->cost = 0;
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
 * Notes in the run how the line ended, if it did, and whether it makes room
 * for another sample.  Once per call.
 */
static void
note_end(LiWork *work)
{
	LiRun	   *run = work->run;
	LiClass		class = work->outcome.class;
	int			ended = 0;
	int			i;

	work->next_sample = 0;
	if (work->called)
	{
		li_limits_learn(run->provider, &work->request, &work->answer, work->made.http_status,
						run->claim->job.model);
		li_limits_heard(run->provider, &work->outcome, work->made.http_status,
						work->made.sent_at);
		if (class == LI_DEFER)
			run->deferred_until = li_account_defer(run->provider, work->outcome.retry_after_ms,
												   work->outcome.overload);
	}
	if (class == LI_REASK || class == LI_SHRINK)
		return;
	/* its first answer was paid for in vain: not for ever without a charge */
	if ((class == LI_DEFER || class == LI_OPEN) && li_work_is_again(work))
		run->wasted = true;
	run->going--;
	if (!is_sampled(run))
		return;
	run->ends[work->sample] = work->outcome;
	if (class == LI_OK)
	{
		run->parsed[work->sample] = work->result.parsed_score;
		run->request = work->request.body;
		run->reply = work->answer.reply;
		run->stop = samples_agree(work);
	}
	else if (class != LI_FAIL)
		run->stop = true;
	for (i = 1; i <= run->claim->job.samples; i++)
		if (run->parsed[i] != NULL || run->ends[i].code != NULL)
			ended++;
	/* the first ones are judged together before any more is paid for */
	if (!run->stop && work->state != NULL && (run->going == 0 || ended >= MAX_LINES))
		work->next_sample = missing_sample(run);
	if (work->next_sample > 0)
	{
		run->begun[work->next_sample] = true;
		run->going++;
		intend(&work->next, "sample", work->next_sample, !run->probe);
	}
}

/*
 * Reads the answer of the call that just ended and lets the task judge it.
 * Outside any transaction.  Never throws for what came from outside; an error
 * of our own becomes a retry of this one job.
 */
void
li_work_judge(LiWork *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->run->claim->cxt);
	const LiHttpResponse *response = li_http_call_response(work->call);
	uint32		holdoff = InterruptHoldoffCount;

	PG_TRY();
	{
		memset(&work->answer, 0, sizeof(LiAnswer));
		work->run->provider->dialect->read(&work->run->provider->endpoint, response, &work->ask,
										&work->answer);
		complete_call(work, response);
		work->outcome = work->answer.outcome;
		if (work->outcome.class == LI_OK || work->outcome.class == LI_REASK ||
			work->outcome.class == LI_SHRINK)
		{
			work->again = work->ask;
			work->run->kind->read(work->state, &work->answer, &work->again,
							 &work->outcome, &work->result);
		}
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(work->run->claim->cxt);
		error = CopyErrorData();
		FlushErrorState();
		InterruptHoldoffCount = holdoff;	/* an error sets it to 0 */
		/* The text may quote the answer: only the code is kept. */
		set_outcome(work, LI_RETRY, "provider_error",
					psprintf("the answer could not be read (SQLSTATE %s)",
							 unpack_sql_state(error->sqlerrcode)));
	}
	PG_END_TRY();

	li_work_abort(work);
	note_end(work);
	MemoryContextSwitchTo(old);
}

/* A line whose call could not be made: it has ended all the same. */
void
li_work_end_early(LiWork *work)
{
	if (work->answered)
		return;
	if (work->outcome.class == LI_OK)
		set_outcome(work, LI_RETRY, "connection_failed",
					"the call could not be started: out of memory or descriptors");
	note_end(work);
}

static TimestampTz
after_ms(int64 ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

static int64
backoff(const LiWork *work, const LiOutcome *outcome)
{
	int			tries = Max(work->run->claim->attempts, 1);

	if (outcome->retry_after_ms >= 0)
		return outcome->retry_after_ms;
	return li_backoff_ms(tries, outcome->overload, pg_prng_double(&pg_global_prng_state));
}

/* What a job with one line of calls becomes. */
static void
decide(LiWork *work, LiRecord *record)
{
	LiClaim    *claim = work->run->claim;
	const LiOutcome *outcome = &work->outcome;
	bool		exhausted = claim->attempts >= claim->max_attempts;

	record->error_code = outcome->code;
	record->error_message = outcome->message;
	record->give_back = work->run->probe || work->answered;
	record->retryable = outcome->class == LI_RETRY && !outcome->final;
	switch (outcome->class)
	{
		case LI_OK:
			record->status = "completed";
			record->result = &work->result;
			record->error_code = NULL;
			break;
		case LI_RETRY:
			if (!work->run->probe && (exhausted || outcome->final))
				record->status = "failed";
			else
			{
				record->status = "pending";
				record->run_at = after_ms(backoff(work, outcome));
			}
			break;
		case LI_DEFER:
			record->status = work->run->wasted && exhausted ? "failed" : "pending";
			record->run_at = work->run->deferred_until;
			record->give_back = !work->run->wasted || work->run->probe;
			record->retryable = true;
			break;
		case LI_OPEN:
			/* The job's own pause, should there be no room to note a block. */
			record->status = work->run->wasted && exhausted ? "failed" : "pending";
			record->give_back = !work->run->wasted || work->run->probe;
			record->retryable = true;
			if (work->called && !li_account_is_blocked(work->run->provider, outcome->blocks_model ?
													   work->run->claim->job.model : ""))
				record->run_at = after_ms(LI_PROBE_INTERVAL_MS);
			break;
		case LI_FAIL:
			record->status = "failed";
			break;
		case LI_REASK:
		case LI_SHRINK:
			record->status = "processing";
			record->error_code = NULL;
			record->give_back = false;	/* when the claim ends */
			break;
	}
}

/*
 * What a job with samples becomes when the last line of the claim has ended.
 * It succeeds with half of its samples.  Those that ended in RETRY, DEFER or
 * OPEN are left to the next claim; this one is charged unless every such end
 * was DEFER or OPEN.
 */
static void
decide_samples(LiWork *work, LiRecord *record)
{
	LiRun	   *run = work->run;
	int			samples = run->claim->job.samples;
	const char **parsed = palloc(sizeof(char *) * samples);
	int			valid = valid_answers(run, parsed);
	const LiOutcome *left = NULL;	/* the worst end that another claim may mend */
	const LiOutcome *failed = NULL;
	bool		enough = valid * 2 >= samples;
	int			i;

	for (i = 1; i <= samples; i++)
	{
		const LiOutcome *end = &run->ends[i];

		if (end->code == NULL || run->parsed[i] != NULL)
			continue;
		if (end->class == LI_FAIL)
			failed = end;
		else if (left == NULL || end->class == LI_RETRY)
			left = end;
		if (end->class == LI_RETRY)
			record->run_at = Max(record->run_at, after_ms(backoff(work, end)));
	}

	record->give_back = run->probe ||
		(left != NULL && left->class != LI_RETRY && !run->wasted);
	if (left != NULL && (left->class == LI_RETRY || run->wasted) && !run->probe &&
		(left->final || run->claim->attempts >= run->claim->max_attempts))
	{
		failed = left;
		left = NULL;
	}
	if (left != NULL)
	{
		record->status = "pending";
		record->run_at = Max(record->run_at, run->deferred_until);
		record->error_code = left->code;
		record->error_message = left->message;
		return;
	}
	record->run_at = 0;
	if (enough || failed == NULL)
	{
		run->kind->combine(work->state, parsed, valid, &work->result);
		record->status = "completed";
		record->result = &work->result;
		return;
	}
	record->status = "failed";
	record->error_code = failed->code;
	record->error_message = failed->message;
	record->retryable = failed->class != LI_FAIL && !failed->final;
}

/*
 * What is to be written now that a line of calls has ended or goes on.  May be
 * called again when it could not be written.  The strings live with the claim.
 */
LiRecord *
li_work_record(LiWork *work)
{
	LiRun	   *run = work->run;
	MemoryContext old = MemoryContextSwitchTo(run->claim->cxt);
	LiRecord   *record = palloc0(sizeof(LiRecord));
	LiOutcome  *outcome = &work->outcome;

	record->claim = run->claim;
	record->cached = work->cached;
	record->cache_key = work->ask.cache_key;
	if (!is_sampled(run) || work->cached || work->state == NULL)
		decide(work, record);
	else if (run->going == 0 && run->last == work)
		decide_samples(work, record);
	else
		record->status = "processing";

	if (outcome->class == LI_REASK || outcome->class == LI_SHRINK)
	{
		intend(&work->next, "reask", work->sample, !run->probe);
		record->next = &work->next;
	}
	else if (work->next_sample > 0)
		record->next = &work->next;

	if (work->called || work->made.open_attempt > 0)
	{
		work->made.outcome = class_names[outcome->class];
		work->made.error_code = outcome->code;
		work->made.error_message = outcome->message;
		work->made.charged = !run->probe &&
			(run->wasted || (outcome->class != LI_DEFER && outcome->class != LI_OPEN));
		if (is_sampled(run) && outcome->class == LI_OK)
			work->made.parsed = run->parsed[work->sample];
		record->call = &work->made;
	}
	/* Those of the last good call; for a job that fails, of its last one. */
	if (strcmp(record->status, "completed") == 0 && is_sampled(run) && !work->cached)
	{
		record->request = li_store_requests ? run->request : NULL;
		record->reply = run->reply;
	}
	else if (strcmp(record->status, "completed") == 0 || strcmp(record->status, "failed") == 0)
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
	MemoryContext old = MemoryContextSwitchTo(work->run->claim->cxt);

	work->ask = work->again;
	work->made = work->next;
	work->called = false;
	work->applied = false;
	set_outcome(work, LI_OK, NULL, NULL);
	complete_ask(work, &work->ask);
	build_request(work);
	MemoryContextSwitchTo(old);
}

/* Aborts what is in flight; the run goes with its last work. */
void
li_work_free(LiWork *work)
{
	LiRun	   *run = work->run;

	li_work_abort(work);
	li_work_committed(work);
	if (--run->works > 0)
		return;
	if (run->probe && run->provider != NULL)
	{
		/* no more than the end of a probe that its answer has not ended yet */
		li_account_end_probe(run->provider, "", run->sent);
		li_account_end_probe(run->provider, run->claim->job.model, run->sent);
	}
	li_accounts_release(run->accounts);
	MemoryContextDelete(run->claim->cxt);
}
