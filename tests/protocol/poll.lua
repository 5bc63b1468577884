-- SPDX-License-Identifier: MIT
-- What the audit looks at after every command.
-- KEYS outbound, events, parked, parked-due, breaker, held-senders · ARGV the last event seen; 1: everything, 0: what is quick
-- → {XLEN outbound, HLEN parked, ZCARD parked-due, XLEN events, the events since, {state, epoch, paused, fails, ok, cut, cause,
--    a bit for each `held:`}, {held sender, until, …}
--    [, {{entry, id, gen, call, spent} …} of outbound, the same of parked
--     , {pending, undelivered, held by nobody} of outbound, the same of events]}
local outbound, events, parked, due, breaker, held = unpack(KEYS)

local function token(entry, m)
  return { entry, m.id, m.gen, m.call, m.spent }
end

local function to_map(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

local function spread(stream, group)
  local last, owned, undelivered, nobody = '0-0', {}, 0, 0
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local info = to_map(g)
    if info.name == group then last = info['last-delivered-id'] end
  end
  local pending = redis.pcall('XPENDING', stream, group, '-', '+', 1000)
  if pending.err then return { 0, redis.call('XLEN', stream), 0 } end
  for _, p in ipairs(pending) do owned[p[1]] = true end
  for _, entry in ipairs(redis.call('XRANGE', stream, '(' .. last, '+')) do
    undelivered = undelivered + 1
    owned[entry[1]] = true
  end
  for _, entry in ipairs(redis.call('XRANGE', stream, '-', last)) do
    if not owned[entry[1]] then nobody = nobody + 1 end
  end
  return { #pending, undelivered, nobody }
end

local state = redis.call('HMGET', breaker, 'state', 'epoch', 'paused', 'fails', 'ok', 'cut', 'cause')
for i = 1, 7 do state[i] = state[i] or '' end
state[8] = 0
for _, field in ipairs(redis.call('HKEYS', breaker)) do
  local sender = string.match(field, '^held:(%l)$')
  if sender then state[8] = state[8] + 2 ^ (string.byte(sender) - 97) end
end
local holds = {}
for sender, h in pairs(to_map(redis.call('HGETALL', held))) do
  holds[#holds + 1] = sender
  holds[#holds + 1] = cjson.decode(h)['until']
end
local seen = { redis.call('XLEN', outbound), redis.call('HLEN', parked), redis.call('ZCARD', due),
  redis.call('XLEN', events), redis.call('XRANGE', events, '(' .. ARGV[1], '+'), state, holds }
if ARGV[2] == '1' then
  local waiting, resting = {}, {}
  for _, entry in ipairs(redis.call('XRANGE', outbound, '-', '+')) do
    waiting[#waiting + 1] = token(entry[1], to_map(entry[2]))
  end
  local stored = redis.call('HGETALL', parked)
  for i = 1, #stored, 2 do
    local done, m = pcall(cjson.decode, stored[i + 1])
    if not done or type(m) ~= 'table' or type(m.id) ~= 'string' then -- a fault has damaged it
      local id, gen = string.match(stored[i], '^(.*):(%d+)$')
      m = { id = id, gen = gen, call = '0', spent = '0' }
    end
    resting[#resting + 1] = token('', m)
  end
  seen[8], seen[9] = waiting, resting
  seen[10], seen[11] = spread(outbound, 'dispatchers'), spread(events, 'persisters')
end
return seen
