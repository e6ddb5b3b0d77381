-- llm_providers and llm_models: what may stand in a row, and who may write it.
\set QUIET on
BEGIN;
SELECT plan(66);

CREATE FUNCTION pg_temp.fault(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	argument text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, argument = COLUMN_NAME;
	RETURN rtrim(state || ' ' || argument);
END
$$;
CREATE FUNCTION pg_temp.set_to(field text, value text) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.fault(format('UPDATE linkedin_ingest.llm_providers SET %I = %L WHERE name = ''ollama''', field, value))
$$;
SET LOCAL client_min_messages = error;

-- seeds
SELECT results_eq('SELECT name, kind, base_url, api_key_ref, is_default FROM linkedin_ingest.llm_providers ORDER BY name',
	$$VALUES ('anthropic', 'anthropic', 'https://api.anthropic.com/v1', 'env:ANTHROPIC_API_KEY', false),
		('ollama', 'openai', 'http://127.0.0.1:11434/v1', NULL, false),
		('openai', 'openai', 'https://api.openai.com/v1', 'env:OPENAI_API_KEY', true)$$, 'providers that are there from the start');
SELECT is((SELECT count(*) FROM linkedin_ingest.llm_models), 13::bigint, 'models that are there from the start');
SELECT is((SELECT ROW(provider, context_window, max_output_tokens, input_usd_per_mtok, output_usd_per_mtok, supports_temperature, reasoning_effort)::text
	FROM linkedin_ingest.llm_models WHERE model = 'gpt-6-luna'),
	'(openai,1050000,128000,0.10,0.50,t,none)', 'the default model');
SELECT is((SELECT count(*) FROM linkedin_ingest.seeds WHERE table_name IN ('llm_providers', 'llm_models')), 16::bigint, 'all are listed as seeds');

-- shapes
SELECT is(pg_temp.set_to('base_url', url), 'ok', 'base_url ' || url)
FROM unnest(ARRAY['http://127.0.0.1:9/v1', 'https://models.example.org', 'https://[::1]:8443/a/b', 'http://127.0.0.1:9/latency=250/v1']) url;
SELECT is(pg_temp.set_to('base_url', url), '22023 base_url', 'no base_url ' || to_json(left(url, 30)))
FROM unnest(ARRAY['ftp://example.org', 'example.org/v1', 'https://user:word@example.org/v1', 'https://example.org/v1?x=1', 'https://example.org/#x',
	E'https://example.org/\r\nX: y', 'https://', 'https://exa mple.org', 'file:///etc/passwd', 'https://example.org/' || repeat('x', 2000)]) url;
SELECT is(pg_temp.set_to('api_key_ref', ref), 'ok', 'api_key_ref ' || ref)
FROM unnest(ARRAY['env:SOME_KEY', 'file:/etc/keys/some key']) ref;
SELECT is(pg_temp.set_to('api_key_ref', ref), '22023 api_key_ref', 'no api_key_ref ' || to_json(ref))
FROM unnest(ARRAY['a-key-in-clear', 'env:', 'env:1X', 'env:A=B', 'file:relative', E'file:/etc/a\nb', '']) ref;
SELECT is(pg_temp.set_to('organization', E'org\r\nX: y'), '22023 organization', 'no line break in organization');
SELECT is(pg_temp.set_to('ca_file', 'relative.pem'), '23514', 'ca_file is absolute');
SELECT is(pg_temp.set_to('request_timeout', '0'), '23514', 'request_timeout is positive');
SELECT is(pg_temp.set_to('connect_timeout', '-1 s'), '23514', 'connect_timeout is positive');
SELECT is(pg_temp.set_to('daily_budget_usd', 'NaN'), '23514', 'a budget is a number');
SELECT is(pg_temp.set_to('max_in_flight', '0'), '23514', 'max_in_flight is positive');
SELECT is(pg_temp.set_to('kind', 'telepathy'), '23514', 'an unknown kind');
SELECT is(pg_temp.set_to('is_default', 'true'), '23505', 'one default at most');

-- headers
SELECT is(pg_temp.set_to('headers', h), 'ok', 'headers ' || h)
FROM unnest(ARRAY['{}', '{"OpenAI-Project": "proj_1"}', '{"X-Api-Key": "env:SOME_KEY", "Authorization": "file:/etc/keys/a"}', '{"X-Title": "Scores"}']) h;
SELECT is(pg_temp.set_to('headers', h), '22023 headers', 'no headers ' || h)
FROM unnest(ARRAY['[]', '{"Authorization": "Bearer abc"}', '{"authorization": "abc"}', '{"X-API-Key": "abc"}', '{"api-key": "abc"}',
	'{"Cookie": "a=b"}', '{"Proxy-Authorization": "Basic abc"}', '{"X-Auth-Token": "abc"}', '{"X-Note": "Bearer abc"}',
	'{"X-Note": "a\r\nb: c"}', '{"X: y": "a"}', '{"X-Note": 1}', '{"Host": "example.org"}', '{"Content-Length": "1"}', '{"X-Note": "env:1"}']) h;

-- who may
CREATE ROLE pgtap_api_dba;
GRANT USAGE ON SCHEMA linkedin_ingest TO pgtap_api_dba;
GRANT ALL ON ALL TABLES IN SCHEMA linkedin_ingest TO pgtap_api_dba;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA linkedin_ingest TO pgtap_api_dba;
CREATE FUNCTION pg_temp.as_owner() RETURNS void LANGUAGE sql SECURITY DEFINER AS
	$$ UPDATE linkedin_ingest.llm_providers SET ca_file = '/etc/ca.pem' WHERE name = 'ollama' $$;
CREATE TEMPORARY TABLE seen (n int, fault text);
GRANT ALL ON seen TO pgtap_api_dba;
SET LOCAL ROLE pgtap_api_dba;
INSERT INTO seen SELECT n, pg_temp.fault(s) FROM unnest(ARRAY[
	$$UPDATE linkedin_ingest.llm_providers SET base_url = 'http://127.0.0.1:1/' WHERE name = 'ollama'$$,
	$$UPDATE linkedin_ingest.llm_providers SET api_key_ref = 'file:/etc/passwd' WHERE name = 'ollama'$$,
	$$UPDATE linkedin_ingest.llm_providers SET headers = '{"X-A": "file:/etc/passwd"}' WHERE name = 'ollama'$$,
	$$UPDATE linkedin_ingest.llm_providers SET ca_file = '/etc/passwd' WHERE name = 'ollama'$$,
	$$INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url) VALUES ('mine', 'openai', 'http://127.0.0.1:1/')$$,
	$$SELECT pg_temp.as_owner()$$,
	$$UPDATE linkedin_ingest.llm_providers SET requests_per_minute = 10, daily_budget_usd = 5 WHERE name = 'ollama'$$]) WITH ORDINALITY u (s, n);
