--[[
answers.lua
	What the model says: an answer in the schema that the request asks for,
	spoiled where a directive says so, and the envelope around it.

The answer is written as JSON text, not built as a table and encoded: a model
writes properties in the order of the schema, and faults such as 1e130000 or a
duplicate key exist in text only.

Everything said follows from the profile's text, the property and the model, so
that equal questions get equal answers whatever the nonce, worker or day.
--]]
local cjson = require "cjson"
local json = require "json"

local crc32 = ngx.crc32_short
local encode = cjson.encode

local M = {}

-- A steady number from 0 to n - 1 for this question and `salt`.
local function pick(c, salt, n)
	return crc32(c.seed .. salt) % n
end

local function clipped(text, max)
	if max and #text > max then
		text = text:sub(1, max):gsub("[\192-\255][\128-\191]*$", "")
	end
	return text
end

local TAINTS = {nul = "\\u0000", surrogate = "\\ud800", rawnul = "\0", ff = "\255", cesu = "\237\160\128"}

-- Puts `out`, the JSON form of a string.
local function put_string(c, out)

	if c.taint then
		out = out:sub(1, -2) .. c.taint .. '"'
	end
	c[#c + 1] = out
end

-- Whether `s` has 12 characters, the least that counts as a quote.
local function is_long_enough(s)
	return #s >= 48 or #s >= 12 and (not s:find("[\128-\255]")
		or select(2, s:gsub("[^\128-\191]", "")) >= 12)
end

-- A line or sentence of the profile with at least 12 characters and at most
-- `max` bytes, chosen by `salt`; nil when the profile has none.
local function quote_from_profile(c, salt, max)
	local profile = c.profile
	local newline = #profile > 0 and profile:find("\n", pick(c, salt, #profile) + 1, true)
	local start = (newline or 0) + 1

	for _ = 1, 400 do
		local stop = profile:find("\n", start, true) or #profile + 1
		local line = profile:sub(profile:find("[^%s%-*]", start) or stop, stop - 1)

		line = line:find("%s$", -1) and line:match("^(.-)%s*$") or line
		if #line > max then				-- a sentence of it, else whole words
			line = line:sub(1, max):match("^(.*[.!?])%s") or line:sub(1, max):match("^(.*)%s") or clipped(line, max)
		end
		if is_long_enough(line) then
			return line
		end
		start = stop < #profile and stop + 1 or 1
	end
end

