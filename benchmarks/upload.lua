-- One POST of 64 KiB, the same each time: wrk calls no Lua per request.
dofile("benchmarks/wrk.lua")

wrk.method = "POST"
wrk.body = string.rep("x", 65536)
