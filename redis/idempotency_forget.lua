-- SPDX-License-Identifier: MIT
-- Forgets idempotency keys, for bin/reconcile.sh: each only while it still stands for that message.
--   redis-cli --eval redis/idempotency_forget.lua KEY … , ID …
-- KEYS, and as ARGV the ids of their messages → how many
local count = 0
for i, key in ipairs(KEYS) do
  local id = string.gsub(string.gsub(ARGV[i], '-', ''), '..', function(h) return string.char(tonumber(h, 16)) end)
  if string.sub(redis.call('GET', key) or '', 1, 16) == id then count = count + redis.call('UNLINK', key) end
end
return count
