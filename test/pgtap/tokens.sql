/* tokens of texts, and of questions before they are asked */
BEGIN;
SELECT plan(24);

SELECT is(linkedin_ingest.count_tokens('', 'gpt-4o'), 0, 'nothing');
SELECT is(linkedin_ingest.count_tokens('Hello, World! How are you today? 🌍', 'gpt-4o'), 11, 'o200k_base');
SELECT is(linkedin_ingest.count_tokens('Hello, World! How are you today? 🌍', 'gpt-3.5-turbo'), 12, 'cl100k_base');
SELECT is(linkedin_ingest.count_tokens('Привет, мир! Как дела?', 'gpt-6-luna'), 8, 'newer models as o200k_base');
SELECT cmp_ok(linkedin_ingest.count_tokens('<|endoftext|>', 'gpt-4o'), '>', 1, 'a special token is ordinary text');
SELECT is(linkedin_ingest.count_tokens('Hello, World!', 'claude-haiku-4-5'), 5, 'another vocabulary: bytes / 3, rounded up');
SELECT is(linkedin_ingest.count_tokens('Привет', 'no-such-model'), 4, 'a model without a row likewise');
SELECT is(linkedin_ingest.count_tokens('Hello, World!', NULL), 5, 'no model likewise');
SELECT is(linkedin_ingest.count_tokens(NULL, 'gpt-4o'), NULL, 'no text');
SELECT is(linkedin_ingest.tokens_of('Hello, World!', 'p50k_base'), 5, 'an encoding that we do not have');
SELECT is(linkedin_ingest.count_tokens(repeat('a', 1000000), 'gpt-4o'), 125000, 'a megabyte of one letter');

INSERT INTO linkedin_ingest.profiles (id, full_name, headline)
	VALUES ('00000000-0000-7000-8000-0000000000b1', 'Ada Sample', 'Builds platforms. Führt Teams. 平台架构师');
INSERT INTO linkedin_ingest.experiences (profile_id, ordinal, title, start_year, end_year, description)
	SELECT '00000000-0000-7000-8000-0000000000b1', n, 'Role ' || n, 2020 - n, 2021 - n, repeat(format('Words of role %s. ', n), 80)
	FROM generate_series(1, 9) n;

/* 3 + for each message 3, its role and its content; one less from gpt-5 on */
CREATE FUNCTION pg_temp.explain(model text) RETURNS jsonb LANGUAGE sql
	RETURN linkedin_ingest.explain_score('00000000-0000-7000-8000-0000000000b1', 'CTO', model => model);
CREATE FUNCTION pg_temp.chat(told jsonb) RETURNS bigint LANGUAGE sql
	RETURN (SELECT 3 + sum(3 + linkedin_ingest.count_tokens(m ->> 'role', told ->> 'model')
		+ linkedin_ingest.count_tokens(m ->> 'content', told ->> 'model')) FROM jsonb_array_elements(told -> 'messages') m);
SELECT is((e -> 'prompt_tokens')::bigint, pg_temp.chat(e), 'gpt-4o: as the messages are counted')
	FROM pg_temp.explain('gpt-4o') e;
SELECT is((e -> 'prompt_tokens')::bigint, pg_temp.chat(e) - 1, 'gpt-6-luna: one less')
	FROM pg_temp.explain('gpt-6-luna') e;
SELECT is(e -> 'prompt_tokens_exact', 'true', 'exact, and said to be') FROM pg_temp.explain('gpt-6-luna') e;
SELECT is((SELECT count(DISTINCT pg_temp.explain('gpt-4o') -> 'prompt_tokens') FROM generate_series(1, 20)), 1::bigint,
	'whatever the nonce is');
SELECT is(e -> 'prompt_tokens_exact', 'false', 'an estimate, and said to be') FROM pg_temp.explain('claude-haiku-4-5') e;
SELECT is((e -> 'prompt_tokens')::int,
	(SELECT sum(ceil(octet_length(m ->> 'content') / 3.0))::int FROM jsonb_array_elements(e -> 'messages') m),
	'from the bytes of the contents') FROM pg_temp.explain('claude-haiku-4-5') e;
SELECT cmp_ok((exact -> 'prompt_tokens')::int, '<', (estimate -> 'prompt_tokens')::int, 'which are more than are exact')
	FROM pg_temp.explain('gpt-4o') exact, pg_temp.explain('claude-haiku-4-5') estimate;

/* shortened as far as must be, by tokens */
CREATE TEMP TABLE whole AS SELECT (pg_temp.explain('gpt-4o') -> 'prompt_tokens')::int AS tokens;
SELECT set_config('linkedin_ingest.max_prompt_tokens', tokens::text, true) FROM whole;
SELECT is(e -> 'shortened', '[]', 'what just fits is not shortened') FROM pg_temp.explain('gpt-4o') e;
SELECT set_config('linkedin_ingest.max_prompt_tokens', (tokens - 1)::text, true) FROM whole;
SELECT ok((e -> 'prompt_tokens')::int BETWEEN tokens - 40 AND tokens - 1, 'a token too long: little goes')
	FROM pg_temp.explain('gpt-4o') e, whole;
SELECT is(jsonb_array_length(e -> 'shortened'), 1, 'of one description') FROM pg_temp.explain('gpt-4o') e;
SELECT set_config('linkedin_ingest.max_prompt_tokens', (tokens - 1500)::text, true) FROM whole;
SELECT ok((e -> 'prompt_tokens')::int BETWEEN tokens - 1640 AND tokens - 1500, 'many too long: so many go')
	FROM pg_temp.explain('gpt-4o') e, whole;
SELECT is((SELECT count(DISTINCT linkedin_ingest.render_ask('00000000-0000-7000-8000-0000000000b1', 'CTO', 'scoring',
		'019a6f00-0000-7000-8000-0000000000c1', 1, NULL, 'openai', 'gpt-4o', 2000, 0.1, 1) -> 'shortened')
	FROM generate_series(1, 20)), 1::bigint, 'the same each time');
RESET linkedin_ingest.max_prompt_tokens;

/* several processes read the same files */
SELECT ok(bool_and(proparallel = 's' AND provolatile = 's'), 'both may be called in parallel')
	FROM pg_proc WHERE proname IN ('count_tokens', 'tokens_of') AND pronamespace = 'linkedin_ingest'::regnamespace;

SELECT * FROM finish();
ROLLBACK;
