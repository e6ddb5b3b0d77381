/* tokens.sql: how long a text is for a model */

CREATE FUNCTION linkedin_ingest.tokens_of(content text, encoding text) RETURNS int
	LANGUAGE c STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'linkedin_ingest_tokens_of';
COMMENT ON FUNCTION linkedin_ingest.tokens_of(text, text) IS
	'tokens of a text: exact for o200k_base and cl100k_base, for another encoding or null the estimate, bytes in UTF-8 / 3 rounded up';

CREATE FUNCTION linkedin_ingest.count_tokens(content text, model text) RETURNS int
	LANGUAGE sql STABLE PARALLEL SAFE
	RETURN linkedin_ingest.tokens_of(content,
		(SELECT m.encoding FROM linkedin_ingest.llm_models m WHERE m.model = count_tokens.model));
COMMENT ON FUNCTION linkedin_ingest.count_tokens(text, text) IS
	'tokens of a text as the model counts them, special tokens as ordinary text; an estimate where its encoding is unknown, as for a model without a row';
