--[[
calls.lua
	One call of the model API: record it, decide what it gets, deliver that.

The base url of a provider carries the script: /SCRIPT/v1 with directives, or
/s/NAME/v1 with a named script.  A call is in the ledger before anything is
answered, so that a caller that dies or is cut off was still seen.
--]]
local cjson = require "cjson"
local ffi = require "ffi"
local answers = require "answers"
local directives = require "directives"
local errors = require "errors"
local ledger = require "ledger"
local request = require "request"

local counts = ngx.shared.counts
local gauges = ngx.shared.gauges

local M = {}

function M.init(id)
	M.instance = id
	ledger.instance = id
	collectgarbage("setpause", 400)		-- memory is cheaper here than time
end

----- gzip, by the libz that nginx itself is linked with

ffi.cdef [[
typedef struct {
	const unsigned char *next_in; unsigned int avail_in; unsigned long total_in;
	unsigned char *next_out; unsigned int avail_out; unsigned long total_out;
	const char *msg; void *state; void *zalloc; void *zfree; void *opaque;
	int data_type; unsigned long adler; unsigned long reserved;
} li_z_stream;
int deflateInit2_(li_z_stream *, int, int, int, int, int, const char *, int);
int deflate(li_z_stream *, int);
int deflateEnd(li_z_stream *);
]]

