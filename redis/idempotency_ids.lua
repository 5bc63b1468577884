-- SPDX-License-Identifier: MIT
-- A page of the idempotency keys of messages that were accepted since some time, for bin/reconcile.sh. Changes nothing.
--   redis-cli --eval redis/idempotency_ids.lua , 0 1000 1730469600000
-- A send's id tells when it was accepted (UUIDv7). A webhook's tells nothing (UUIDv8), so it is always among them: it has
-- the same id for ever, and only the first one of an id is recorded. What is longer stands for a job and how much it
-- matched, or for a webhook that says STOP or START, and when, in two numbers. The key of a list (idem:list:) stands for
-- no message.
-- ARGV the cursor (at first 0), about how many, ms since 1970 → {the next cursor | '', 'id key' …}
local reply = redis.call('SCAN', ARGV[1], 'MATCH', 'idem:{*', 'COUNT', ARGV[2], 'TYPE', 'string')
local page, since = { reply[1] ~= '0' and reply[1] or '' }, tonumber(ARGV[3])
for _, key in ipairs(reply[2]) do
  local token = redis.call('GET', key)
  if token and (#token == 32 or string.match(string.sub(token, 33), '^%-?%d+ %-?%d+$')) then
    local hex = string.gsub(string.sub(token, 1, 16), '.', function(c) return string.format('%02x', string.byte(c)) end)
    local is_timed = string.sub(hex, 13, 13) == '7'
    if not is_timed or tonumber(string.sub(hex, 1, 12), 16) >= since then
      page[#page + 1] = string.gsub(hex, '^(........)(....)(....)(....)(............)$', '%1-%2-%3-%4-%5') .. ' ' .. key
    end
  end
end
return page
