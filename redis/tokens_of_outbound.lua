-- SPDX-License-Identifier: MIT
-- A page of the ids of messages that wait to be sent, for bin/reconcile.sh. Changes nothing.
--   redis-cli --eval redis/tokens_of_outbound.lua 'outbound:{sms-mms:0}' , - 1000
-- KEYS outbound · ARGV where to begin ('-', or '(' and the last entry of the page before), how many
-- → {where to go on | '', id …}
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local page = { #entries > 0 and '(' .. entries[#entries][1] or '' }
for _, entry in ipairs(entries) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'id' then page[#page + 1] = entry[2][i + 1] end
  end
end
return page