-- The gzip form of `piece` repeated `times` times.
local function gzip(piece, times)
	local z = ffi.new("li_z_stream")
	local size = 65536
	local buffer = ffi.new("unsigned char[?]", size)
	local out = {}

	assert(ffi.C.deflateInit2_(z, 6, 8, 31, 9, 0, "1.2.0", ffi.sizeof(z)) == 0)
	for i = 1, times do
		z.next_in, z.avail_in = ffi.cast("const unsigned char *", piece), #piece
		repeat
			z.next_out, z.avail_out = buffer, size
			ffi.C.deflate(z, i == times and 4 or 0)
			out[#out + 1] = ffi.string(buffer, size - z.avail_out)
		until z.avail_out > 0
	end
	ffi.C.deflateEnd(z)
	return table.concat(out)
end

----- delivery

local function send(data)
	ngx.print(data)
	ngx.flush(true)
end

-- Sends `length` bytes made of `piece` without holding them all.
local function send_repeated(piece, length)
	while length > 0 do
		send(length >= #piece and piece or piece:sub(1, length))
		length = length - #piece
	end
end

-- Ends the connection here: what was promised is not sent.
local function abandon(call, fate)
	call.fate = fate
	return ngx.exit(ngx.ERROR)
end

local function send_slowly(body, rate)
	local bytes, ms = rate:match("^(%d+):?(%d*)$")

	bytes, ms = math.max(1, tonumber(bytes) or 1), tonumber(ms) or 100
	for at = 1, #body, bytes do
		if at > 1 then
			ngx.sleep(ms / 1000)
		end
		send(body:sub(at, at + bytes - 1))
	end
end

local function retry_after(value)
	local offset = value:match("^date([+-]%d+)$")

	return offset and ngx.http_time(ngx.time() + tonumber(offset)) or value
end

-- Rate-limit headers in the form of the dialect; "LIMIT:REMAINING".
local function rate_headers(header, call, value)
	local limit, remaining = value:match("^(-?%d+):(-?%d+)$")

	if call.dialect == "anthropic" then
		for _, kind in ipairs({"requests", "tokens", "input-tokens", "output-tokens"}) do
			header["anthropic-ratelimit-" .. kind .. "-limit"] = limit
			header["anthropic-ratelimit-" .. kind .. "-remaining"] = remaining
			header["anthropic-ratelimit-" .. kind .. "-reset"] = os.date("!%Y-%m-%dT%H:%M:%SZ", ngx.time() + 6)
		end
		return
	end
	for _, kind in ipairs({"requests", "tokens"}) do
		header["x-ratelimit-limit-" .. kind] = limit
		header["x-ratelimit-remaining-" .. kind] = remaining
		header["x-ratelimit-reset-" .. kind] = call.dialect == "azure" and "6" or kind == "requests" and "120ms" or "6m0s"
	end
end

local function set_headers(call, d, content_type)
	local header = ngx.header

	header.content_type = d.type or content_type
	if not d["no-request-id"] then
		if call.dialect == "openai" or call.dialect == "azure" then
			header["x-request-id"] = call.id
			header["openai-processing-ms"] = "12"
			header["openai-version"] = "2020-10-01"
		elseif call.dialect == "anthropic" then
			header["request-id"] = call.id
		end
	end
	if d["retry-after"] then
		header["Retry-After"] = retry_after(d["retry-after"])
	end
	header["retry-after-ms"] = d["retry-after-ms"]
	header["x-should-retry"] = d["x-should-retry"]
	if d.ratelimit then
		rate_headers(header, call, d.ratelimit)
	end
	for name, value in pairs(d.headers or {}) do
		header[name] = value
	end
	if d["conn-close"] or call.dialect == "llamacpp" and ngx.status >= 400 then
		header.Connection = "close"
	end
end

local bombs = {}

-- A gzip body of some 1/1000 of the bytes it unpacks to; kept, because packing
-- a large one holds up every other call.
local function bomb(bytes)
	bombs[bytes] = bombs[bytes] or gzip((" "):rep(65536), math.ceil(bytes / 65536))
	return bombs[bytes]
end

-- Sends status and body with the transport faults that `d` asks for.
local function deliver(call, d, status, content_type, body)
	ngx.status = status
	set_headers(call, d, content_type)
	if d.bomb then
		ngx.header["Content-Encoding"] = "gzip"
		body = bomb(d.bomb)
	elseif d.gzip then
		ngx.header["Content-Encoding"] = "gzip"
		body = gzip(body, 1)
	end
	if not d.chunked then
		ngx.header.content_length = math.max(d.oversize or 0, #body)
	end
	if d["close-after-headers"] then
		ngx.send_headers()
		ngx.flush(true)
		return abandon(call, "cut")
	elseif d.cut then
		send(body:sub(1, d.cut >= 0 and d.cut or math.floor(#body / 2)))
		return abandon(call, "cut")
	elseif d.drip then
		send_slowly(body, d.drip)
	elseif d.oversize and d.oversize > #body then
		-- Still JSON: white space before the last brace.
		send(body:sub(1, -2))
		send_repeated((" "):rep(65536), d.oversize - #body)
		send(body:sub(-1))
	else
		ngx.print(body)
	end
end

----- deciding

-- Says in the ledger what the call got: "step 2: slow_down".
local function note(call, word)
	call.did = (call.did and call.did .. ": " or "") .. word
end

local function error_answer(call, d, name, detail, status)
	local content_type, body

	status, content_type, body = errors.answer(name, call.dialect, {model = call.model,
		tokens = call.tokens, limit = d.context or math.floor(call.tokens * 0.75),
		detail = detail, id = call.id}, status)
	note(call, name)
	deliver(call, d, status, content_type, body)
end

-- A wrong use of this server itself: loud, and no provider's form.
local function misuse(call, message)
	counts:incr("misuse", 1, 0)
	note(call, "misuse")
	ngx.status = 501
	ngx.header.content_type = "text/plain"
	ngx.print("scripted model server: ", message, "\n")
end

local function key_matches(key)
	local var = ngx.var

	return var.http_authorization == "Bearer " .. key or var.http_x_api_key == key
		or var.http_api_key == key
end

-- The error that the state of the "provider" gives this call, or nil:
-- limit=N:SECONDS per fixed window, slots=N at a time, context=TOKENS.
local function refused(call, d)
	if d.key and not key_matches(d.key) then
		return "invalid_api_key"
	end
	if d.limit then
		local most, seconds = d.limit:match("^(%d+):(%d+)$")
		local window = math.floor(ngx.now() / seconds)

		if counts:incr("limit " .. call.script .. window, 1, 0, seconds * 2) > tonumber(most) then
			ngx.header["Retry-After"] = string.format("%.3f", (window + 1) * seconds - ngx.now())
			return "rate_limit_exceeded"
		end
	end
	if d.slots then
		call.slot = "slot " .. call.script
		if gauges:incr(call.slot, 1, 0) > d.slots then
			return "queue_full"
		end
	end
	if d.context and call.tokens > d.context then
		return "context_length_exceeded"
	end
end

local canned = {}

local function content_of(call, d)
	local key

	if not d.canned then
		return answers.content(call, d)
	end
	key = call.script .. " " .. call.prompt
	canned[key] = canned[key] or answers.content(call, d)
	return canned[key]
end

local function completion(call, d, step)
	if call.fault and call.fault ~= true then
		return error_answer(call, d, call.fault, call.fault_detail)
	elseif call.strict_fault and not d.lax and (call.dialect == "openai" or call.dialect == "azure"
		or call.dialect == "anthropic") then
		return error_answer(call, d, "invalid_schema", call.strict_fault)
	end
	return deliver(call, d, 200, "application/json",
		answers.envelope(call, d, step.content or content_of(call, d)))
end

local function answer(call, d, step)
	local low, high = (d.latency or ""):match("^(%d+)-?(%d*)$")
	local refusal

	if d.dialect then
		call.dialect = d.dialect
	end
	refusal = refused(call, d)
	if low then
		low, high = tonumber(low), tonumber(high) or tonumber(low)
		ngx.sleep((low + math.random() * (high - low)) / 1000)
	end
	if d.hang then
		note(call, "hang")
		while true do
			ngx.sleep(3600)
		end
	elseif d.reset and (d.reset == "always" or tonumber(ngx.var.connection_requests) > 1) then
		note(call, "reset")
		call.fate = "reset"
		return ngx.exit(444)
	elseif d.close then
		note(call, "close")
		return abandon(call, "closed")
	elseif refusal then
		return error_answer(call, d, refusal)
	elseif step.body then
		return deliver(call, d, d.status or 200, "application/json", step.body)
	elseif d.error then
		return error_answer(call, d, d.error, nil, d.status)
	elseif d.redirect then
		ngx.header.Location = d.redirect ~= "" and d.redirect
			or ngx.var.scheme .. "://" .. ngx.var.http_host .. "/ok,note=followed" .. call.rest
		return deliver(call, d, d.status or 302, "text/html", errors.page("302 Found"))
	elseif d.status and d.status ~= 200 then
		return error_answer(call, d, errors.of_status(d.status), nil, d.status)
	elseif d.early then
		return error_answer(call, d, "request_too_large")
	elseif d.html then
		return deliver(call, d, 200, "text/html", errors.page("Sign in"))
	elseif d.empty then
		return deliver(call, d, 200, "application/json", "")
	elseif call.kind == "models" then
		return deliver(call, d, 200, "application/json", answers.models(call, d))
	end
	return completion(call, d, step)
end

local KINDS = {["/chat/completions"] = "chat", ["/messages"] = "messages", ["/models"] = "models"}

local function kind_of(rest)
	local path = rest:gsub("%?.*", ""):gsub("/+$", "")

	return KINDS[path:match("/chat/completions$") or path:match("/[^/]*$") or ""]
end

local function request_body()
	local body, path

	ngx.req.read_body()
	body = ngx.req.get_body_data()
	path = not body and ngx.req.get_body_file()
	if path then
		local file = assert(io.open(path, "rb"))

		body = file:read("*a")
		file:close()
	end
	return body or ""
end

function M.serve()
	local uri = ngx.var.request_uri
	local script, rest = uri:match("^/([^/?]+)(/.*)$")
	local named = script == "s" and rest:match("^/([^/?]+)/")
	local call = {body = "", rest = rest}
	local d, step, err, number

	if named then
		script = "s/" .. named
		call.rest = rest:sub(#named + 2)
	end
	call.script = script or uri
	call.kind = script and kind_of(call.rest)
	if script and not named then
		d, err = directives.parse(script)
		if d and d.error and not errors.known(d.error) then
			d, err = nil, "unknown error '" .. d.error .. "'"
		end
	elseif not script then
		err = "the path must be /SCRIPT/v1/..."
	end
	if not (d and d.early) then
		call.body = request_body()
	end
	call.dialect = call.kind == "messages" and "anthropic"
		or uri:find("/openai/", 1, true) and "azure" or "openai"
	if (call.kind == "chat" or call.kind == "messages") and not (d and d.early) then
		call.fault, call.fault_detail = request.read(call)
	end
	call.tokens = call.tokens or math.ceil(#call.body / 4)
	ledger.arrive(call)

	if named then
		d, step, number = directives.step(named, call)
		err = not d and "no script named '" .. named .. "'"
		call.did = d and "step " .. number
	end
	if not d then
		return misuse(call, err)
	end
	if not call.kind then
		call.fault = "not_found"
	elseif ngx.req.get_method() ~= (call.kind == "models" and "GET" or "POST") then
		call.fault = "method_not_allowed"
	end
	if call.kind == "models" and call.fault then
		return error_answer(call, d, call.fault)
	end
	return answer(call, d, step or {})
end

return M
