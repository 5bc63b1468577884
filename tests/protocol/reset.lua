-- SPDX-License-Identifier: MIT
-- An empty Redis for the next run. The ids of both streams begin behind one that no clock gives, so that they count up by
-- one: the same run has the same ids, and after a fail-over to an older state ids are given out a second time.
-- The open clock has gone on for long, so that what is believed of it when it is lost shows.
-- KEYS outbound, events, clock, open-ms · ARGV the clock, µs since 1970; the open clock, ms
redis.call('FLUSHDB')
for i = 1, 2 do
  redis.call('XADD', KEYS[i], '9999999999999-0', 'first', 'id')
  redis.call('XDEL', KEYS[i], '9999999999999-0')
end
redis.call('SET', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[4], 'ms', ARGV[2])
redis.call('SADD', 'partitions', 'sms-mms:0', 'sms-mms:1')
