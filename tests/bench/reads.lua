-- SPDX-License-Identifier: MIT
-- For wrk: GETs of the paths of a file, one a line, in turn.
--   wrk … -s tests/bench/reads.lua URL -- FILE

local requests, sent = {}, 0

function init(args)
  for path in io.lines(args[1]) do
    requests[#requests + 1] = 'GET ' .. path .. ' HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n'
  end
end

function request()
  sent = sent + 1
  return requests[sent % #requests + 1]
end

function done(summary)
  local e = summary.errors
  print('seconds ' .. summary.duration / 1e6)
  print('requests ' .. summary.requests)
  print('failed ' .. e.connect + e.read + e.write + e.status + e.timeout)
end