RESET ROLE;
SELECT is(fault, '42501 base_url', 'base_url is for superusers, whatever was granted') FROM seen WHERE n = 1;
SELECT is(fault, '42501 api_key_ref', 'so is api_key_ref') FROM seen WHERE n = 2;
SELECT is(fault, '42501 headers', 'so are headers') FROM seen WHERE n = 3;
SELECT is(fault, '42501 ca_file', 'so is ca_file') FROM seen WHERE n = 4;
SELECT is(fault, '42501 base_url', 'and a new provider') FROM seen WHERE n = 5;
SELECT is(fault, '42501 ca_file', 'also through a SECURITY DEFINER function') FROM seen WHERE n = 6;
SELECT is(fault, 'ok', 'limits are not') FROM seen WHERE n = 7;

-- models
SELECT is(pg_temp.fault($$INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('x y', 'openai')$$), '23514', 'a model''s name has no blank');
SELECT is(pg_temp.fault($$INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('test', 'nobody')$$), '23503', 'a model''s provider exists');
SELECT is(pg_temp.fault($$INSERT INTO linkedin_ingest.llm_models (model, provider, token_parameter) VALUES ('test', 'openai', 'tokens')$$), '23514', 'token_parameter is one of two');
SELECT is(pg_temp.fault($$INSERT INTO linkedin_ingest.llm_models (model, provider, input_usd_per_mtok) VALUES ('test', 'openai', 'NaN')$$), '23514', 'a price is a number');
SELECT is(pg_temp.fault($$INSERT INTO linkedin_ingest.llm_models (model, provider) VALUES ('test', 'openai')$$), 'ok', 'name and provider are enough');

SELECT * FROM finish();
ROLLBACK;
