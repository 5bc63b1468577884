-- SPDX-License-Identifier: MIT
-- What the audit looks at after every command.
-- KEYS outbound, events, parked, parked-due, breaker, held-senders, optouts, another partition's
-- ARGV the last event seen; 1: everything, 0: what is quick; Redis's clock, ms since 1970; each conversation
-- → {XLEN outbound, HLEN parked, ZCARD parked-due, XLEN events, the events since, {state, epoch, paused, fails, ok, cut, cause,
--    a bit for each `held:`, the marks of both optouts, until}, {held sender, until, …}, {"HLEN held, ZCARD held-order,
--    ZCARD held-due, HLEN scheduled, ZCARD scheduled-due, how many of them are due, HLEN turn, the open clock", of each
--    conversation, where there are any: "how many wait, whether there is a time for it, whether who has the turn waits for
--    its sender, who has the turn"}
--    [, {{entry, id, gen, call, spent} …} of outbound, the same of parked, held, scheduled
--     , {pending, undelivered, held by nobody} of outbound, the same of events]}
local outbound, events, parked, due, breaker, held, opt_outs, other_opt_outs = unpack(KEYS)

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
state[9] = redis.call('HGET', opt_outs, '') or ''
state[10] = redis.call('HGET', other_opt_outs, '') or ''
state[11] = redis.call('HGET', breaker, 'until') or '0'
local holds = {}
for sender, h in pairs(to_map(redis.call('HGETALL', held))) do
  holds[#holds + 1] = sender
  holds[#holds + 1] = cjson.decode(h)['until']
end
local function beside(name)
  return name .. string.sub(outbound, #'outbound' + 1)
end

-- All of it in few words: every command is followed by this.
local function turns()
  local turn, order, due = beside('turn'), beside('held-order'), beside('held-due')
  local fields, places, times = redis.call('HLEN', turn), redis.call('ZCARD', order), redis.call('ZCARD', due)
  local seen = { redis.call('HLEN', beside('held')) .. ' ' .. places .. ' ' .. times .. ' '
    .. redis.call('HLEN', beside('scheduled')) .. ' ' .. redis.call('ZCARD', beside('scheduled-due')) .. ' '
    .. redis.call('ZCOUNT', beside('scheduled-due'), '-inf', ARGV[3]) .. ' ' .. fields .. ' '
    .. (redis.call('HGET', beside('open-ms'), 'ms') or '0') }
  if fields + places + times == 0 then return seen end
  for i = 4, #ARGV do
    local holder, waiting, timed, for_sender = fields > 0 and redis.call('HGET', turn, ARGV[i]) or '', 0, 0, 0
    if places > 0 then waiting = redis.call('ZLEXCOUNT', order, '[' .. ARGV[i] .. ' ', '(' .. ARGV[i] .. '!') end
    if times > 0 and redis.call('ZSCORE', due, ARGV[i]) then timed = 1 end
    local packed = holder ~= '' and redis.call('HGET', parked, holder)
    if packed and string.find(packed, '"held":"1"', 1, true) then for_sender = 1 end
    seen[#seen + 1] = waiting .. ' ' .. timed .. ' ' .. for_sender .. ' ' .. holder
  end
  return seen
end

local seen = { redis.call('XLEN', outbound), redis.call('HLEN', parked), redis.call('ZCARD', due),
  redis.call('XLEN', events), redis.call('XRANGE', events, '(' .. ARGV[1], '+'), state, holds, turns() }
-- Of outbound's fields, or what is kept for later behind `skipped` words.
local function unpack_token(id, packed, skipped)
  local gen, call, spent = string.match(packed, '^' .. string.rep('%S+ ', skipped) .. '(%d+) (%d+) (%d+) ')
  return { id = id, gen = gen, call = call, spent = spent }
end

-- A fault has damaged it: by its name.
local function damaged(name)
  local id, gen = string.match(name, '^(.*):(%d+)$')
  return { id = id, gen = gen, call = '0', spent = '0' }
end

local function kept(hash)
  local found, stored = {}, redis.call('HGETALL', beside(hash))
  for i = 1, #stored, 2 do
    local m = unpack_token(string.match(stored[i], '^(.*):%d+$'), stored[i + 1], 2)
    found[#found + 1] = token('', m.gen and m or damaged(stored[i]))
  end
  return found
end

if ARGV[2] == '1' then
  local waiting, resting = {}, {}
  for _, entry in ipairs(redis.call('XRANGE', outbound, '-', '+')) do
    local m = to_map(entry[2])
    waiting[#waiting + 1] = token(entry[1], m.m and unpack_token(m.id, m.m, 0) or m)
  end
  local stored = redis.call('HGETALL', parked)
  for i = 1, #stored, 2 do
    local done, m = pcall(cjson.decode, stored[i + 1])
    if not done or type(m) ~= 'table' or type(m.id) ~= 'string' then m = damaged(stored[i]) end
    resting[#resting + 1] = token('', m)
  end
  seen[9], seen[10], seen[11], seen[12] = waiting, resting, kept('held'), kept('scheduled')
  seen[13], seen[14] = spread(outbound, 'dispatchers'), spread(events, 'persisters')
end
return seen
