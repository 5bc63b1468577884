-- SPDX-License-Identifier: MIT
-- For wrk: valid SMS sends from 10,000 senders; every tenth has an Idempotency-Key of its own.
--   wrk … -s tests/bench/sends.lua URL -- RUN         RUN: makes the keys differ from those of other runs

local SENDERS = 10000
local plain, keyed, sent, run = {}, {}, 0, ''

local function body(sender)
  return string.format('{"from":"+1201666%04d","to":"+18045551234","type":"sms","body":"Hello! This is a test SMS ' ..
    'message.","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}', sender)
end

function init(args)
  run = args[1] or '0'
  for sender = 0, SENDERS - 1 do
    local text = body(sender)
    local head = 'POST /api/messages/sms HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n' ..
      'Content-Length: ' .. #text .. '\r\n'
    plain[sender] = head .. '\r\n' .. text
    keyed[sender] = { head .. 'Idempotency-Key: ' .. run .. '-', '\r\n\r\n' .. text }
  end
end

function request()
  local sender = sent * 7919 % SENDERS
  sent = sent + 1
  if sent % 10 == 0 then return keyed[sender][1] .. sent .. keyed[sender][2] end
  return plain[sender]
end

function done(summary)
  local e = summary.errors
  print('seconds ' .. summary.duration / 1e6)
  print('requests ' .. summary.requests)
  print('failed ' .. e.connect + e.read + e.write + e.status + e.timeout)
end
