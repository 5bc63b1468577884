-- SPDX-License-Identifier: MIT
-- A page of the ids of messages that wait to be sent or, of `events`, to be stored, for bin/reconcile.sh. Changes nothing.
--   redis-cli --eval redis/tokens_of_outbound.lua 'outbound:{sms-mms:0}' , - 1000
-- What else `events` holds (outcomes, receipts, ...) doesn't bring the message itself.
-- KEYS outbound | events · ARGV where to begin ('-', or '(' and the last entry of the page before), how many
-- → {where to go on | '', id …}
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local page = { #entries > 0 and '(' .. entries[#entries][1] or '' }
for _, entry in ipairs(entries) do
  local id, kind
  for i = 1, #entry[2], 2 do
    local name, value = entry[2][i], entry[2][i + 1]
    if name == 'id' then id = value end
    if name == 'k' then kind = value end
    if name == 'm' then kind = string.match(value, '^(%a+) ') end -- outbound's begins with a number
  end
  if id and (not kind or kind == 'accepted' or kind == 'received') then page[#page + 1] = id end
end
return page
