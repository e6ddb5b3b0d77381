/* providers.sql: where questions are sent, and what is known of the models */

CREATE TABLE linkedin_ingest.llm_providers (
	name text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$'),
	kind text NOT NULL CHECK (kind IN ('openai', 'azure', 'anthropic')),
	base_url text NOT NULL
		CONSTRAINT llm_providers_base_url_is_http
		CHECK (base_url ~ '^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%!$&''()*+,;=:/-]*)?$'
			   AND length(base_url) <= 2000),
	api_key_ref text
		CONSTRAINT llm_providers_api_key_ref_is_reference
		CHECK (api_key_ref ~ '^env:[A-Za-z_][A-Za-z0-9_]*$'
			   OR api_key_ref ~ '^file:/[^[:cntrl:]]+$'),
	organization text CHECK (organization ~ '^[!-~]{1,200}$'),
	headers jsonb NOT NULL DEFAULT '{}',
	max_in_flight int CHECK (max_in_flight > 0),
	requests_per_minute int CHECK (requests_per_minute > 0),
	tokens_per_minute int CHECK (tokens_per_minute > 0),
	connect_timeout interval NOT NULL DEFAULT '10 seconds'
		CHECK (connect_timeout > '0' AND connect_timeout <= '10 minutes'),
	request_timeout interval NOT NULL DEFAULT '5 minutes'
		CHECK (request_timeout > '0' AND request_timeout <= '1 day'),
	daily_budget_usd numeric CHECK (daily_budget_usd >= 0 AND daily_budget_usd < 'Infinity'),
	ca_file text CHECK (ca_file ~ '^/[^[:cntrl:]]+$'),
	merge_user_messages boolean NOT NULL DEFAULT false,
	is_default boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX llm_providers_one_default ON linkedin_ingest.llm_providers (is_default)
	WHERE is_default;
COMMENT ON TABLE linkedin_ingest.llm_providers IS 'servers that answer questions; no key is stored here, only where the server finds it';
COMMENT ON COLUMN linkedin_ingest.llm_providers.name IS 'as named in llm_models and scoring_jobs';
COMMENT ON COLUMN linkedin_ingest.llm_providers.kind IS 'dialect spoken: openai (and all that imitate it), azure (at its surface /openai/v1), anthropic';
COMMENT ON COLUMN linkedin_ingest.llm_providers.base_url IS 'http or https, up to and without the route; only superusers change it';
COMMENT ON COLUMN linkedin_ingest.llm_providers.api_key_ref IS 'env:NAME or file:/PATH, read by the worker; null: no key; only superusers change it';
COMMENT ON COLUMN linkedin_ingest.llm_providers.organization IS 'sent with each request of kind openai, and part of what an account is; null: none';
COMMENT ON COLUMN linkedin_ingest.llm_providers.headers IS 'extra headers, name to value; a value is env:NAME, file:/PATH or harmless text; only superusers change it';
COMMENT ON COLUMN linkedin_ingest.llm_providers.max_in_flight IS 'calls at once to this account; null: no limit of its own';
COMMENT ON COLUMN linkedin_ingest.llm_providers.requests_per_minute IS 'calls of the account per minute, of all databases of the server; null: no limit of its own';
COMMENT ON COLUMN linkedin_ingest.llm_providers.tokens_per_minute IS 'tokens of prompt and answer per minute, likewise';
COMMENT ON COLUMN linkedin_ingest.llm_providers.connect_timeout IS 'longest wait for a connection';
COMMENT ON COLUMN linkedin_ingest.llm_providers.request_timeout IS 'longest duration of a whole call';
COMMENT ON COLUMN linkedin_ingest.llm_providers.daily_budget_usd IS 'USD that calls may cost in this database per UTC day; a call that might cross it waits; null: no limit';
COMMENT ON COLUMN linkedin_ingest.llm_providers.ca_file IS 'certificates to trust instead of the system''s; only superusers change it';
COMMENT ON COLUMN linkedin_ingest.llm_providers.merge_user_messages IS 'join the two user messages, for servers that demand alternating roles';
COMMENT ON COLUMN linkedin_ingest.llm_providers.is_default IS 'used for models that have no row in llm_models; one row at most';
COMMENT ON COLUMN linkedin_ingest.llm_providers.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.llm_providers.updated_at IS 'latest change of the row';

/*
 * Whoever decides where a request goes and which file is read as its key can
 * read any file of the server and any profile.  So these columns are for
 * superusers, whatever table privileges were granted.  The outer user counts:
 * inside a SECURITY DEFINER function the current user is its owner.
 */
CREATE FUNCTION linkedin_ingest.llm_providers_guard() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	changed text;
	header record;
	fault text;
BEGIN
	IF linkedin_ingest.is_restoring() THEN
		RETURN NEW;
	END IF;

	IF TG_OP = 'INSERT' THEN
		changed := 'base_url';
	ELSIF NEW.base_url IS DISTINCT FROM OLD.base_url THEN
		changed := 'base_url';
	ELSIF NEW.api_key_ref IS DISTINCT FROM OLD.api_key_ref THEN
		changed := 'api_key_ref';
	ELSIF NEW.headers IS DISTINCT FROM OLD.headers THEN
		changed := 'headers';
	ELSIF NEW.ca_file IS DISTINCT FROM OLD.ca_file THEN
		changed := 'ca_file';
	END IF;
	IF changed IS NULL AND TG_OP = 'UPDATE' AND NEW.organization IS NOT DISTINCT FROM OLD.organization THEN
		RETURN NEW;
	END IF;
	IF changed IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
				   WHERE r.rolname = linkedin_ingest.outer_user() AND r.rolsuper) THEN
		RAISE EXCEPTION 'permission denied to set column "%" of a provider', changed
			USING ERRCODE = '42501', COLUMN = changed,
				  DETAIL = 'Only superusers set base_url, api_key_ref, headers and ca_file.';
	END IF;

	/* A key pasted into the wrong column must not be shown by a CHECK's detail. */
	fault := CASE
		WHEN NEW.api_key_ref !~ '^env:[A-Za-z_][A-Za-z0-9_]*$' AND NEW.api_key_ref !~ '^file:/[^[:cntrl:]]+$' THEN
			'api_key_ref'
		WHEN length(NEW.base_url) > 2000 OR NEW.base_url !~ '^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~%!$&''()*+,;=:/-]*)?$' THEN
			'base_url'
		WHEN NEW.organization !~ '^[!-~]{1,200}$' THEN
			'organization'
	END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION 'column "%" of a provider does not have the required form', fault
			USING ERRCODE = '22023', COLUMN = fault,
				  HINT = CASE fault
					WHEN 'api_key_ref' THEN 'Say where the server finds the key: env:NAME or file:/PATH, never the key itself.'
					WHEN 'base_url' THEN 'Use http://HOST/PATH or https://HOST/PATH, without user, query and fragment.'
					ELSE 'Use 1 to 200 printable ASCII characters without spaces.' END;
	END IF;
	IF jsonb_typeof(NEW.headers) <> 'object' THEN
		RAISE EXCEPTION 'headers must be a JSON object'
			USING ERRCODE = '22023', COLUMN = 'headers';
	END IF;
	FOR header IN SELECT h.key, h.value, h.value #>> '{}' AS text FROM jsonb_each(NEW.headers) h LOOP
		/* The name is shown, the value never. */
		fault := CASE
			WHEN header.key !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]{1,100}$' THEN
				'is not a header name'
			WHEN lower(header.key) IN ('host', 'content-length', 'content-type', 'transfer-encoding',
									   'connection', 'expect', 'te', 'trailer', 'upgrade') THEN
				'is set by the extension'
			WHEN jsonb_typeof(header.value) <> 'string' THEN
				'must have text as its value'
			WHEN header.text !~ '^[ -~]+$' OR length(header.text) > 2000 THEN
				'has a value that is empty, too long or not printable ASCII'
			WHEN header.text ~ '^env:' AND header.text !~ '^env:[A-Za-z_][A-Za-z0-9_]*$' THEN
				'has a reference that is not env:NAME'
			WHEN header.text ~ '^file:' AND header.text !~ '^file:/' THEN
				'has a reference that is not file:/PATH'
			WHEN header.text ~ '^(env|file):' THEN
				NULL
			WHEN header.key ~* '(authorization|cookie|(^|[-_])(api-?key|key|token|secret|password|auth|credentials?)($|[-_]))'
				OR header.text ~* '^(bearer|basic|token|digest|negotiate) |(^|[^a-z0-9])sk-' THEN
				'has a credential in clear'
		END;
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION 'header "%" %', left(header.key, 100), fault
				USING ERRCODE = '22023', COLUMN = 'headers',
					  HINT = 'Refer to a credential as env:NAME or file:/PATH.';
		END IF;
	END LOOP;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION linkedin_ingest.llm_providers_guard() IS
	'trigger: lets only superusers decide where requests go and which keys are read; refuses credentials in clear';

