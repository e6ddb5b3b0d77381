--[[
directives.lua
	The grammar of faults: "latency=250,error=slow_down" to a table, and the
	named scripts that give one such set per call.

A directive set is the first segment of the request path, or a step of a named
script; README.md lists every word.  An unknown word is an error that the caller
sees, never a silent "ok": a misspelt fault would make a test prove nothing.
--]]
local cjson = require "cjson"

local scripts = ngx.shared.scripts

local M = {}

local FLAG, NUMBER, WORD = "flag", "number", "word"

-- "flag" takes no value, "number" may, "word" must unless a default is named.
local KNOWN = {
	ok = FLAG, note = WORD,
	latency = WORD, drip = {WORD, "1:100"}, hang = FLAG, early = FLAG,
	reset = {WORD, "always"}, close = FLAG, ["close-after-headers"] = FLAG,
	cut = {NUMBER, -1}, chunked = FLAG, gzip = FLAG, ["conn-close"] = FLAG,
	status = NUMBER, error = WORD, dialect = WORD,
	["retry-after"] = WORD, ["retry-after-ms"] = WORD, ["x-should-retry"] = WORD,
	ratelimit = {WORD, "500:499"}, ["no-request-id"] = FLAG,
	redirect = {WORD, ""},
	key = WORD, limit = WORD, slots = NUMBER, context = NUMBER, lax = FLAG,
	html = FLAG, empty = FLAG, nochoices = {WORD, "list"}, nullcontent = FLAG,
	parts = FLAG, type = WORD, oversize = NUMBER, bomb = NUMBER,
	refusal = FLAG, finish = WORD, ["obey-max-tokens"] = FLAG, ["no-usage"] = FLAG,
	badjson = FLAG, prose = {WORD, "trail"}, fence = FLAG, dupkeys = FLAG,
	taint = WORD, deep = {NUMBER, 1000},
	score = WORD, missing = {WORD, "first"}, quote = WORD, extra = FLAG,
	total = {NUMBER, 100}, obedient = FLAG, on = WORD, criteria = WORD,
	canned = FLAG,
	models = WORD, shutdown = WORD,
}

-- Words whose value must be one of a few; the others are free.
local CHOICES = {
	reset = "always reused",
	dialect = "openai azure vllm vllm-old llamacpp ollama anthropic string",
	nochoices = "list absent",
	prose = "lead trail both",
	taint = "nul surrogate rawnul ff cesu",
	quote = "invented reworded short none",
}

-- Patterns for values that have a form; a slash must be written %2F in a path.
local FORMS = {
	latency = "^%d+%-?%d*$", drip = "^%d+:?%d*$", limit = "^%d+:%d+$",
	ratelimit = "^%-?%d+:%-?%d+$", type = "/", shutdown = "^.+:%d+-%d+-%d+$",
}

local function percent_decoded(s)
	return (s:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Adds the directives of `text` to `set`; returns set, or nil and a message.
local function parse_into(set, text)
	for item in text:gmatch("[^,]+") do
		local name, value = item:match("^([^=]+)=?(.*)$")
		local rule = KNOWN[name]
		local has_value = item:find("=", 1, true) ~= nil

		if name:sub(1, 2) == "h." and has_value then
			set.headers = set.headers or {}
			set.headers[name:sub(3)] = percent_decoded(value)
		elseif not rule then
			return nil, "unknown directive '" .. name .. "'"
		else
			local kind, default = rule, nil

			if type(rule) == "table" then
				kind, default = rule[1], rule[2]
			end
			value = percent_decoded(value)
			if kind == FLAG then
				if has_value then
					return nil, "directive '" .. name .. "' takes no value"
				end
				set[name] = true
			elseif not has_value then
				if default == nil then
					return nil, "directive '" .. name .. "' needs a value"
				end
				set[name] = default
			elseif kind == NUMBER then
				set[name] = tonumber(value)
				if not set[name] then
					return nil, "directive '" .. name .. "' needs a number"
				end
			else
				local choices = CHOICES[name]

				if FORMS[name] and not value:find(FORMS[name]) then
					return nil, "directive '" .. name .. "' does not take '" .. value .. "'"
				elseif choices and not (" " .. choices .. " "):find(" " .. value .. " ", 1, true) then
					return nil, "directive '" .. name .. "' is one of: " .. choices
				end
				set[name] = value
			end
		end
	end
	return set
end

local parsed, parsed_count = {}, 0

-- The directive set of `text` (shared and cached: callers must not change it),
-- or nil and a message.
function M.parse(text)
	local set = parsed[text]
	local err

	if set then
		return set
	end
	set, err = parse_into({}, text)
	if not set then
		return nil, err
	end
	if parsed_count >= 2000 then		-- bounds what random notes can pile up
		parsed, parsed_count = {}, 0
	end
	parsed[text] = set
	parsed_count = parsed_count + 1
	return set
end

local STEP_FIELDS = {["do"] = "string", times = "number", every = "number",
	match = "string", per = "string", body = "string", content = "string"}

-- Stores a named script; returns true, or nil and a message.
function M.store(name, text)
	local ok, steps = pcall(cjson.decode, text)

	if not ok or type(steps) ~= "table" or (next(steps) ~= nil and #steps == 0) then
		return nil, "a script is a JSON list of steps"
	end
	for i, step in ipairs(steps) do
		if type(step) ~= "table" then
			return nil, "step " .. i .. " is not an object"
		end
		for field, value in pairs(step) do
			if type(value) ~= STEP_FIELDS[field] then
				return nil, "step " .. i .. ": field '" .. tostring(field) .. "' is unknown or of the wrong type"
			end
		end
		if step.per and step.per ~= "profile" then
			return nil, "step " .. i .. ": 'per' can only be \"profile\""
		end
		local set, err = M.parse(step["do"] or "ok")

		if not set then
			return nil, "step " .. i .. ": " .. err
		end
	end
	M.drop(name)
	scripts:set("text " .. name, text)
	return true
end

-- Forgets a named script with its counters.
function M.drop(name)
	scripts:set("text " .. name, nil)
	scripts:incr("version " .. name, 1, 0)
end

local decoded = {}

local function steps_of(name)
	local text = scripts:get("text " .. name)
	local entry = decoded[name]

	if not text then
		return nil
	end
	if not entry or entry.text ~= text then
		entry = {text = text, steps = cjson.decode(text)}
		decoded[name] = entry
	end
	return entry.steps, name .. " " .. (scripts:get("version " .. name) or 0)
end

-- Whether `wanted` stands in the raw body, or in its decoded texts.
local function matches(wanted, call)
	return not wanted or call.body:find(wanted, 1, true)
		or call.profile and (call.profile:find(wanted, 1, true) or call.around:find(wanted, 1, true))
end

-- The step of script `name` that this call gets: directive set, step and its
-- number.  The first step that matches and is not used up wins; with none left
-- the answer is the healthy one.  nil when there is no such script.
function M.step(name, call)
	local steps, key = steps_of(name)

	if not steps then
		return nil
	end
	for i, step in ipairs(steps) do
		if matches(step.match, call) then
			local taken = true

			if step.times or step.every then
				local n = scripts:incr(key .. " " .. i
					.. (step.per and " " .. (call.tag or "") or ""), 1, 0)

				taken = (not step.times or n <= step.times)
					and (not step.every or n % step.every == 0)
			end
			if taken then
				return M.parse(step["do"] or "ok"), step, i
			end
		end
	end
	return M.parse("ok"), {}, 0
end

-- The stored text of a script, or nil.
function M.text(name)
	return scripts:get("text " .. name)
end

return M
