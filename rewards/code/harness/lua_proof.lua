-- Runs the program with its tests, whose last line prints the proof. The source is gone from disk by then.
local file = assert(io.open("program.lua"))
local text = file:read("a")
file:close()
os.remove("program.lua")
local run = assert(load(text, "program"))
text = nil
-- Both could show the program's own constants, and the proof among them.
string.dump, debug, package.loaded.debug = nil, nil, nil
run()
