-- SPDX-License-Identifier: MIT
-- Moves the clock that the library reads, and makes what is pending idle for as long: Redis's own clock hardly moves
-- during a run. A thousand times as long, in fact, as the actors' time-outs are for claim: then the real milliseconds of a
-- busy machine count for nothing. XCLAIM … JUSTID changes neither owner nor count.
-- KEYS outbound, events, clock · ARGV the clock, µs since 1970; by how many ms it moved (may be negative)
redis.call('SET', KEYS[3], ARGV[1])
for i, group in ipairs({ 'dispatchers', 'persisters' }) do
  local pending = redis.pcall('XPENDING', KEYS[i], group, '-', '+', 1000)
  for _, p in ipairs(pending.err and {} or pending) do
    local idle = math.min(1e12, math.max(0, p[3] + ARGV[2] * 1000))
    redis.call('XCLAIM', KEYS[i], group, p[2], 0, p[1], 'IDLE', string.format('%.0f', idle), 'JUSTID')
  end
end
