--[[
request.lua
	Reads a request body: the profile between the fence lines, the rest of the
	prompt, the schema that the answer must follow.

Most calls of a test differ only in their profile: what was read from the rest
of a body (its frame) is kept, which saves decoding and walking it each time.
--]]
local cjson = require "cjson"

local M = {}

-- The text of a message's content: a string, or text blocks.
local function content_text(content)
	if type(content) == "string" then
		return content
	end

	local parts = {}

	for _, block in ipairs(type(content) == "table" and content or {}) do
		if type(block) == "table" and type(block.text) == "string" then
			parts[#parts + 1] = block.text
		end
	end
	return table.concat(parts, "\n")
end

-- Splits a text at its fence: the text between the lines "<<<PROFILE nonce>>>"
-- and "<<<END nonce>>>", and what stands around it.  An end line with another
-- nonce is profile text; without a nonce any end line ends it.  nil: no fence.
local function fenced(text)
	local from = 1

	while true do
		local open = text:find("<<<PROFILE", from, true)

		if not open then
			return nil
		end
		if open == 1 or text:byte(open - 1) == 10 then
			local eol = text:find("\n", open, true)

			if not eol then
				return nil
			end

			local nonce = text:sub(open + 10, eol - 1):match("^%s+(%w+)")
			local close = text:find("\n<<<END" .. (nonce and " " .. nonce or ""), eol, true)

			if not close then
				return nil
			end
			return text:sub(eol + 1, close - 1),
				text:sub(1, open - 1) .. (text:sub(close + 1):match("\n(.*)$") or "")
		end
		from = open + 1
	end
end

-- Splits a raw JSON body at its fence, nonce and all: frame and profile, both
-- still escaped.  nil when the body is not of the plain form.
local function raw_split(body)
	local open = body:find("<<<PROFILE ", 1, true)
	local eol = open and body:find("\\n", open, true)
	local nonce = eol and body:sub(open + 11, eol - 1)
	local close = nonce and nonce:find("^%w+>>>$") and body:find("\\n<<<END " .. nonce, eol, true)

	if not close or body:byte(open - 1) ~= 34 and body:sub(open - 2, open - 1) ~= "\\n" then
		return nil
	end
	return body:sub(1, open - 1) .. body:sub(close + 10 + #nonce), body:sub(eol + 2, close - 1)
end

local function unescape(raw)
	local ok, list = pcall(cjson.decode, '["' .. raw .. '"]')

	return ok and #list == 1 and list[1] or nil
end

local FIELDS = {minimum = "number", maximum = "number", minItems = "number", maxItems = "number",
	minLength = "number", maxLength = "number", properties = "table", required = "table",
	items = "table", anyOf = "table", enum = "table"}

local function is_list_of(list, kind)
	for _, item in ipairs(list) do
		if type(item) ~= kind then
			return false
		end
	end
	return #list > 0
end

-- What is wrong with a schema, or nil: whether it can be followed at all, and
-- with `strict` also what OpenAI's strict mode demands.
local function schema_fault(s, path, depth, strict)
	local context = "In context=" .. path .. ", "
	local required, fault = {}, nil

	if type(s) ~= "table" then
		return context .. "a schema must be an object."
	elseif depth > 10 and strict or depth > 100 then
		return context .. "too many levels of nesting."
	end
	for field, kind in pairs(FIELDS) do
		if s[field] ~= nil and type(s[field]) ~= kind then
			return context .. "'" .. field .. "' must be a " .. kind .. "."
		end
	end
	if s.type ~= nil and type(s.type) ~= "string" and not (type(s.type) == "table" and is_list_of(s.type, "string"))
		or s.anyOf and not is_list_of(s.anyOf, "table") or s.enum and s.enum[1] == nil
		or s.required and s.required[1] ~= nil and not is_list_of(s.required, "string") then
		return context .. "'type', 'anyOf', 'enum' or 'required' is not valid."
	end
	for _, branch in ipairs(s.anyOf or {}) do
		fault = fault or schema_fault(branch, path, depth, strict)
	end
	if s.items then
		fault = fault or schema_fault(s.items, path .. "[]", depth + 1, strict)
	end
	if strict and s.type == "object" and s.additionalProperties ~= false then
		return context .. "'additionalProperties' is required to be supplied and to be false."
	end
	for _, key in ipairs(s.required or {}) do
		required[key] = true
		if strict and not (s.properties and s.properties[key]) then
			return context .. "'required' has the extra key '" .. key .. "'."
		end
	end
	for key, property in pairs(s.properties or {}) do
		if type(key) ~= "string" then
			return context .. "'properties' must be an object."
		elseif strict and not required[key] then
			return context .. "'required' must hold every key of properties; missing '" .. key .. "'."
		end
		fault = fault or schema_fault(property, path .. "." .. key, depth + 1, strict)
	end
	return fault
end

local function strict_fault(schema, name)
	if type(name) ~= "string" or not name:match("^[%w_-]+$") or #name > 64 then
		return "the name must match [a-zA-Z0-9_-] and have 1 to 64 characters."
	elseif schema.type ~= "object" or schema.anyOf then
		return "the root must be of type object and not anyOf."
	end
	return schema_fault(schema, "()", 1, true)
end

-- What Anthropic refuses in a schema: limits of any kind.
local function anthropic_fault(s)
	local fault

	for _, keyword in ipairs({"minimum", "maximum", "multipleOf", "minLength", "maxLength", "maxItems"}) do
		if s[keyword] ~= nil then
			return "For '" .. (type(s.type) == "string" and s.type or "union") .. "' type, property '"
				.. keyword .. "' is not supported"
		end
	end
	if (s.minItems or 0) > 1 then
		return "For 'array' type, 'minItems' values other than 0 or 1 are not supported"
	elseif s.type == "object" and s.additionalProperties ~= false then
		return "For 'object' type, 'additionalProperties' must be explicitly set to false"
	end
	for _, property in pairs(s.properties or {}) do
		fault = fault or anthropic_fault(property)
	end
	for _, branch in ipairs(s.anyOf or {}) do
		fault = fault or anthropic_fault(branch)
	end
	return fault or s.items and anthropic_fault(s.items)
end

-- Decodes a body: the frame (request, model, around, prompt, schema,
-- strict_fault) and the profile; or nil, the name of an error and a detail.
local function decode(body)
	local ok, request = pcall(cjson.decode, body)
	local frame = {request = request}
	local texts, profile

	if not ok or type(request) ~= "table" then
		return nil, "invalid_json"
	end
	if type(request.model) ~= "string" then
		return nil, "missing_parameter", "model"
	end
	frame.model = request.model
	if type(request.messages) ~= "table" or #request.messages == 0 then
		return nil, "missing_parameter", "messages"
	end

	texts = {request.system and content_text(request.system)}
	for _, message in ipairs(request.messages) do
		texts[#texts + 1] = content_text(type(message) == "table" and message.content)
	end
	for i = #texts, 1, -1 do
		local inside, around = fenced(texts[i])

		if inside then
			profile = inside
			texts[i] = around
			break
		end
	end
	profile = profile or table.remove(texts)
	frame.around = table.concat(texts, "\n")
	frame.prompt = ngx.md5(frame.around)

	local format = request.response_format or type(request.output_config) == "table"
		and request.output_config.format

	if type(format) == "table" and format.type == "json_schema" then
		local holder = format.json_schema or format

		if type(holder) ~= "table" or type(holder.schema) ~= "table" then
			return nil, "missing_parameter", "response_format.json_schema.schema"
		end
		local fault = schema_fault(holder.schema, "()", 1, false)

		if fault then
			return nil, "invalid_schema", fault
		end
		frame.schema = holder.schema
		if request.output_config then
			frame.strict_fault = anthropic_fault(holder.schema)
		else
			frame.strict_fault = holder.strict == true and strict_fault(holder.schema, holder.name)
		end
	end
	return frame, profile
end

local frames, frame_count = {}, 0

-- Reads the body of `call` and adds the fields of its frame, profile and tag
-- (the md5 of the profile).  Returns true, or the name of an error and a detail.
function M.read(call)
	local key, raw = raw_split(call.body)
	local frame = key and frames[key]
	local profile = frame and unescape(raw)
	local detail

	if not profile then
		frame, profile, detail = decode(call.body)
		if not frame then
			return profile, detail
		end
		if key and unescape(raw) == profile then
			if frame_count >= 200 then
				frames, frame_count = {}, 0
			end
			frames[key] = frame
			frame_count = frame_count + 1
		end
	end
	for name, value in pairs(frame) do
		call[name] = value
	end
	call.profile = profile
	call.tag = ngx.md5(profile)
	call.tokens = math.ceil((#frame.around + #profile) / 4)
	if call.kind == "messages" and type(call.request.max_tokens) ~= "number" then
		return "missing_parameter", "max_tokens"
	end
	return true
end

return M
