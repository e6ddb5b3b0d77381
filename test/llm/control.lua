--[[
control.lua
	The server's own paths below /control/: they are not calls and never in the
	ledger.
--]]
local cjson = require "cjson"
local calls = require "calls"
local directives = require "directives"
local ledger = require "ledger"

local M = {}

local function say(status, text, content_type)
	ngx.status = status
	ngx.header.content_type = content_type or "text/plain"
	ngx.print(text)
end

local function kept(args, head)
	local text = ledger.kept(tonumber(args.seq) or 0, head)

	if not text then
		return say(404, "not kept\n")
	end
	return say(200, text, head and "text/plain" or "application/json")
end

local GET = {
	id = function() say(200, calls.instance .. "\n") end,
	ledger = function(args)
		if args.count then
			return say(200, cjson.encode(ledger.totals()) .. "\n", "application/json")
		end
		ngx.header.content_type = "application/x-ndjson"
		ledger.print(tonumber(args.since) or 0, args.script)
	end,
	inflight = function()
		say(200, cjson.encode({inflight = ledger.inflight(), peak = ledger.peak()}) .. "\n", "application/json")
	end,
	body = function(args) kept(args, false) end,
	head = function(args) kept(args, true) end,
}

local POST = {
	reset = function()
		ledger.reset()
		say(200, "ok\n")
	end,
	keep = function(args)
		ledger.keep(args.on ~= "0")
		say(200, "ok\n")
	end,
}

local function script(method, name)
	if method == "POST" or method == "PUT" then
		ngx.req.read_body()

		local ok, err = directives.store(name, ngx.req.get_body_data() or "")

		return say(ok and 200 or 400, ok and "ok\n" or err .. "\n")
	elseif method == "DELETE" then
		directives.drop(name)
		return say(200, "ok\n")
	end

	local text = directives.text(name)

	return say(text and 200 or 404, text or "no such script\n", text and "application/json")
end

function M.serve()
	local method = ngx.req.get_method()
	local path = ngx.var.uri:sub(#"/control/" + 1)
	local name = path:match("^script/([%w_.-]+)$")
	local action = (method == "GET" and GET or method == "POST" and POST or {})[path]

	if name then
		return script(method, name)
	elseif not action then
		return say(404, "no such control path, or not with this method\n")
	end
	return action(ngx.req.get_uri_args())
end

return M
