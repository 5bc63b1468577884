-- SPDX-License-Identifier: MIT
-- The whole database as {key, its dump, …}, as a replica has it that will follow no further. KEYS the clock
local dump = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  if key ~= KEYS[1] then
    dump[#dump + 1] = key
    dump[#dump + 1] = redis.call('DUMP', key)
  end
end
return dump
