-- What the sampler looks at, at one instant. KEYS outbound, events, parked, parked-due, held, held-order, scheduled,
-- scheduled-due · ARGV most entries of outbound that are looked at → their lengths, and how many tokens there are that
-- stand in more than one place; -1: there were too many entries
local most, seen, twice = tonumber(ARGV[1]), {}, 0
local function see(token)
  if seen[token] then twice = twice + 1 end
  seen[token] = true
end

local function see_entry(fields)
  local entry = {}
  for i = 1, #fields, 2 do entry[fields[i]] = fields[i + 1] end
  local gen = entry.gen or string.match(entry.m or '', '^%d+')
  if entry.id and gen then see(entry.id .. ':' .. gen) end -- else it is poison
end

local outbound = redis.call('XLEN', KEYS[1])
if outbound <= most then
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do see_entry(entry[2]) end
  for _, hash in ipairs({ KEYS[3], KEYS[5], KEYS[7] }) do
    for _, token in ipairs(redis.call('HKEYS', hash)) do see(token) end
  end
else
  twice = -1
end

return {
  outbound, redis.call('XLEN', KEYS[2]), redis.call('HLEN', KEYS[3]), redis.call('ZCARD', KEYS[4]), redis.call('HLEN', KEYS[5]),
  redis.call('ZCARD', KEYS[6]), redis.call('HLEN', KEYS[7]), redis.call('ZCARD', KEYS[8]), twice
}
