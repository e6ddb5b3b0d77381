--[[
errors.lua
	Error answers as the providers word them: a table of named errors and one
	function per dialect that shapes the body.

An error names its status and the fields of OpenAI's form; a field set named
like a dialect overrides them where that provider says it differently.
Gateways in front of a provider answer in HTML whatever the dialect.
--]]
local cjson = require "cjson"

local null = cjson.null

local M = {}

local INVALID = "invalid_request_error"

-- status, type, code, message, param as OpenAI sends them.
local ERRORS = {
	-- 429: rate
	rate_limit_exceeded = {429, "requests", "rate_limit_exceeded",
		"Rate limit reached for $MODEL on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms.",
		azure = {type = null, code = "429", message = "Requests to the ChatCompletions operation have exceeded the call rate limit of your current pricing tier. Please retry after 2 seconds."}},
	tokens_rate_limit = {429, "tokens", "rate_limit_exceeded",
		"Rate limit reached for $MODEL on tokens per min (TPM): Limit 200000, Used 199000, Requested 3000. Please try again in 600ms.",
		azure = {type = null, code = "429"}},
	request_above_limit = {429, "tokens", "rate_limit_exceeded",
		"Request too large for $MODEL on tokens per min (TPM): Limit 30000, Requested 41250. The input or output tokens must be reduced in order to run successfully."},
	slow_down = {429, "rate_limit_error", "slow_down",
		"Your request rate rose too fast. Please slow down and raise it gradually."},
	unknown_429 = {429, "some_new_type", "some_new_code", "Too many requests."},
	-- 429: money
	insufficient_quota = {429, "insufficient_quota", "insufficient_quota",
		"You exceeded your current quota, please check your plan and billing details.",
		anthropic = {type = "rate_limit_error", message = "This request would exceed your organization's monthly spend limit.",
			details = {error_code = "enforced_spend_limit_reached"}}},
	quota_by_type = {429, "insufficient_quota", "some_new_code",
		"You exceeded your current quota, please check your plan and billing details."},
	-- Only the code tells here, so that a match by code is tested by itself.
	quota_by_code = {429, "requests", "insufficient_quota", "You exceeded your current quota."},
	credit_balance_exhausted = {429, "requests", "credit_balance_exhausted", "Your credit balance is exhausted."},
	organization_spend_limit_exceeded = {429, "requests", "organization_spend_limit_exceeded", "The organization's spend limit is reached."},
	project_spend_limit_exceeded = {429, "requests", "project_spend_limit_exceeded", "The project's spend limit is reached."},
	organization_usage_limit_exceeded = {429, "requests", "organization_usage_limit_exceeded", "The organization's usage limit is reached."},
	spend_limit_400 = {400, INVALID, null,
		"You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC."},
	-- Overload
	server_is_overloaded = {503, "service_unavailable_error", "server_is_overloaded",
		"The server is overloaded or not ready yet. Please try again later.", anthropic = {status = 529, type = "overloaded_error"}},
	overloaded = {529, "overloaded_error", null, "Overloaded"},
	queue_full = {503, "api_error", null, "server busy, please try again.  maximum pending requests exceeded"},
	loading_model = {503, "unavailable_error", null, "Loading model"},
	unavailable = {503, "server_error", null, "Service temporarily unavailable."},
	-- The account
	invalid_api_key = {401, INVALID, "invalid_api_key", "Incorrect API key provided.",
		azure = {type = null, code = "401", message = "Access denied due to invalid subscription key or wrong API endpoint."},
		anthropic = {message = "invalid x-api-key"}, vllm = {string = "Unauthorized"}, llamacpp = {message = "Invalid API Key"}},
	not_a_member = {401, INVALID, null, "You must be a member of an organization to use the API."},
	ip_not_allowed = {401, INVALID, "ip_not_authorized", "Your IP address is not allowed."},
	billing = {402, "billing_error", "billing_not_active", "There is an issue with your billing details."},
	forbidden = {403, "request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported."},
	-- The request
	model_not_found = {404, INVALID, "model_not_found", "The model `$MODEL` does not exist or you do not have access to it.",
		azure = {type = null, code = "DeploymentNotFound", message = "The API deployment for this resource does not exist."},
		anthropic = {message = "model: $MODEL"}, ollama = {message = 'model "$MODEL" not found, try pulling it first', code = null}},
	not_found = {404, INVALID, null, "Invalid URL.", llamacpp = {message = "File Not Found"}},
	context_length_exceeded = {400, INVALID, "context_length_exceeded",
		"This model's maximum context length is $LIMIT tokens. However, your messages resulted in $TOKENS tokens. Please reduce the length of the messages.",
		param = "messages",
		anthropic = {message = "prompt is too long: $TOKENS tokens > $LIMIT maximum"},
		vllm = {param = "input_tokens"},
		llamacpp = {type = "exceed_context_size_error", message = "the request exceeds the available context size, try increasing it",
			extra = {n_prompt_tokens = "$TOKENS", n_ctx = "$LIMIT"}}},
	bad_parameter = {400, INVALID, "unsupported_parameter",
		"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", param = "max_tokens"},
	unsupported_value = {400, INVALID, "unsupported_value",
		"Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.", param = "temperature"},
	invalid_schema = {400, INVALID, null, "Invalid schema for response_format: $DETAIL", param = "response_format"},
	invalid_json = {400, INVALID, null, "We could not parse the JSON body of your request."},
	missing_parameter = {400, INVALID, "missing_required_parameter", "Missing required parameter: '$DETAIL'.", param = "$DETAIL"},
	content_filter = {400, INVALID, "content_filter", "The prompt was blocked by the content policy.", param = "prompt",
		azure = {type = null, extra = {status = 400, innererror = {code = "ResponsibleAIPolicyViolation",
			content_filter_result = {violence = {filtered = true, severity = "high"}}}}},
		anthropic = {message = "Output blocked by content filtering policy"}},
	request_too_large = {413, INVALID, "request_too_large", "Request exceeds the maximum size."},
	request_timeout = {408, INVALID, null, "The request timed out."},
	conflict = {409, INVALID, null, "The request conflicts with another one."},
	method_not_allowed = {405, INVALID, "method_not_supported", "Not allowed to use this method here."},
	-- The server
	server_error = {500, "server_error", null, "The server had an error while processing your request."},
	bad_gateway = {502, html = "502 Bad Gateway"},
	gateway_html_503 = {503, html = "503 Service Temporarily Unavailable"},
	gateway_timeout = {504, html = "504 Gateway Time-out", anthropic = {type = "timeout_error", message = "Request timed out"}},
	unknown_error = {520, html = "520: Web server is returning an unknown error"},
	web_server_down = {521, html = "521: Web server is down"},
	connection_timed_out = {522, html = "522: Connection timed out"},
	origin_unreachable = {523, html = "523: Origin is unreachable"},
	timeout_occurred = {524, html = "524: A timeout occurred"},
}

