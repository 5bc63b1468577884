-- SPDX-License-Identifier: MIT
-- A page of the ids of messages that wait for a retry, for their turn or for their time, for bin/reconcile.sh. Changes nothing.
--   redis-cli --eval redis/tokens_of_waiting.lua 'parked:{sms-mms:0}' , 0 1000
-- KEYS parked | held | scheduled · ARGV the cursor (at first 0), about how many → {the next cursor | '', id …}
local reply = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local page = { reply[1] ~= '0' and reply[1] or '' }
for i = 1, #reply[2], 2 do page[#page + 1] = string.match(reply[2][i], '^(.*):%d+$') end
return page
