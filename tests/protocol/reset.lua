-- SPDX-License-Identifier: MIT
-- An empty Redis for the next run. The ids of both streams begin behind one that no clock gives, so that they count up by
-- one: the same run has the same ids, and after a fail-over to an older state ids are given out a second time.
-- KEYS outbound, events, clock · ARGV the clock, µs since 1970
redis.call('FLUSHDB')
for i = 1, 2 do
  redis.call('XADD', KEYS[i], '9999999999999-0', 'first', 'id')
  redis.call('XDEL', KEYS[i], '9999999999999-0')
end
redis.call('SET', KEYS[3], ARGV[1])