-- What a bare status=NNN stands for.
local BY_STATUS = {[400] = "bad_parameter", [401] = "invalid_api_key", [402] = "billing",
	[403] = "forbidden", [404] = "model_not_found", [405] = "method_not_allowed",
	[408] = "request_timeout", [409] = "conflict", [413] = "request_too_large",
	[429] = "rate_limit_exceeded", [500] = "server_error", [502] = "bad_gateway",
	[503] = "server_is_overloaded", [504] = "gateway_timeout", [520] = "unknown_error",
	[521] = "web_server_down", [522] = "connection_timed_out", [523] = "origin_unreachable",
	[524] = "timeout_occurred", [529] = "overloaded"}

-- Where a dialect derives the type from the status.
local TYPES = {
	anthropic = {[400] = INVALID, [401] = "authentication_error", [402] = "billing_error",
		[403] = "permission_error", [404] = "not_found_error", [409] = "conflict_error",
		[413] = "request_too_large", [429] = "rate_limit_error", [504] = "timeout_error",
		[529] = "overloaded_error", other = "api_error"},
	vllm = {[400] = "BadRequestError", [401] = "AuthenticationError", [404] = "NotFoundError",
		[429] = "RateLimitError", other = "InternalServerError"},
	llamacpp = {[401] = "authentication_error", [403] = "permission_error", [404] = "not_found_error",
		[500] = "server_error", [501] = "not_supported_error", [503] = "unavailable_error", other = INVALID},
	ollama = {[400] = INVALID, [404] = "not_found_error", other = "api_error"},
}
TYPES["vllm-old"] = TYPES.vllm

function M.page(title)
	return "<html>\r\n<head><title>" .. title .. "</title></head>\r\n<body>\r\n<center><h1>"
		.. title .. "</h1></center>\r\n<hr><center>gateway</center>\r\n</body>\r\n</html>\r\n"
end

-- The name a status stands for; unlisted ones get a plain server error's body.
function M.of_status(status)
	return BY_STATUS[status] or "server_error"
end

function M.known(name)
	return ERRORS[name] ~= nil
end

-- Status, content type and body of error `name` in `dialect`.  `facts` (model,
-- tokens, limit, detail, id) fills $MODEL, $TOKENS, $LIMIT and $DETAIL; `status` (may be nil)
-- overrides the error's own.
function M.answer(name, dialect, facts, status)
	local e = ERRORS[name]
	local own = e[dialect] or e[dialect == "vllm-old" and "vllm" or ""] or {}
	local types = TYPES[dialect]

	status = status or own.status or e[1]
	if e.html and not own.message then
		return status, "text/html", M.page(e.html)
	end

	local function fill(v)
		if type(v) == "table" then
			local t = {}

			for k, inner in pairs(v) do
				t[k] = fill(inner)
			end
			return t
		elseif v == "$TOKENS" or v == "$LIMIT" then
			return v == "$LIMIT" and facts.limit or facts.tokens	-- numbers, not text
		elseif type(v) == "string" then
			return (v:gsub("%$(%u+)", {MODEL = facts.model or "unknown",
				TOKENS = facts.tokens, LIMIT = facts.limit, DETAIL = facts.detail or ""}))
		end
		return v
	end

	local function pick(field, common)
		local v = own[field]

		if v == nil then
			v = common
		end
		return fill(v)
	end

	local message = pick("message", e[4])
	local body

	if own.string or dialect == "string" then
		body = {error = own.string or message}
	elseif dialect == "anthropic" then
		body = {type = "error", request_id = facts.id, error = {message = message,
			type = own.type or types[status] or types.other, details = own.details}}
	else
		local err = {message = message, type = own.type
			or types and (types[status] or types.other) or e[2],
			param = pick("param", e.param or null), code = pick("code", e[3])}

		if dialect == "vllm" or dialect == "vllm-old" or dialect == "llamacpp" then
			err.code = status
		elseif dialect == "ollama" then
			err.code, err.param = null, null
		end
		if dialect == "llamacpp" then
			err.param = nil
		end
		for k, v in pairs(fill(own.extra or {})) do
			err[k] = v
		end
		if dialect == "vllm-old" then
			err.object = "error"
			body = err
		else
			body = {error = err}
		end
	end
	return status, "application/json", cjson.encode(body)
end

return M
