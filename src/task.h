/*-------------------------------------------------------------------------
 *
 * task.h
 *		What the engine knows of its work: a question, an answer, an outcome.
 *
 * The engine (worker/, http/, llm/) knows tasks, not scores.  A kind of task
 * is one LiTaskKind: it turns a job into a question (LiAsk) and an answer
 * (LiAnswer) into what is stored (LiResult).  linkedin_ingest.c registers the
 * kinds; neither side includes the other's headers, only this one.
 *
 * All strings are NUL-terminated UTF-8 allocated in the memory context that is
 * current when the filling function is called (the job's own), unless said to
 * be static.  The header needs c.h only, so that pure modules may use it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LI_TASK_H
#define LI_TASK_H

/* The classes of docs/design.md, "Outcomes". */
typedef enum LiClass
{
	LI_OK,						/* answered; the result is stored */
	LI_RETRY,					/* charged, backoff */
	LI_DEFER,					/* uncharged, until a time; slows the account */
	LI_OPEN,					/* uncharged; blocks the account or the model */
	LI_FAIL,					/* this job only, final */
	LI_REASK,					/* ask again at once with the fault named */
	LI_SHRINK					/* ask again at once with a shorter prompt */
} LiClass;

typedef struct LiOutcome
{
	LiClass		class;
	const char *code;			/* static: error.code of the contract, section 4;
								 * NULL when LI_OK */
	const char *message;		/* one line; no secret, prompt or profile text */
	bool		final;			/* LI_RETRY etc. that the server forbade to
								 * retry (x-should-retry: false) */
	bool		blocks_model;	/* LI_OPEN: the model alone, not the account */
	bool		overload;		/* LI_DEFER: longer steps */
	bool		slow_down;		/* LI_DEFER: traffic rose too fast within the
								 * limits; go on with less and rise slowly */
	int64		retry_after_ms; /* the server's hint; -1: none */
} LiOutcome;

/* A job's row as a task may see it.  Text fields are NULL where SQL is null. */
typedef struct LiJob
{
	const char *id;				/* uuid as text */
	const char *profile_id;
	const char *role;
	const char *stage;
	const char *template_id;
	int			template_version;
	const char *prompt;			/* free prompt */
	const char *provider;
	const char *model;
	int			max_tokens;
	const char *temperature;	/* numeric as text; NULL: none is sent */
	int			samples;
} LiJob;

/*
 * A question in the provider's neutral terms.  The task fills the messages,
 * the schema and the parameters; the engine fills the facts of the model.
 */
typedef struct LiAsk
{
	const char *system_text;	/* NULL: no system message */
	const char *user_text[2];	/* prompt; fenced profile (NULL: none) */
	const char *schema_name;	/* NULL: no response_format */
	const char *schema;			/* strict JSON schema as JSON text */
	int			max_tokens;
	const char *temperature;	/* JSON number as text; NULL: not sent */
	const char *cache_key;		/* hash of all that decides the answer, the nonce
								 * left out; NULL: never answered from the cache */

	/* from llm_models and llm_providers */
	const char *model;
	const char *token_parameter;	/* max_tokens | max_completion_tokens */
	const char *reasoning_effort;	/* NULL: not sent */
	bool		json_schema;	/* the model takes a strict schema */
	bool		merge_user_messages;
} LiAsk;

/*
 * The limits that a provider's answer tells of, whether it was a good one or
 * not.  Numbers per minute; 0: not told (providers also send 0 and -1 for
 * limits they do not know).
 */
typedef struct LiRates
{
	int64		requests;
	int64		tokens;
} LiRates;

/* An answer in neutral terms, as read by a provider dialect. */
typedef struct LiAnswer
{
	LiOutcome	outcome;		/* class LI_OK: content is to be judged */
	const char *content;		/* the model's text; NULL unless LI_OK */
	const char *finish_reason;	/* NULL: not told */
	const char *model;			/* the model that answered; NULL: not told */
	const char *request_id;		/* NULL: none */
	const char *reply;			/* the provider's reply object as JSON text that
								 * jsonb accepts; NULL: there was none */
	int			prompt_tokens;	/* -1: not told */
	int			cached_tokens;	/* -1: not told */
	int			completion_tokens;	/* -1: not told */
	LiRates		rates;
} LiAnswer;

/* What is stored when a task completes.  JSON and numeric values as text. */
typedef struct LiResult
{
	const char *parsed_score;	/* JSON object */
	const char *overall_score;	/* numeric; NULL: null */
	const char *recommended_role;	/* NULL: null */
	bool		needs_review;
	const char *const *review_reasons;	/* NULL-terminated; NULL: none */
} LiResult;

/*
 * A kind of task.
 *
 * open: inside a read-only transaction with SPI connected; turns the job into
 * a question.  Returns the task's own state, or NULL with *outcome set when
 * the job cannot be asked (profile gone).  May throw: the engine runs it in a
 * subtransaction and fails this one job.
 *
 * The others run outside any transaction and may not touch SQL.
 *
 * sample: a state of its own for one more call of the same question; fills
 * *ask, which then differs in nothing that matters for the answer.
 *
 * read: judges an answer whose outcome was LI_OK, or one that asks for more
 * (LI_REASK, LI_SHRINK; code in answer->outcome.code).  Sets *outcome: LI_OK
 * with *result filled; LI_REASK or LI_SHRINK with *again filled with the next
 * question; or LI_FAIL.
 *
 * agree: whether these parsed answers of samples (result.parsed_score, as it
 * was stored) are so much alike that no further sample is worth its price.
 *
 * combine: the result of a job from the parsed answers of its samples, in the
 * order of their numbers; at least one.
 *
 * reuse: the result from the parsed_score of another job with the same cache
 * key; sums are done anew.  False: it does not fit, the model is asked.
 */
typedef struct LiTaskKind
{
	const char *name;
	void	   *(*open) (const LiJob *job, LiAsk *ask, LiOutcome *outcome);
	void	   *(*sample) (void *state, LiAsk *ask);
	void		(*read) (void *state, const LiAnswer *answer, LiAsk *again,
						 LiOutcome *outcome, LiResult *result);
	bool		(*agree) (void *state, const char *const *parsed, int n);
	void		(*combine) (void *state, const char *const *parsed, int n,
							LiResult *result);
	bool		(*reuse) (void *state, const char *parsed, LiResult *result);
} LiTaskKind;

#endif							/* LI_TASK_H */
