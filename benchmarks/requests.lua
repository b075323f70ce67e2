-- Requests from a file (see scenes/request.py), in turn; made once, so a turn is a table look-up.
dofile("benchmarks/wrk.lua")

local made, turn = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local parts, headers = {}, {}
    for part in line:gmatch("[^\t]+") do parts[#parts + 1] = part end
    for i = 2, #parts do
      local name, value = parts[i]:match("^(.-): (.*)$")
      headers[name] = value
    end
    made[#made + 1] = wrk.format("GET", parts[1], headers)
  end
end

function request()
  turn = turn % #made + 1
  return made[turn]
end
