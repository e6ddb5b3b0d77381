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

-- Whether `s` has `least` characters.
local function has_characters(s, least)
	for i = 1, #s >= least and #s or 0 do
		local byte = s:byte(i)

		if byte < 128 or byte > 191 then
			least = least - 1
			if least == 0 then
				return true
			end
		end
	end
	return false
end

-- Labels whose line is a text, not a name, a date or a list.
local TEXTS = {About = true, Summary = true, Description = true, Headline = true, Activities = true}

local ENOUGH = 8

-- Adds the sentences between `first` and `last` that have `least` characters to
-- `list`; one of more than `max` bytes ends after a whole word.
local function add_sentences(list, profile, first, last, least, max)
	while last - first + 1 >= least and #list < ENOUGH do
		local stop = profile:find(". ", first, true)
		local sentence

		stop = stop and stop < last and stop or last
		sentence = profile:sub(first, stop)
		if #sentence > max then
			sentence = sentence:sub(1, max):match("^(.*%S)%s") or clipped(sentence, max)
		end
		if has_characters(sentence, least) then
			list[#list + 1] = sentence
		end
		first = stop + 1
		while profile:byte(first) == 32 do
			first = first + 1
		end
	end
end

-- Adds some sentences with `least` characters from the texts of the profile
-- between `start` and `stop`, or with `values` also from behind other labels;
-- never a label, nor a heading ("Experience 1").  Patterns would cost as much as
-- all the rest of a call, hence the bytes.
local function gather(list, profile, start, stop, least, max, values)
	while start <= stop and #list < ENOUGH do
		local newline = profile:find("\n", start, true) or #profile + 1

		if newline - start >= least then
			local first, last = start, newline - 1
			local byte = profile:byte(first)
			local wanted = true

			while byte == 32 or byte == 9 or byte == 45 or byte == 42 do		-- space, tab, - and *
				first = first + 1
				byte = profile:byte(first)
			end
			while last > first and profile:byte(last) <= 32 do
				last = last - 1
			end
			if first == start then			-- a text of several lines is indented
				local colon = profile:find(":", first, true)

				if colon and colon < newline and colon - first < 40 then
					wanted = values or TEXTS[profile:sub(first, colon - 1)]
					first = profile:find("[^ \t]", colon + 1) or newline
				else
					wanted = not profile:find("^%u%l+ %d+%s", first)
				end
			end
			if wanted then
				add_sentences(list, profile, first, last, least, max)
			end
		end
		start = newline + 1
	end
end

-- What this answer quotes: sentences from some place of the profile on; where it
-- has none of substance, whatever has 12 characters, the least of a quote.
local function quotes_of(c, max)
	local profile = c.profile
	local newline = #profile > 0 and profile:find("\n", pick(c, "quotes", #profile) + 1, true)
	local start = (newline or 0) + 1
	local list = {}

	gather(list, profile, start, #profile, 25, max)
	gather(list, profile, 1, start - 1, 25, max)
	if #list == 0 then
		gather(list, profile, 1, #profile, 12, max, true)
	end
	return list
end

local function put_evidence(c, schema, key)
	local fault = (not c.d.on or c.d.on == key) and c.d.quote
	local max = schema.items and schema.items.maxLength or 200
	local count = math.min(1 + pick(c, key .. "#", 2), schema.maxItems or 2)
	local at = pick(c, key .. "@", 1000)

	c.quotes = c.quotes or quotes_of(c, math.min(max, 200))
	count = math.max(count, schema.minItems or 0)
	c[#c + 1] = "["
	for i = 1, fault == "none" and 0 or count do
		local quote = c.quotes[(at + i) % math.max(#c.quotes, 1) + 1]

		if fault == "invented" then
			quote = "Founded and sold three companies before the age of thirty (" .. i .. ")"
		elseif fault == "short" then
			quote = clipped(quote or "profile", 7)
		elseif i > math.max(#c.quotes, schema.minItems or 0) then
			break
		elseif fault == "reworded" and quote then
			quote = "In other words, " .. quote:lower():gsub("[%s,.;:]+", " ", 2)
		end
		if quote then
			c[#c + 1] = i > 1 and "," or nil
			put_string(c, encode(quote))
		end
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

-- What is said under a name: one list, or three for a low, a middling and a high
-- score of the criterion or role.
local SAID = {
	justification = {
		{"Touched on, without results.", "Little in the profile speaks of it.", "Work near it rather than in it.",
			"Told in one place only, and in general words."},
		{"Solid, at the scale of one area.", "Some responsibility, few results in figures.", "Regular work on it, its effect told in part.",
			"More than a task, less than the whole of it."},
		{"Answered for it, with results named.", "Scope and outcome are both told.", "A long record, and at scale.",
			"Done more than once, and described in figures."}},
	reasoning = {
		{"The experience told lies elsewhere.", "Few of the role's tasks so far."},
		{"Part of the role's work is told, part is not.", "Could grow into the role."},
		{"Has done most of what the role asks.", "Scope and results fit the role."}},
	summary = {
		{"A capable specialist; the scope of an executive is not shown."},
		{"A steady career with growing responsibility; results are told in part."},
		{"Broad responsibility, and results that are told."}},
	overall_assessment = {"The roles fit to a different degree, as far as the profile tells."},
	strengths = {"Stays until a change is in use.", "Explains technical risk to those who decide.", "Has built teams that last.",
		"Knows the rules of a regulated industry.", "Tells results in figures.", "Has moved old systems without an outage.",
		"Grew from the work itself into leading it."},
	development_areas = {"Little is told of budgets.", "No work with a board is described.", "Results are rarely given in figures.",
		"One industry only.", "How leaders were grown is not told."},
	key_qualifications = {"Led several teams", "Owned a budget", "Worked with regulators", "Ran a large migration", "Set a strategy"},
	missing_qualifications = {"No certificate named", "No board experience", "No international teams", "No budget told"},
	alternative_role = {"Head of Engineering"},
}

-- Text number `n` of a list under `name`; the first elsewhere.
local function put_text(c, schema, name, key, n)
	local said = SAID[name]
	local text

	if said and type(said[1]) == "table" then
		local score = score_of(c, key or "overall")

		said = said[score >= 75 and 3 or score >= 60 and 2 or 1]
	end
	if said then
		text = said[(pick(c, (key or "") .. name, #said) + n - 1) % #said + 1]
	else
		text = "Sample text for " .. name .. (n > 1 and " " .. n or "")
	end
	if schema.minLength and #text < schema.minLength then
		text = text .. ("."):rep(schema.minLength - #text)
	end
	put_string(c, json.recurring(clipped(text, schema.maxLength)))
end

function put_value(c, schema, name, place, key, n)
	local kind = schema.type
	local salt = (key and key .. "." or "") .. name .. (n and n > 1 and n or "")

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
			return put_value(c, chosen, name, place, key, n)
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
			put_value(c, schema.items or {type = "string"}, name, nil, key, i)
		end
		c[#c + 1] = "]"
	elseif kind == "integer" or kind == "number" then
		put_number(c, schema, salt, kind == "integer")
	elseif kind == "boolean" then
		c[#c + 1] = tostring(pick(c, salt, 2) == 1)
	elseif kind == "null" then
		c[#c + 1] = "null"
	else
		put_text(c, schema, name, key, n or 1)
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