CREATE TRIGGER guard BEFORE INSERT OR UPDATE ON linkedin_ingest.llm_providers
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.llm_providers_guard();
CREATE TRIGGER timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.llm_providers
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();

CREATE TABLE linkedin_ingest.llm_models (
	model text PRIMARY KEY CHECK (model ~ '^[!-~]{1,200}$'),
	provider text NOT NULL REFERENCES linkedin_ingest.llm_providers ON UPDATE CASCADE,
	context_window int CHECK (context_window > 0),
	max_output_tokens int CHECK (max_output_tokens >= 100),
	input_usd_per_mtok numeric CHECK (input_usd_per_mtok BETWEEN 0 AND 1000000),
	cached_input_usd_per_mtok numeric CHECK (cached_input_usd_per_mtok BETWEEN 0 AND 1000000),
	output_usd_per_mtok numeric CHECK (output_usd_per_mtok BETWEEN 0 AND 1000000),
	token_parameter text CHECK (token_parameter IN ('max_tokens', 'max_completion_tokens')),
	supports_json_schema boolean NOT NULL DEFAULT true,
	supports_temperature boolean NOT NULL DEFAULT true,
	reasoning_effort text CHECK (reasoning_effort ~ '^[a-z]{1,20}$'),
	encoding text CHECK (encoding ~ '^[a-z0-9_]{1,40}$'),
	sunset_on date,
	replacement text CHECK (replacement ~ '^[!-~]{1,200}$'),
	last_seen_at timestamptz,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX llm_models_provider ON linkedin_ingest.llm_models (provider);
COMMENT ON TABLE linkedin_ingest.llm_models IS 'facts of models; a model without a row works and costs null';
COMMENT ON COLUMN linkedin_ingest.llm_models.model IS 'name as sent';
COMMENT ON COLUMN linkedin_ingest.llm_models.provider IS 'who is asked for it';
COMMENT ON COLUMN linkedin_ingest.llm_models.context_window IS 'tokens of prompt and answer together; null: unknown';
COMMENT ON COLUMN linkedin_ingest.llm_models.max_output_tokens IS 'longest answer in tokens; null: unknown';
COMMENT ON COLUMN linkedin_ingest.llm_models.input_usd_per_mtok IS 'USD per million prompt tokens; null: unknown, the cost is then null';
COMMENT ON COLUMN linkedin_ingest.llm_models.cached_input_usd_per_mtok IS 'USD per million prompt tokens served from the provider''s cache; null: as input';
COMMENT ON COLUMN linkedin_ingest.llm_models.output_usd_per_mtok IS 'USD per million tokens of answer, reasoning included; null: unknown';
COMMENT ON COLUMN linkedin_ingest.llm_models.token_parameter IS 'name of the cap in the request; null: as for a model without a row';
COMMENT ON COLUMN linkedin_ingest.llm_models.supports_json_schema IS 'whether a strict schema is sent';
COMMENT ON COLUMN linkedin_ingest.llm_models.supports_temperature IS 'whether a temperature is sent; an explicit one for a model that takes none is refused';
COMMENT ON COLUMN linkedin_ingest.llm_models.reasoning_effort IS 'sent when not null';
COMMENT ON COLUMN linkedin_ingest.llm_models.encoding IS 'vocabulary by which tokens are counted: o200k_base or cl100k_base; another or null: they are estimated';
COMMENT ON COLUMN linkedin_ingest.llm_models.sunset_on IS 'last day on which jobs for it are taken; null: none known';
COMMENT ON COLUMN linkedin_ingest.llm_models.replacement IS 'model to use instead; never switched to silently';
COMMENT ON COLUMN linkedin_ingest.llm_models.last_seen_at IS 'when the provider last listed it';
COMMENT ON COLUMN linkedin_ingest.llm_models.created_at IS 'when the row was made';
COMMENT ON COLUMN linkedin_ingest.llm_models.updated_at IS 'latest change of the row';

CREATE TRIGGER timestamps BEFORE INSERT OR UPDATE ON linkedin_ingest.llm_models
	FOR EACH ROW EXECUTE FUNCTION linkedin_ingest.set_timestamps();

INSERT INTO linkedin_ingest.llm_providers (name, kind, base_url, api_key_ref, is_default) VALUES
	('openai', 'openai', 'https://api.openai.com/v1', 'env:OPENAI_API_KEY', true),
	('anthropic', 'anthropic', 'https://api.anthropic.com/v1', 'env:ANTHROPIC_API_KEY', false),
	('ollama', 'openai', 'http://127.0.0.1:11434/v1', NULL, false);

/* Published facts as of 24 November 2026; what was not found is null. */
INSERT INTO linkedin_ingest.llm_models
	(model, provider, context_window, max_output_tokens,
	 input_usd_per_mtok, cached_input_usd_per_mtok, output_usd_per_mtok,
	 token_parameter, supports_json_schema, supports_temperature, reasoning_effort, encoding,
	 sunset_on, replacement) VALUES
	('gpt-6-luna', 'openai', 1050000, 128000, 0.10, 0.01, 0.50,
	 'max_completion_tokens', true, true, 'none', 'o200k_base', NULL, NULL),
	('gpt-6-sol', 'openai', 1050000, 128000, 2, 0.20, 10,
	 'max_completion_tokens', true, false, 'low', 'o200k_base', NULL, NULL),
	('gpt-6-astra', 'openai', NULL, 128000, 10, 1, 50,
	 'max_completion_tokens', true, false, 'low', 'o200k_base', NULL, NULL),
	('gpt-5.6-luna', 'openai', 1050000, 128000, 0.20, 0.02, 1.20,
	 'max_completion_tokens', true, true, 'none', 'o200k_base', NULL, NULL),
	('gpt-5.6-terra', 'openai', 1050000, 128000, 2, 0.20, 12,
	 'max_completion_tokens', true, false, 'low', 'o200k_base', NULL, NULL),
	('gpt-5-mini', 'openai', 400000, 128000, 0.25, 0.025, 2,
	 'max_completion_tokens', true, false, 'low', 'o200k_base', '2026-12-11', 'gpt-6-luna'),
	('gpt-4.1-mini', 'openai', 1047576, 32768, 0.40, 0.10, 1.60,
	 'max_completion_tokens', true, true, NULL, 'o200k_base', '2027-01-14', 'gpt-6-luna'),
	('gpt-4o-mini', 'openai', 128000, 16384, 0.15, 0.075, 0.60,
	 'max_completion_tokens', true, true, NULL, 'o200k_base', '2027-01-14', 'gpt-6-luna'),
	('gpt-4o', 'openai', 128000, 16384, 2.50, 1.25, 10,
	 'max_completion_tokens', true, true, NULL, 'o200k_base', '2027-01-14', 'gpt-6-luna'),
	('gpt-3.5-turbo', 'openai', 16385, 4096, 0.50, NULL, 1.50,
	 'max_tokens', false, true, NULL, 'cl100k_base', '2026-10-23', 'gpt-6-luna'),
	('claude-haiku-4-5', 'anthropic', 200000, 64000, 1, 0.10, 5,
	 'max_tokens', true, true, NULL, NULL, NULL, NULL),
	('claude-sonnet-5', 'anthropic', 1000000, NULL, 2, 0.20, 10,
	 'max_tokens', true, false, NULL, NULL, NULL, NULL),
	('claude-opus-5', 'anthropic', 1000000, NULL, 5, 0.50, 25,
	 'max_tokens', true, false, NULL, NULL, NULL, NULL);
