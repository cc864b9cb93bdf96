-- The parts of luaunit that MultiPL-E's tests use: assertEquals, and LuaUnit.run over the global test functions.
local M = { LuaUnit = {} }
local type, pairs, error, pcall, string_find, next = type, pairs, error, pcall, string.find, next

local function equal(a, b)
    if type(a) ~= "table" or type(b) ~= "table" then return a == b end
    for key, value in next, a do
        if not equal(value, b[key]) then return false end
    end
    for key in next, b do
        if a[key] == nil then return false end
    end
    return true
end

function M.assertEquals(got, wanted)
    if not equal(got, wanted) then error("not equal", 2) end
end

function M.LuaUnit.run()
    local failures, ran = 0, 0
    for name, value in pairs(_G) do
        if type(name) == "string" and type(value) == "function" and string_find(name, "^[tT]est") then
            ran = ran + 1
            if not pcall(value) then failures = failures + 1 end
        end
    end
    return ran == 0 and 1 or failures
end

return M