local function put_evidence(c, schema, key)
	local fault = (not c.d.on or c.d.on == key) and c.d.quote
	local items = schema.items or {}
	local max = math.min(items.maxLength or 160, 160)
	local count = math.min(1 + pick(c, key .. "#", 2), schema.maxItems or 2)
	local quotes = {}

	count = math.max(count, schema.minItems or 0)
	for i = 1, fault == "none" and 0 or count do
		local quote = quote_from_profile(c, key .. i, max)

		if fault == "invented" then
			quote = "Founded and sold three companies before the age of thirty (" .. i .. ")"
		elseif fault == "short" then
			quote = (quote or "profile"):sub(1, 7)
		elseif fault == "reworded" and quote then
			quote = "In other words, " .. quote:lower():gsub("[%s,.;:]+", " ", 2)
		end
		if quote ~= quotes[i - 1] then
			quotes[#quotes + 1] = quote
		end
	end
	c[#c + 1] = "["
	for i, quote in ipairs(quotes) do
		c[#c + 1] = i > 1 and "," or nil
		put_string(c, encode(quote))
	end
	c[#c + 1] = "]"
end

local function obeys(c)
	local text = c.d.obedient and c.profile:lower()

	return text and (text:find("score of 100", 1, true)
		or text:find("give[^\n]* 100") or text:find("100 points", 1, true)) and true
end

-- A score of `key`: most between 40 and 95, one level per profile, with some
-- difference between criteria.
local function score_of(c, key)
	if obeys(c) then
		return 100
	end
	return math.min(100, 45 + pick(c, "level", 42) + pick(c, key, 21) - 10)
end

-- Puts the score of `key`, or what the directives make of it; a confidence is
-- the same on a scale of 1.
local function put_score(c, key, scale)
	local score = score_of(c, key) / scale
	local fault = (not c.d.on or c.d.on == key) and c.d.score

	if not fault then
		c[#c + 1] = score
	elseif fault == "string" then
		c[#c + 1] = '"' .. score .. '"'
	elseif fault == "fraction" then
		c[#c + 1] = math.min(score, 99 / scale) + 0.35 / scale
	elseif fault == "range" then
		c[#c + 1] = score + 1000
	elseif fault == "huge" then
		c[#c + 1] = "1e130000"
	elseif fault == "nan" then
		c[#c + 1] = "NaN"
	else
		c[#c + 1] = fault				-- null, -1, 87, true: as written
	end
end

local put_value

local names_by_schema = setmetatable({}, {__mode = "k"})

-- The names of an object schema: the required ones in their order, then the rest.
local function names_of(schema)
	local names, seen, rest = names_by_schema[schema], {}, {}

	if names then
		return names
	end
	names = {}
	for _, name in ipairs(schema.required or {}) do
		names[#names + 1] = name
		seen[name] = true
	end
	for name in pairs(schema.properties or {}) do
		if not seen[name] then
			rest[#rest + 1] = name
		end
	end
	table.sort(rest)
	for _, name in ipairs(rest) do
		names[#names + 1] = name
	end
	names_by_schema[schema] = names
	return names
end

-- `place` tells where we are: "root", "criteria" or "roles" (their keys are
-- criteria or roles), "criterion" (`key` is its key), or nil.
local function put_object(c, schema, place, key)
	local first = true
	local missing = (place == "criteria" or place == "roles") and c.d.missing
	local names = names_of(schema)

	c[#c + 1] = "{"
	for i, name in ipairs(names) do
		if not (missing and (missing == "all" or missing == name or missing == "first" and i == 1)) then
			c[#c + 1] = first and "" or ","
			c[#c + 1] = json.recurring(name)
			c[#c + 1] = ":"
			first = false

			local property = schema.properties and schema.properties[name] or {}

			if place == "root" and (name == "criteria" or name == "roles") then
				put_value(c, property, name, name)
			elseif place == "criteria" or place == "roles" then
				put_value(c, property, name, "criterion", name)
			elseif name == "score" and place == "criterion" then
				put_score(c, key, 1)
			elseif name == "confidence" and place == "criterion" then
				put_score(c, key, 100)
			elseif name == "evidence" then
				put_evidence(c, property, key or name)
			else
				put_value(c, property, name, nil, key)
			end
		end
	end
	if c.d.extra and (place == "root" or place == "criterion") then
		c[#c + 1] = (first and "" or ",") .. '"unexpected_key":true'
	end
	if c.d.total and place == "root" then
		c[#c + 1] = ',"overall_score":' .. c.d.total
	end
	c[#c + 1] = "}"
end

local function put_number(c, schema, salt, whole)
	local min = schema.minimum or 0
	local max = schema.maximum or math.max(100, min)

	if salt == "overall_score" and max == 100 then
		c[#c + 1] = score_of(c, "overall")
	elseif whole then
		c[#c + 1] = string.format("%.0f", min + pick(c, salt, math.floor(max - min) + 1))
	else
		c[#c + 1] = string.format("%.2f", min + (max - min) * pick(c, salt, 101) / 100)
	end
end

local SAID = {
	justification = "The profile supports this on the point of %s; the quotes show where.",
	reasoning = "Experience in the profile fits the role %s in part; the quotes show where.",
	summary = "A steady career with growing responsibility, as far as the profile tells.",
	overall_assessment = "The roles fit to a different degree, as far as the profile tells.",
	strengths = "Long experience in the field",
	development_areas = "Little said about results in figures",
	key_qualifications = "Relevant experience",
	missing_qualifications = "No certificate named",
	alternative_role = "Head of Engineering",
}

local function put_text(c, schema, name, key)
	local text = SAID[name] and SAID[name]:format(key or name) or "Sample text for " .. name

	if schema.minLength and #text < schema.minLength then
		text = text .. ("."):rep(schema.minLength - #text)
	end
	put_string(c, json.recurring(clipped(text, schema.maxLength)))
end

function put_value(c, schema, name, place, key)
	local kind = schema.type
	local salt = (key and key .. "." or "") .. name

	if type(schema.anyOf) == "table" or type(kind) == "table" then
		local nullable, chosen = false, nil

		for _, branch in ipairs(schema.anyOf or kind) do
			if (type(branch) == "table" and branch.type or branch) == "null" then
				nullable = true
			else
				chosen = chosen or branch
			end
		end
		if not chosen or nullable and name == "alternative_role" and pick(c, salt, 4) > 0 then
			c[#c + 1] = "null"
			return
		end
		if type(chosen) == "table" then
			return put_value(c, chosen, name, place, key)
		end
		kind = chosen
	end
	if type(schema.enum) == "table" then
		c[#c + 1] = encode(schema.enum[pick(c, salt, #schema.enum) + 1])
	elseif schema.const ~= nil then
		c[#c + 1] = encode(schema.const)
	elseif kind == "object" or schema.properties then
		put_object(c, schema, place, key)
	elseif kind == "array" then
		local least = schema.minItems or 0
		local count = math.max(least, math.min(2, schema.maxItems or 2))

		c[#c + 1] = "["
		for i = 1, count do
			c[#c + 1] = i > 1 and "," or nil
			put_value(c, schema.items or {type = "string"}, name, nil, count > 1 and i > 1 and salt .. i or key)
		end
		c[#c + 1] = "]"
	elseif kind == "integer" or kind == "number" then
		put_number(c, schema, salt, kind == "integer")
	elseif kind == "boolean" then
		c[#c + 1] = tostring(pick(c, salt, 2) == 1)
	elseif kind == "null" then
		c[#c + 1] = "null"
	else
		put_text(c, schema, name, key)
	end
end

-- The rubric form for a request that carries no schema: criteria=a+b+c.
local function rubric_schema(keys)
	local text = {type = "string"}
	local list = {type = "array", maxItems = 5, items = text}
	local criteria = {type = "object", properties = {}, required = {}}

	for key in keys:gmatch("[^+]+") do
		table.insert(criteria.required, key)
		criteria.properties[key] = {type = "object", required = {"justification", "evidence", "score"},
			properties = {justification = text, evidence = list, score = {type = "integer"}}}
	end
	return {type = "object", required = {"criteria", "strengths", "development_areas", "summary", "alternative_role"},
		properties = {criteria = criteria, strengths = list, development_areas = list, summary = text,
			alternative_role = {anyOf = {text, {type = "null"}}}}}
end

local PLAIN = {type = "object", required = {"overall_score", "summary"},
	properties = {overall_score = {type = "integer", minimum = 0, maximum = 100}, summary = {type = "string"}}}

-- What the model says, as text, spoiled where the directives `d` say so.
function M.content(call, d)
	local schema = call.schema or d.criteria and rubric_schema(d.criteria) or PLAIN
	local c = {d = d, profile = call.profile, seed = crc32(call.tag .. call.model) .. " ",
		taint = d.taint and TAINTS[d.taint]}
	local text

	put_value(c, schema, "answer", "root")
	text = table.concat(c)
	if d.dupkeys then
		local name = text:match('^{("[^"]*")')

		text = "{" .. (name or '"summary"') .. ":null," .. text:sub(2)
	end
	if d.deep then
		text = '{"deep":' .. ("["):rep(d.deep) .. ("]"):rep(d.deep) .. "," .. text:sub(2)
	end
	if d.badjson then
		text = text:sub(1, -2) .. ',"'
	end
	if d.fence then
		text = "```json\n" .. text .. "\n```"
	end
	if d.prose == "lead" or d.prose == "both" then
		text = "Here is the assessment you asked for:\n\n" .. text
	end
	if d.prose == "trail" or d.prose == "both" then
		text = text .. "\n\nLet me know if you need anything else."
	end
	return text
end

----- envelopes

local STOP_REASONS = {stop = "end_turn", length = "max_tokens", content_filter = "refusal"}

local function usage_json(call, d, completion)
	local prompt = call.tokens

	if d["no-usage"] then
		return ""
	end
	if call.dialect == "anthropic" then
		return ',"usage":{"input_tokens":' .. prompt .. ',"output_tokens":' .. completion
			.. ',"cache_creation_input_tokens":0,"cache_read_input_tokens":0}'
	end
	return ',"usage":{"prompt_tokens":' .. prompt .. ',"completion_tokens":' .. completion
		.. ',"total_tokens":' .. prompt + completion
		.. ',"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}'
end

-- The body of a 200 around `content`, in the call's dialect.
function M.envelope(call, d, content)
	local request = call.request
	local finish = d.finish or "stop"
	local cap = request.max_completion_tokens or request.max_tokens
	local refusal = d.refusal and "I'm sorry, but I can't help with that request."
	local model = call.dialect == "llamacpp" and "local-model.gguf" or call.model
	local completion, message

	if d["obey-max-tokens"] and type(cap) == "number" and #content / 4 > cap then
		finish = "length"
		content = clipped(content, cap * 4)
	elseif finish == "length" then
		content = clipped(content, math.floor(#content / 2))
	elseif finish == "content_filter" or refusal then
		content = ""
	end
	completion = math.ceil(#(refusal or content) / 4)

	if call.dialect == "anthropic" then
		local blocks = '[{"type":"text","text":' .. encode(content) .. "}]"

		if content == "" or d.nullcontent then
			blocks = "[]"
		end
		return '{"id":"msg_' .. call.id .. '","type":"message","role":"assistant","model":' .. encode(model)
			.. ',"content":' .. blocks
			.. ',"stop_reason":"' .. (refusal and "refusal" or STOP_REASONS[finish] or finish)
			.. '","stop_sequence":null' .. usage_json(call, d, completion) .. "}"
	end

	if refusal or d.nullcontent then
		message = "null"
	elseif d.parts then
		message = '[{"type":"text","text":' .. encode(content) .. "}]"
	else
		message = encode(content)
	end
	message = '{"index":0,"message":{"role":"assistant","content":' .. message
		.. ',"refusal":' .. (refusal and encode(refusal) or "null")
		.. '},"logprobs":null,"finish_reason":"' .. finish .. '"'
		.. (call.dialect == "azure" and ',"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}' or "")
		.. "}"
	if d.nochoices then
		message = ""
	end
	return '{"id":"chatcmpl-' .. call.id .. '","object":"chat.completion","created":' .. ngx.time()
		.. ',"model":' .. encode(model)
		.. (d.nochoices == "absent" and "" or ',"choices":[' .. message .. "]")
		.. usage_json(call, d, completion)
		.. (call.dialect == "azure" and ',"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]' or "")
		.. ',"service_tier":"default"}'
end

local MODELS = "gpt-6-luna+gpt-6-sol+gpt-5-mini+gpt-4.1-mini+gpt-4o-mini"

-- The list of GET /models; shutdown=MODEL:DATE dates a model.
function M.models(call, d)
	local dated, date = (d.shutdown or ""):match("^(.-):([%d-]+)$")
	local out = {}

	for id in (d.models or MODELS):gmatch("[^+]+") do
		out[#out + 1] = call.dialect == "anthropic"
			and '{"type":"model","id":' .. encode(id) .. ',"display_name":' .. encode(id) .. ',"created_at":"2026-01-01T00:00:00Z"}'
			or '{"id":' .. encode(id) .. ',"object":"model","created":1767225600,"owned_by":"system"'
				.. (call.dialect == "openai" and ',"shutdown_date":' .. (id == dated and '"' .. date .. '"' or "null") or "") .. "}"
	end
	out = table.concat(out, ",")
	return call.dialect == "anthropic" and '{"data":[' .. out .. '],"has_more":false}'
		or '{"object":"list","data":[' .. out .. "]}"
end

return M
