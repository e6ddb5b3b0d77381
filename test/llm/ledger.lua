--[[
ledger.lua
	The record of every call: written before the answer, closed after it.

A record is one JSON line under its sequence number in a shared dict, so it is
right for any number of workers.  Gauges (calls in flight, the epoch) live in a
dict of their own that a reset leaves alone: a call that began before the reset
still leaves the gauge when it ends, but no longer writes into the ledger,
because the epoch has moved on.

When the ledger is full, new records are dropped and counted as `lost`; nothing
is overwritten silently.
--]]
local ffi = require "ffi"
local json = require "json"

local ledger = ngx.shared.ledger
local counts = ngx.shared.counts
local bodies = ngx.shared.bodies
local gauges = ngx.shared.gauges

local KEPT_BODIES = 1000
local KEPT_BYTES = 65536

local M = {}

-- The library that nginx is linked with: twice as fast as ngx.md5 here, and at
-- thousands of calls a second the hash of the body is what costs most.
ffi.cdef [[
unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);
unsigned char *ngx_hex_dump(unsigned char *to, const unsigned char *from, size_t length);
]]
local digest = ffi.new("unsigned char[32]")
local hex = ffi.new("unsigned char[64]")

local function sha256(text)
	ffi.C.SHA256(text, #text, digest)
	ffi.C.ngx_hex_dump(hex, digest, 32)
	return ffi.string(hex, 64)
end

local function epoch()
	return gauges:get("epoch") or 0
end

-- Notes the highest number of calls in flight.  Each worker keeps its own key:
-- read and write are one step then, since a worker runs one thread.
local function note_peak(n)
	local key = "peak " .. ngx.worker.id()

	if n > (gauges:get(key) or 0) then
		gauges:set(key, n)
	end
end

function M.peak()
	local peak = 0

	for i = 0, ngx.worker.count() - 1 do
		peak = math.max(peak, gauges:get("peak " .. i) or 0)
	end
	return peak
end

function M.inflight()
	return gauges:get("inflight") or 0
end

-- Opens the record of a call.  `call` carries script, path, body, model, tag
-- and prompt (the last three may be nil); it becomes the request's context.
function M.arrive(call)
	local var = ngx.var
	local seq = counts:incr("calls", 1, 0)
	local body = call.body
	local auth = var.http_authorization and "authorization"
		or var.http_x_api_key and "x-api-key"
		or var.http_api_key and "api-key"

	call.seq = seq
	call.id = "call-" .. M.instance .. "-" .. epoch() .. "-" .. seq
	call.epoch = epoch()
	call.record = '{"seq":' .. seq
		.. ',"at":' .. string.format("%.0f", ngx.now() * 1000)
		.. ',"method":"' .. var.request_method
		.. '","path":' .. json.recurring(var.uri)
		.. ',"script":' .. json.recurring(call.script)
		.. ',"request_id":"' .. call.id
		.. '","bytes":' .. #body
		.. ',"sha256":"' .. sha256(body)
		.. '","model":' .. (call.model and json.recurring(call.model) or "null")
		.. ',"tag":' .. (call.tag and '"' .. call.tag .. '"' or "null")
		.. ',"prompt":' .. (call.prompt and '"' .. call.prompt .. '"' or "null")
		.. ',"auth":' .. (auth and '"' .. auth .. '"' or "null")
		.. ',"tls":' .. tostring(var.scheme == "https")
		.. ',"connection":' .. var.connection
		.. ',"connection_requests":' .. var.connection_requests
	if not ledger:safe_set(seq, call.record .. ',"outcome":"open"}') then
		counts:incr("lost", 1, 0)
	end
	counts:incr("script " .. call.script, 1, 0)
	note_peak(gauges:incr("inflight", 1, 0))
	ngx.ctx.call = call

	if not gauges:get("keep off") then
		bodies:delete(seq - KEPT_BODIES)
		bodies:delete("h" .. seq - KEPT_BODIES)
		if #body <= KEPT_BYTES then
			bodies:set(seq, body)
		end
		bodies:set("h" .. seq, ngx.req.raw_header())
	end
end

-- Log phase: closes the record.  Outcomes: done, gone (the client left first),
-- and what the script did on purpose: cut, reset, closed.
function M.finish()
	local call = ngx.ctx.call
	local outcome

	if not call then
		counts:incr("broken", 1, 0)		-- its request never came whole
		return
	end
	gauges:incr("inflight", -1)
	if call.slot then
		gauges:incr(call.slot, -1)
	end
	if ngx.status == 499 then
		outcome = "gone"
	elseif call.fate then
		outcome = call.fate
	elseif ngx.var.request_completion == "OK" then
		outcome = "done"
	else
		outcome = "gone"
	end
	if call.epoch ~= epoch() then
		return
	end
	counts:incr("outcome " .. outcome, 1, 0)
	counts:incr("status " .. ngx.status, 1, 0)
	ledger:safe_set(call.seq, call.record
		.. ',"outcome":"' .. outcome
		.. '","status":' .. ngx.status
		.. ',"did":' .. json.recurring(call.did or "ok")
		.. ',"ended":' .. string.format("%.0f", ngx.now() * 1000) .. "}")
end

function M.reset()
	gauges:incr("epoch", 1, 0)
	for _, dict in ipairs({ledger, bodies, counts}) do
		dict:flush_all()
		dict:flush_expired()
	end
	for i = 0, ngx.worker.count() - 1 do
		gauges:delete("peak " .. i)
	end
	note_peak(M.inflight())
end

function M.keep(on)
	gauges:set("keep off", not on or nil)
	if not on then
		bodies:flush_all()
		bodies:flush_expired()
	end
end

-- Totals since the last reset, as a table.
function M.totals()
	local t = {calls = counts:get("calls") or 0, inflight = M.inflight(),
		peak = M.peak(), lost = counts:get("lost") or 0,
		broken = counts:get("broken") or 0, misuse = counts:get("misuse") or 0,
		done = 0, gone = 0, cut = 0, reset = 0, closed = 0,
		by_script = {}, by_status = {}}

	for _, key in ipairs(counts:get_keys(0)) do
		local kind, name = key:match("^(%a+) (.*)$")

		if kind == "script" then
			t.by_script[name] = counts:get(key)
		elseif kind == "status" then
			t.by_status[name] = counts:get(key)
		elseif kind == "outcome" then
			t[name] = counts:get(key)
		end
	end
	return t
end

-- Prints the records after `since` as JSON lines, in order of arrival.
function M.print(since, script)
	local wanted = script and '"script":' .. json.recurring(script) .. ","
	local lines = {}

	for seq = since + 1, counts:get("calls") or 0 do
		local line = ledger:get(seq)

		if line and (not wanted or line:find(wanted, 1, true)) then
			lines[#lines + 1] = line
			lines[#lines + 1] = "\n"
		end
		if #lines >= 2000 then
			ngx.print(lines)
			ngx.flush(true)
			lines = {}
		end
	end
	ngx.print(lines)
end

-- The kept request body (head = false) or request head (head = true) of a
-- call, or nil.  The value of a credential header is never shown.
function M.kept(seq, head)
	if not head then
		return bodies:get(seq)
	end
	head = bodies:get("h" .. seq)
	return head and ngx.re.gsub(head, [[^((?:authorization|x-api-key|api-key):).*?(\r?)$]],
		"$1 (hidden)$2", "imjo")
end

return M
