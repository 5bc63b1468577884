-- SPDX-License-Identifier: MIT
-- A fail-over: the database is what snapshot.lua gave, with the clock as it is now.
-- KEYS the clock · ARGV key, dump, …
local now = redis.call('GET', KEYS[1])
redis.call('FLUSHDB')
redis.call('SET', KEYS[1], now)
for i = 1, #ARGV, 2 do redis.call('RESTORE', ARGV[i], 0, ARGV[i + 1]) end
