--[[
json.lua
	JSON strings, with a memory for those that come again and again.
--]]
local cjson = require "cjson"

local M = {}

local MOST = 5000
local known, count = {}, 0

-- The JSON form of a text that recurs, such as a key, a path or a model.
function M.recurring(text)
	local out = known[text]

	if not out then
		if count >= MOST then
			known, count = {}, 0
		end
		out = cjson.encode(text):gsub("\\/", "/")
		known[text] = out
		count = count + 1
	end
	return out
end

return M
