#!lua name=messaging_dev
-- SPDX-License-Identifier: MIT
--
-- Every step of a message through Redis that must be atomic, as one library of Redis Functions (Redis 7.0).
--
-- The idea: an outbound message is one token. It is one entry of `outbound`, or one field of `parked`, never both and
-- never neither, until its last outcome is in `events`. Each function moves the token whole: it checks first, writes
-- then, and deletes last, because an error inside a function keeps what was already written. Where a call is about many
-- messages, an error is one message's own, and the others go on.
--
-- All keys of a call share one hash tag, `{provider:partition}`, so that a Redis Cluster can run it; accept takes the
-- address's counter along only where Redis is no cluster. Time is Redis's.
-- The build replaces "_dev" by the content's version: two releases run side by side. To try it by hand:
--   redis-cli -x FUNCTION LOAD REPLACE < redis/messaging.lua
--
-- Entries (all values are text; `p` is JSON):
--   outbound  v id gen call spent at p                at: when this generation began, ms since 1970
--   events    v k id gen at p                         k = accepted | received
--             v k id gen at call n verdict due late p k = outcome; due only with retry, late only where it is
--             v k id gen at                           k = replayed
--   jobs      v at matched provider reason since last per_second partitions request_id    a replay of many

local FORMAT = '1' -- the newest that these functions read, shared/message/format.h's
local writes = FORMAT -- the format that this call writes, at most FORMAT: set as it begins
local HOUR_MS = 3600000
local DAY_MS = 24 * HOUR_MS
local LONGEST_WAIT_MS = 72 * HOUR_MS
local HELD_FOR_MS = 2000 -- so long senders must have been held, and nobody had a success, before they open the breaker
local CLOCKS_APART_MS = 2000 -- at most, a caller's idea of the time and ours
local STRAYS_A_LOOK = 20 -- their payloads come along
local REFUSED_IN_A_ROW = 5 -- of different messages, without a success: worth to be looked at

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A flat reply ("name", value, …) as a table.
local function to_map(flat)
  local map = {}
  for i = 1, #flat, 2 do map[flat[i]] = flat[i + 1] end
  return map
end

-- Integers as Redis wants them: Lua 5.1 would write 1e+15 for a large one.
local function int(number)
  return string.format('%d', number)
end

-- A field of a hash that holds JSON; nil where there is none that can be read.
local function read_json(key, field)
  local done, value = pcall(cjson.decode, redis.call('HGET', key, field) or '')
  return done and type(value) == 'table' and value or nil
end

-- The result of step for one message of many; an error is that message's reply. What was written before it stays written.
local function for_one(step, ...)
  local done, result = pcall(step, ...)
  if done then return result end
  return { err = 'ERR script: ' .. (type(result) == 'table' and result.err or tostring(result)) }
end

-- The sliding window of the limits: two fixed windows, the older one weighted by the share of it that the
-- sliding window still covers. As of now, by the counters of this window and of the last one.
local function window_of(key, now, width, limit, this, last)
  local window = { key = key, width = width, limit = limit, elapsed = now % width, this = this, last = last, spent = 0 }
  window.free = math.max(0, limit - this - math.floor(last * (width - window.elapsed) / width)) -- so many more fit
  return window
end

-- One for each limit {prefix = most}, read by one call, for a call costs more than what it does.
local function windows(now, width, limits)
  local index, prefixes, keys, found = math.floor(now / width), {}, {}, {}
  for prefix in pairs(limits) do
    prefixes[#prefixes + 1] = prefix
    keys[#keys + 1], keys[#keys + 2] = prefix .. ':' .. int(index), prefix .. ':' .. int(index - 1)
  end
  if #keys == 0 then return found end
  local counts = redis.call('MGET', unpack(keys))
  for i, prefix in ipairs(prefixes) do
    local this, last = tonumber(counts[2 * i - 1]) or 0, tonumber(counts[2 * i]) or 0
    found[prefix] = window_of(keys[2 * i - 1], now, width, limits[prefix], this, last)
  end
  return found
end

-- Seconds until this window ends or, where none fits, until one more does.
local function wait_seconds(window)
  local ms = window.width - window.elapsed
  if window.free == 0 and window.this + 1 <= window.limit then -- the older one's share must shrink below what is free
    ms = math.floor(window.width * (1 - (window.limit - window.this) / window.last) - window.elapsed) + 1
  elseif window.free == 0 then -- this window must become the older one, and its share shrink below the limit
    ms = math.floor(ms + window.width * (1 - window.limit / window.this)) + 1
  end
  return math.ceil(ms / 1000)
end

-- Counted by keep.
local function spend(window, count)
  window.this, window.free, window.spent = window.this + count, window.free - count, window.spent + count
end

local function keep(found)
  for _, window in pairs(found) do
    if window.spent > 0 and window.this == window.spent then
      redis.call('SET', window.key, int(window.spent), 'PX', int(2 * window.width))
    elseif window.spent > 0 then
      redis.call('INCRBY', window.key, int(window.spent))
    end
  end
end

-- limit: POSTs and PUTs of one address; as many of them as fit are admitted.
-- KEYS rate prefix · ARGV limit, window ms, how many → {admitted, left after them, reset s, retry s of the others}
local function limit(keys, args)
  local found = windows(now_ms(), tonumber(args[2]), { [keys[1]] = tonumber(args[1]) })
  local window = found[keys[1]]
  local admitted, reset = math.min(tonumber(args[3]), window.free), math.ceil((window.width - window.elapsed) / 1000)
  spend(window, admitted)
  keep(found)
  return { admitted, window.free, reset, wait_seconds(window) }
end

-- Signatures of webhooks, by their day, in small hashes: in such a one Redis spends about 15 bytes on a signature, in
-- a key of its own more than 100. signature: 2 bytes for the hash's name and 8 for its field.
-- Where the signature would stand on the `ago`th day before now.
local function signature_place(ctx, signature, ago)
  local high, low = string.byte(signature, 1, 2)
  return ctx.signatures .. int(math.floor(ctx.at / DAY_MS) - ago) .. ':' .. string.format('%02x%02x', high, low),
    string.sub(signature, 3)
end

-- A webhook is worth more than the memory of its signature: where that can't be had (its keys are no hashes, or this user
-- may not touch them), it counts as new.
local function is_seen(ctx, signature)
  for ago = 0, 1 do
    local hash, field = signature_place(ctx, signature, ago)
    if redis.pcall('HGET', hash, field) == '' then return true end
  end
  return false
end

local function remember_signature(ctx, signature)
  if signature == '' or not ctx.remembers then return end
  local hash, field = signature_place(ctx, signature, 0)
  if redis.pcall('HSET', hash, field, '') == 1 and redis.call('HLEN', hash) == 1 then
    redis.call('PEXPIRE', hash, int(2 * DAY_MS))
  end
end

-- What is remembered under an idempotency key. It is remembered for no longer than it could have been from now on, whatever
-- clock set its end. (Users whose permissions are of an older release can't see that.)
local function recall(key, ttl)
  local seen = redis.call('GET', key)
  local left = seen and redis.pcall('PTTL', key)
  if type(left) == 'number' and left > tonumber(ttl) then redis.pcall('PEXPIRE', key, ttl) end
  return seen
end

-- One message of accept. ctx: what the call knows so far; window, address: the windows it counts against, or nil.
local function accept_one(ctx, window, address, idempotency, kind, id, token, payload, ttl, signature)
  local left, reset = window and window.free or 0, window and wait_seconds(window) or 0
  if ctx.late then return { 'LATE', left, reset } end
  if address then
    if address.free == 0 then return { 'ADDRESS', wait_seconds(address) } end
    spend(address, 1) -- whatever becomes of the message
  end
  if signature ~= '' and is_seen(ctx, signature) then return { 'SEEN', left, reset } end
  local remembered = ttl ~= '0'
  if remembered then
    local seen = recall(idempotency, ttl)
    if seen then
      if string.sub(seen, 17) ~= string.sub(token, 17) then return { 'REUSED', left, reset } end
      remember_signature(ctx, signature)
      return { 'REPLAY', string.sub(seen, 1, 16), left, reset }
    end
  end
  local is_send = kind == 'accepted'
  if ctx.recorded >= ctx.cap or (is_send and ctx.waiting >= ctx.cap) then return { 'FULL', left, reset } end
  if window and window.free == 0 then return { 'LIMITED', reset } end

  redis.call('XADD', ctx.events, '*', 'v', writes, 'k', kind, 'id', id, 'gen', '0', 'at', ctx.at, 'p', payload)
  ctx.recorded = ctx.recorded + 1
  if is_send then
    redis.call('XADD', ctx.outbound, '*', 'v', writes, 'id', id, 'gen', '0', 'call', '1', 'spent', '0', 'at', ctx.at,
      'p', payload)
    ctx.waiting = ctx.waiting + 1
  end
  if remembered then redis.call('SET', idempotency, token, 'PX', ttl) end
  remember_signature(ctx, signature)
  if window then spend(window, 1) end
  return { 'OK', window and window.free or 0, reset }
end

-- accept: messages, each a send into both streams, or a webhook into `events`; each for itself, in their order. What they
-- have in common is asked once.
-- KEYS outbound, events, parked; for each message: idempotency, the sender's rate prefix, and, where addresses are counted
--      here, the address's
-- ARGV 1 cap   2 deadline, ms since 1970   3 window ms   4 the senders' limit (0: none)
--      5 the addresses' (0: counted already, by `limit`, for in a cluster they lie elsewhere)   6 whether new
--      signatures are remembered (1 | 0: memory is short);
--      for each message: kind (accepted | received), id, token: the id's 16 bytes and the digest's 16, payload,
--      idempotency TTL ms (0: no key), 10 bytes that stand for its signature ('': it has none, or was counted already)
-- → for each message: {OK, left, reset s} | {REPLAY, first id bytes, left, reset s} | {REUSED, left, reset s}
--   | {ADDRESS, retry s} (over its limit; nothing else was looked at) | {LIMITED, retry s} | {FULL, left, reset s} | {LATE, left, reset s}
--   | {SEEN, left, reset s} (its signature came before, within a day or two; nothing was written) | an error
local function accept(keys, args)
  local outbound, events, parked = keys[1], keys[2], keys[3]
  local width, sender_limit, address_limit = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local now, keys_each, limits, replies = now_ms(), address_limit > 0 and 3 or 2, {}, {}
  local count = (#args - 6) / 6
  for i = 0, count - 1 do
    local first_key, first_arg = 4 + keys_each * i, 7 + 6 * i
    if sender_limit > 0 and args[first_arg] == 'accepted' then limits[keys[first_key + 1]] = sender_limit end
    if address_limit > 0 then limits[keys[first_key + 2]] = address_limit end
  end
  local found = windows(now, width, limits)
  local ctx = { outbound = outbound, events = events, at = int(now), late = now > tonumber(args[2]),
    cap = tonumber(args[1]), remembers = args[6] == '1', signatures = string.gsub(events, '^events', 'signed') .. ':',
    recorded = redis.call('XLEN', events), waiting = redis.call('XLEN', outbound) + redis.call('HLEN', parked) }
  for i = 0, count - 1 do
    local first_key, first_arg = 4 + keys_each * i, 7 + 6 * i
    local window = args[first_arg] == 'accepted' and found[keys[first_key + 1]] or nil
    local address = address_limit > 0 and found[keys[first_key + 2]] or nil
    replies[i + 1] = for_one(accept_one, ctx, window, address, keys[first_key], unpack(args, first_arg, first_arg + 5))
  end
  keep(found)
  return replies
end

-- Who holds an entry of a group, as {consumer, delivery count}; nil when nobody does or there is no such group.
local function owner(stream, group, entry_id)
  local pending = redis.pcall('XPENDING', stream, group, entry_id, entry_id, 1)
  if pending.err or not pending[1] then return nil end
  return { consumer = pending[1][2], count = pending[1][4] }
end

local function owned_by(holder, me, count)
  return holder ~= nil and holder.consumer == me and holder.count == tonumber(count)
end

-- An entry of outbound as its fields, and who holds it; nothing where it isn't that message's any more.
local function find_entry(outbound, group, entry_id, id, gen)
  local entry = redis.call('XRANGE', outbound, entry_id, entry_id)[1]
  local message = entry and to_map(entry[2])
  -- Another message's: the entry id was given out again (fail-over).
  if message and (message.id ~= id or message.gen ~= gen) then message = nil end
  return message, message and owner(outbound, group, entry_id)
end

-- How a sender is held: until, probe: the token that may be called before all others of it, lease: until when the others
-- wait for that, waiting: how many were put back since. Nil where it isn't. No wait is believed to be longer than it could
-- have been when it was set: Redis's clock may have been wrong then.
local function read_hold(key, sender, now, hold_ms, lease_ms)
  local hold = read_json(key, sender)
  if not hold then return nil end
  return { ['until'] = math.min(tonumber(hold['until']) or 0, now + hold_ms), probe = hold.probe,
    lease = math.min(tonumber(hold.lease) or 0, now + lease_ms), waiting = tonumber(hold.waiting) or 0 }
end

local function write_hold(key, sender, hold)
  redis.call('HSET', key, sender, cjson.encode({ ['until'] = int(hold['until']), probe = hold.probe,
    lease = int(hold.lease), waiting = int(hold.waiting) }))
end

local function forget_sender(ctx, sender)
  redis.call('HDEL', ctx.senders, sender)
  redis.call('ZREM', ctx.senders_at, sender)
  redis.call('HDEL', ctx.held, sender)
end

-- A message of this sender was refused: once more, or for the first time. Returns 1 where that holds the sender, 2 where
-- it was held already, else 0.
local function note_refusal(ctx, sender, token)
  local tokens, hold = read_json(ctx.senders, sender) or {}, read_hold(ctx.held, sender, ctx.now, ctx.hold_ms, 0)
  local known = false
  for _, other in ipairs(tokens) do known = known or other == token end
  if not known and #tokens < ctx.hold_at then
    tokens[#tokens + 1] = token
    redis.call('HSET', ctx.senders, sender, cjson.encode(tokens))
  end
  redis.call('ZADD', ctx.senders_at, int(ctx.now), sender)
  local too_old = int(ctx.now - LONGEST_WAIT_MS)
  for _, old in ipairs(redis.call('ZRANGEBYSCORE', ctx.senders_at, '-inf', too_old, 'LIMIT', 0, 10)) do
    forget_sender(ctx, old)
  end
  if hold and hold.probe ~= token then return 2 end -- it was called before the hold began
  if #tokens < ctx.hold_at then return 0 end
  write_hold(ctx.held, sender, { ['until'] = ctx.now + ctx.hold_ms, probe = '', lease = 0, waiting = 0 })
  return 1
end

-- What any outcome means for its sender: a success frees it; the probe of one that is held has ended.
local function note_outcome(ctx, sender, token, verdict)
  if verdict == 'sent' then return forget_sender(ctx, sender) end
  local hold = read_hold(ctx.held, sender, ctx.now, ctx.hold_ms, 0)
  if hold and hold.probe == token then
    hold.probe, hold.lease = '', 0
    write_hold(ctx.held, sender, hold)
  end
end

-- A refusal (402, 403, 404, 405, 410) may be the message's own fault or ours: it is the message's where the provider has
-- accepted something else since its first such answer, and then it is final. Returns the verdict, and how the sender is
-- held, as note_refusal.
local function judge_refusal(ctx, sender, token)
  local first = tonumber(redis.call('ZSCORE', ctx.refused, token))
  if not first or first > ctx.now then -- a time ahead is of a clock that was wrong
    redis.call('ZREMRANGEBYSCORE', ctx.refused, '-inf', int(ctx.now - LONGEST_WAIT_MS))
    redis.call('ZADD', ctx.refused, int(ctx.now), token)
    first = ctx.now
  end
  local held = note_refusal(ctx, sender, token)
  return ctx.accepted > first and 'failed' or 'retry', held
end

-- One outcome of settle. ctx: what the call knows so far; ctx.ended: entries that are done with, to be deleted.
local function settle_one(ctx, entry_id, count, id, gen, number, verdict, delay, free, sender, payload)
  local token, message, holder = id .. ':' .. gen, nil, nil
  if not ctx.gone[entry_id] then message, holder = find_entry(ctx.outbound, ctx.group, entry_id, id, gen) end
  local function record(...)
    redis.call('XADD', ctx.events, '*', 'v', writes, 'k', 'outcome', 'id', id, 'gen', gen, 'at', int(ctx.now),
      'call', number, 'n', count, 'verdict', verdict, 'p', payload, ...)
  end
  local function end_entry()
    ctx.gone[entry_id] = true
    ctx.ended[#ctx.ended + 1] = entry_id
  end
  if not message or (holder and not owned_by(holder, ctx.me, count)) then
    if verdict ~= 'sent' then return 'LOST' end
    -- A late success is still true, the provider has the message: it is recorded and ends the token.
    record('late', '1')
    redis.call('HDEL', ctx.parked, token)
    redis.call('ZREM', ctx.due, token)
    redis.call('ZREM', ctx.refused, token)
    note_outcome(ctx, sender, token, verdict)
    if message then end_entry() end
    return 'LATE'
  end

  local reply, held = 'OK', 0
  if verdict == 'refused' then
    verdict, held = judge_refusal(ctx, sender, token)
    reply, ctx.troubled = { verdict == 'failed' and 'FAILED' or 'PARKED', held }, true
  elseif ctx.troubled then
    note_outcome(ctx, sender, token, verdict)
  end
  if verdict == 'retry' then
    record('due', int(ctx.now + delay))
    message.call = int(message.call + 1)
    message.wait = int(delay)
    if tonumber(message.at) > ctx.now then message.at = int(ctx.now) end -- set by a clock that was wrong
    if free ~= '1' then message.spent = int(message.spent + 1) end
    redis.call('HSET', ctx.parked, token, cjson.encode(message))
    redis.call('ZADD', ctx.due, int(ctx.now + delay), token)
  else
    record()
    if ctx.troubled then redis.call('ZREM', ctx.refused, token) end
  end
  end_entry()
  return reply
end

-- settle: what calls came to, each for itself, in their order. Fenced by consumer, delivery count and message id.
-- What is known of refusals: `refused` (sorted set: token → when its first such answer came), `senders` (hash: sender → its
-- messages that were refused since it last had a success, JSON; no more of them than hold it), `senders-at` (sorted set:
-- sender → when the last one was) and `held-senders` (hash: sender → how it is held, JSON: see read_hold).
-- KEYS outbound, events, parked, parked-due, refused, senders, senders-at, held-senders
-- ARGV 1 me   2 when the latest call began that the provider accepted, ms since 1970 (0: none is known)
--      3 refused messages that hold their sender   4 for how long, ms;
--      for each: entry, delivery count, id, gen, call, verdict (sent | failed | retry | refused), delay ms,
--      free (1: spends no attempt), sender, payload of the outcome
-- → for each: OK | {PARKED or FAILED, 1: it holds the sender, 2: which is held, or 0} (of a refused one) | LATE (a success of an entry that
--   was no longer mine: recorded all the same) | LOST (nothing written) | an error (its entry is still there)
local function settle(keys, args)
  local ctx = { outbound = keys[1], events = keys[2], parked = keys[3], due = keys[4], refused = keys[5],
    senders = keys[6], senders_at = keys[7], held = keys[8], group = 'dispatchers', me = args[1],
    accepted = tonumber(args[2]), hold_at = tonumber(args[3]), hold_ms = tonumber(args[4]), now = now_ms(),
    gone = {}, ended = {} }
  ctx.troubled = redis.call('EXISTS', ctx.refused, ctx.senders, ctx.held) > 0
  if ctx.accepted > ctx.now then ctx.accepted = 0 end -- of a clock that was ahead: it says nothing
  local verdicts = {}
  for first = 5, #args, 10 do
    verdicts[#verdicts + 1] = for_one(settle_one, ctx, unpack(args, first, first + 9))
  end
  if ctx.ended[1] then
    redis.pcall('XACK', ctx.outbound, ctx.group, unpack(ctx.ended))
    redis.call('XDEL', ctx.outbound, unpack(ctx.ended))
  end
  return verdicts
end

-- One entry of admit. ctx: what the call knows.
local function admit_one(ctx, entry_id, count, id, gen, sender)
  local token = id .. ':' .. gen
  local hold = read_hold(ctx.held, sender, ctx.now, ctx.hold_ms, ctx.lease_ms)
  if not hold then return 'GO' end
  local message, holder = find_entry(ctx.outbound, ctx.group, entry_id, id, gen)
  if not message or (holder and not owned_by(holder, ctx.me, count)) then return 'LOST' end
  local free = hold.lease <= ctx.now or hold.probe == token
  if hold['until'] <= ctx.now and free then
    hold.probe, hold.lease = token, ctx.now + ctx.lease_ms
    write_hold(ctx.held, sender, hold)
    return 'GO'
  end
  -- It comes back when the hold is over; while its probe is under way, soon. Not all at once: one of them will be called.
  local wait = hold['until'] > ctx.now and hold['until'] - ctx.now or math.min(hold.lease - ctx.now, 1000)
  wait = wait + math.min(10 * hold.waiting, 300000)
  hold.waiting, message.wait = hold.waiting + 1, int(wait)
  write_hold(ctx.held, sender, hold)
  redis.call('HSET', ctx.parked, token, cjson.encode(message))
  redis.call('ZADD', ctx.due, int(ctx.now + wait), token)
  redis.pcall('XACK', ctx.outbound, ctx.group, entry_id)
  redis.call('XDEL', ctx.outbound, entry_id)
  return { 'LATER', wait }
end

-- admit: entries whose senders may be held, before they are called. One that may not go is put among the parked until the
-- hold is over: nothing has happened to it, so nothing is spent and nothing recorded. Once it is over, one of them is the
-- probe; only what that comes to lets the others go. Fenced as settle.
-- KEYS outbound, parked, parked-due, held-senders
-- ARGV 1 me   2 hold ms   3 a probe's lease ms; for each: entry, delivery count, id, gen, sender
-- → for each: GO | {LATER, ms} | LOST (nothing written) | an error
local function admit(keys, args)
  local ctx = { outbound = keys[1], parked = keys[2], due = keys[3], held = keys[4], group = 'dispatchers',
    me = args[1], hold_ms = tonumber(args[2]), lease_ms = tonumber(args[3]), now = now_ms() }
  local verdicts = {}
  for first = 4, #args, 5 do
    verdicts[#verdicts + 1] = for_one(admit_one, ctx, unpack(args, first, first + 4))
  end
  return verdicts
end

-- What is parked, as its fields; nil and why where it can't be read.
local function read_parked(token, packed)
  if not packed then return nil, 'its parked payload was missing' end
  local done, message = pcall(cjson.decode, packed)
  if not done or type(message) ~= 'table' then return nil, 'its parked payload is no JSON object' end
  for _, name in ipairs({ 'v', 'id', 'gen', 'call', 'spent', 'at', 'p' }) do
    if type(message[name]) ~= 'string' then return nil, 'its parked payload has no text as ' .. name end
  end
  if message.id .. ':' .. message.gen ~= token then return nil, 'its parked payload is of another message' end
  return message
end

-- The end of what is parked and can't be read: the message has failed, where its name says which it was, and what was
-- there is kept as a dead letter.
local function give_up_parked(ctx, token, packed, why)
  local id, gen = string.match(token, '^(.+):(%d+)$')
  if id then
    redis.call('XADD', ctx.events, '*', 'v', writes, 'k', 'outcome', 'id', id, 'gen', gen, 'at', int(ctx.now),
      'call', '0', 'n', '0', 'verdict', 'failed', 'p',
      cjson.encode({ provider = string.match(ctx.events, '{([^:]*)'), outcome = 'lost', http_status = 0,
        latency_us = 0, started_ms = ctx.now, error = why }))
  end
  if packed or not id then
    redis.call('XADD', ctx.events, '*', 'v', writes, 'k', 'poison', 'why', why, 'parked', token,
      'payload', packed or '')
  end
end

-- One token whose wait is over.
local function unpark_one(ctx, token)
  local packed = redis.call('HGET', ctx.parked, token)
  local message, why = read_parked(token, packed)
  if message then
    redis.call('XADD', ctx.outbound, '*', 'v', message.v, 'id', message.id, 'gen', message.gen, 'call', message.call,
      'spent', message.spent, 'at', message.at, 'p', message.p)
  else
    give_up_parked(ctx, token, packed, why)
  end
  redis.call('HDEL', ctx.parked, token)
  redis.call('ZREM', ctx.due, token)
end

-- No wait is believed that is longer than any could have been: it was set by a clock that was wrong. It begins again.
-- How many there were.
local function shorten_waits(ctx, longest_ms, most)
  local tokens = redis.call('ZRANGEBYSCORE', ctx.due, '(' .. int(ctx.now + longest_ms), '+inf', 'LIMIT', 0, most)
  for _, token in ipairs(tokens) do
    local message = read_parked(token, redis.call('HGET', ctx.parked, token))
    local wait_ms = message and tonumber(message.wait) or 0
    if not (wait_ms >= 0 and wait_ms <= longest_ms) then wait_ms = longest_ms end
    redis.call('ZADD', ctx.due, int(ctx.now + wait_ms), token)
  end
  return #tokens
end

-- What is parked without a time would never be due. The hash is gone through a slice a call, from the cursor on, where
-- there is more in it than has times. Returns the next cursor, "0" where there is no more to look for.
local function find_strays(ctx, cursor)
  if redis.call('HLEN', ctx.parked) <= redis.call('ZCARD', ctx.due) then return '0' end
  local slice = redis.call('HSCAN', ctx.parked, cursor, 'COUNT', STRAYS_A_LOOK)
  for i = 1, #slice[2], 2 do
    if not redis.call('ZSCORE', ctx.due, slice[2][i]) then redis.call('ZADD', ctx.due, int(ctx.now), slice[2][i]) end
  end
  return slice[1]
end

-- unpark: messages whose wait is over, back into the stream. One that can't be read doesn't hold up the others.
-- KEYS outbound, events, parked, parked-due
-- ARGV most   the longest that a wait can be, ms   cursor of the last look, "0" at first
-- → {moved, ms until the next is due | -1, cursor, why what was stored wrongly could not be looked for, or ''}
local function unpark(keys, args)
  local most, longest_ms, cursor = tonumber(args[1]), tonumber(args[2]), args[3]
  local ctx = { outbound = keys[1], events = keys[2], parked = keys[3], due = keys[4], now = now_ms() }
  local shortened, trouble = 0, ''
  local looked, why = pcall(function() -- a user whose permissions are of an older release may not
    shortened = shorten_waits(ctx, longest_ms, most)
    cursor = find_strays(ctx, cursor)
  end)
  if not looked then cursor, trouble = '0', type(why) == 'table' and why.err or tostring(why) end
  local tokens = redis.call('ZRANGEBYSCORE', ctx.due, '-inf', int(ctx.now), 'LIMIT', 0, most)
  for _, token in ipairs(tokens) do unpark_one(ctx, token) end
  local next = redis.call('ZRANGE', ctx.due, 0, 0, 'WITHSCORES')
  local wait_ms = next[2] and math.max(0, math.ceil(next[2] - ctx.now)) or -1
  if shortened == most or cursor ~= '0' then wait_ms = 0 end -- there may be more of them
  return { #tokens, wait_ms, cursor, trouble }
end

-- What is given back is kept under a name that no process has. An entry of a newer format has one of its own, out of the
-- way of the others, from which only a release that reads it takes it.
local function keeper_of(stream, entry_id)
  local entry = redis.call('XRANGE', stream, entry_id, entry_id)[1]
  local format = entry and tonumber(to_map(entry[2]).v)
  return format and format > tonumber(FORMAT) and '.newer.' .. int(format) or '.returned'
end
local function keeps_newer(consumer)
  local format = string.match(consumer, '^%.newer%.(%d+)$')
  return format and tonumber(format) > tonumber(FORMAT)
end

-- What was delivered by a clock that was ahead would not be idle before that time comes: it counts from now. Of such an
-- entry XPENDING says 0, as of one that is delivered this very moment, to which nothing happens here.
local function count_idle_from_now(stream, group, pending)
  for _, item in ipairs(pending) do
    if item[3] == 0 then redis.call('XCLAIM', stream, group, item[2], 0, item[1], 'JUSTID') end
  end
end

-- claim: entries that were delivered before and are mine to work on now: what others gave back, what I held before I
-- lost touch, and, with steal, what others have held for too long or nobody holds though it was delivered.
-- steal: Redis's time as the caller knows it, for where its clock was just set, idle times say nothing; 0: it may not.
-- KEYS stream · ARGV group, me, steal, idle ms, most, entries known to me …
-- → {{entry, delivery count, {field, value, …}}, …}, at most `most`
local function claim(keys, args)
  local stream, group, me = keys[1], args[1], args[2]
  local steal, idle, most = math.abs(now_ms() - args[3]) <= CLOCKS_APART_MS, args[4], tonumber(args[5])
  local known, taken = {}, {}
  for i = 6, #args do known[args[i]] = true end

  local function take(entry_id, force)
    if known[entry_id] or #taken >= most then return end
    local got
    if force then
      got = redis.call('XCLAIM', stream, group, me, 0, entry_id, 'FORCE')
    else
      got = redis.call('XCLAIM', stream, group, me, 0, entry_id)
    end
    known[entry_id] = true
    if got[1] then taken[#taken + 1] = { entry_id, owner(stream, group, entry_id).count, got[1][2] } end
  end
  local function take_all(pending)
    for _, item in ipairs(pending) do take(item[1]) end
  end

  take_all(redis.call('XPENDING', stream, group, '-', '+', most, '.returned'))
  for format = 2, tonumber(FORMAT) do
    take_all(redis.call('XPENDING', stream, group, '-', '+', most, '.newer.' .. format))
  end
  take_all(redis.call('XPENDING', stream, group, '-', '+', most + #args - 5, me))
  if steal then
    for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
      local name = to_map(flat).name
      if name ~= me and not keeps_newer(name) then
        count_idle_from_now(stream, group, redis.call('XPENDING', stream, group, '-', '+', most + #args - 5, name))
        take_all(redis.call('XPENDING', stream, group, 'IDLE', idle, '-', '+', most + #args - 5, name))
      end
    end
    local last = '0-0'
    for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
      local info = to_map(flat)
      if info.name == group then last = info['last-delivered-id'] end
    end
    -- The first page that holds anything but newer ones, which may stand before all others for long.
    local from, pages, newer = '-', 0, true
    while newer and pages < 20 do
      local page = redis.call('XRANGE', stream, from, last, 'COUNT', most)
      newer, pages = #page > 0, pages + 1
      for _, entry in ipairs(page) do
        local holder = owner(stream, group, entry[1])
        if not known[entry[1]] and not holder then take(entry[1], true) end
        newer, from = newer and holder and keeps_newer(holder.consumer), '(' .. entry[1]
      end
    end
  end
  return taken
end

-- Hands an entry that is mine to `to` (maybe me again), which restarts its idle time and keeps its delivery count.
local function hand_to(to, stream, group, me, entry_id, count)
  if not owned_by(owner(stream, group, entry_id), me, count) then return 'LOST' end
  redis.call('XCLAIM', stream, group, to, 0, entry_id, 'JUSTID')
  return 'OK'
end

-- quarantine: an entry that isn't even a token, into `events` as it is; there the persister makes a dead letter of it.
-- KEYS outbound, events · ARGV me, entry, delivery count, why, its fields as JSON → OK | LOST
local function quarantine(keys, args)
  local outbound, events, entry_id = keys[1], keys[2], args[2]
  local group = 'dispatchers'
  if not owned_by(owner(outbound, group, entry_id), args[1], args[3]) then return 'LOST' end
  redis.call('XADD', events, '*', 'v', writes, 'k', 'poison', 'why', args[4], 'entry', entry_id, 'fields', args[5])
  redis.call('XACK', outbound, group, entry_id)
  redis.call('XDEL', outbound, entry_id)
  return 'OK'
end

-- renew: the lease of an entry begins again. KEYS stream · ARGV group, me, entry, delivery count → OK | LOST
local function renew(keys, args)
  return hand_to(args[2], keys[1], args[1], args[2], args[3], args[4])
end

-- give_back: an entry that I read and won't work on; the next claimer that can read it takes it. As renew.
local function give_back(keys, args)
  return hand_to(keeper_of(keys[1], args[3]), keys[1], args[1], args[2], args[3], args[4])
end

-- done: entries whose work is recorded; for the persister after its COMMIT. KEYS stream · ARGV group, entries … → count
local function done(keys, args)
  local stream, group, count = keys[1], args[1], 0
  for first = 2, #args, 1000 do
    local last = math.min(first + 999, #args)
    redis.pcall('XACK', stream, group, unpack(args, first, last))
    count = count + redis.call('XDEL', stream, unpack(args, first, last))
  end
  return count
end

-- reap: forgets consumers that hold nothing and have been silent. KEYS stream · ARGV group, idle ms → count
local function reap(keys, args)
  local count = 0
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', keys[1], args[1])) do
    local info = to_map(flat)
    if info.pending == 0 and info.idle > tonumber(args[2]) and info.name ~= '.returned' then
      redis.call('XGROUP', 'DELCONSUMER', keys[1], args[1], info.name)
      count = count + 1
    end
  end
  return count
end

-- replay: a dead letter as a token again, under a greater generation. The guard stands for the persister, which may take
-- a while to record the replay.
-- KEYS outbound, events, parked, guard, idempotency
-- ARGV 1 id   2 gen   3 payload   4 cap   5 recorded (1: replayed before, only a repeat is answered otherwise)
--      6 idempotency TTL ms (0: no key)   7 token: the id's 16 bytes and the digest's 16
-- → OK | REPLAY (a repeat under its key) | REUSED | ALREADY | FULL
local function replay(keys, args)
  local outbound, events, parked, guard, idempotency = keys[1], keys[2], keys[3], keys[4], keys[5]
  local id, gen, payload, cap = args[1], args[2], args[3], tonumber(args[4])
  local recorded, ttl, token, at = args[5] == '1', tonumber(args[6]), args[7], int(now_ms())
  if ttl > 0 then
    local seen = recall(idempotency, ttl)
    if seen then return string.sub(seen, 17) == string.sub(token, 17) and 'REPLAY' or 'REUSED' end
  end
  if recorded or redis.call('EXISTS', guard) == 1 then return 'ALREADY' end
  if redis.call('XLEN', events) >= cap or redis.call('XLEN', outbound) + redis.call('HLEN', parked) >= cap then
    return 'FULL'
  end
  redis.call('XADD', events, '*', 'v', writes, 'k', 'replayed', 'id', id, 'gen', gen, 'at', at)
  redis.call('XADD', outbound, '*', 'v', writes, 'id', id, 'gen', gen, 'call', '1', 'spent', '0', 'at', at,
    'p', payload)
  redis.call('SET', guard, '1', 'PX', int(LONGEST_WAIT_MS))
  if ttl > 0 then redis.call('SET', idempotency, token, 'PX', ttl) end
  return 'OK'
end

-- replay_ask: many dead letters are to be replayed: a job, an entry of the stream `jobs` until it is done. The one at
-- its head runs; the others wait.
-- KEYS jobs, idempotency
-- ARGV 1 token   2 idempotency TTL ms (0: no key)   3 most jobs   4 matched   5 … the job's other fields
-- → {OK, matched} | {REPLAY, the first's matched} | {REUSED} | {FULL}
local function replay_ask(keys, args)
  local jobs, idempotency, token, ttl, matched = keys[1], keys[2], args[1], tonumber(args[2]), args[4]
  if ttl > 0 then
    local seen = recall(idempotency, ttl)
    if seen then
      if string.sub(seen, 17, 32) ~= string.sub(token, 17) then return { 'REUSED' } end
      return { 'REPLAY', string.sub(seen, 33) }
    end
  end
  if redis.call('XLEN', jobs) >= tonumber(args[3]) then return { 'FULL' } end
  redis.call('XADD', jobs, '*', 'v', writes, 'at', int(now_ms()), 'matched', matched, unpack(args, 5))
  if ttl > 0 then redis.call('SET', idempotency, token .. matched, 'PX', ttl) end
  return { 'OK', matched }
end

-- replay_take: the job at the head, for one persister at a time. `running` is a hash: job, owner, until (its lease), and
-- how far the job has come: after (the last dead letter that is dealt with), replayed, skipped.
-- KEYS jobs, running · ARGV me, lease ms → {NONE} | {BUSY} | {JOB, entry, after, replayed, skipped, {field, value, …}}
local function replay_take(keys, args)
  local jobs, running, me, now = keys[1], keys[2], args[1], now_ms()
  local job = redis.call('XRANGE', jobs, '-', '+', 'COUNT', 1)[1]
  if not job then return { 'NONE' } end
  local progress = to_map(redis.call('HGETALL', running))
  local left_ms = (tonumber(progress['until']) or 0) - now
  if progress.owner and progress.owner ~= me and left_ms > 0 and left_ms <= tonumber(args[2]) then return { 'BUSY' } end
  if progress.job ~= job[1] then progress = {} end
  for _, name in ipairs({ 'after', 'replayed', 'skipped' }) do
    if not string.match(progress[name] or '', '^%d+$') then progress[name] = '0' end
  end
  redis.call('HSET', running, 'job', job[1], 'owner', me, 'until', int(now + args[2]), 'after', progress.after,
    'replayed', progress.replayed, 'skipped', progress.skipped)
  return { 'JOB', job[1], progress.after, progress.replayed, progress.skipped, job[2] }
end

-- replay_keep: how far my job has come; its lease begins again, or it ends. A job that an operator deleted is LOST.
-- KEYS jobs, running · ARGV me, job, lease ms, finished (1 | 0), after, replayed, skipped → OK | LOST
local function replay_keep(keys, args)
  local jobs, running, me, job = keys[1], keys[2], args[1], args[2]
  local progress = to_map(redis.call('HGETALL', running))
  if progress.owner ~= me or progress.job ~= job then return 'LOST' end
  local deleted = not redis.call('XRANGE', jobs, job, job)[1]
  if deleted or args[4] == '1' then
    redis.call('DEL', running)
    redis.call('XDEL', jobs, job)
    return deleted and 'LOST' or 'OK'
  end
  redis.call('HSET', running, 'until', int(now_ms() + args[3]), 'after', args[5], 'replayed', args[6], 'skipped', args[7])
  return 'OK'
end

-- The breaker of one provider, for the whole fleet: a hash with mode (auto | open | closed, an operator's), state
-- (closed | open | half-open), reason, cause (`held` from when held senders opened it until it closes), epoch, fails, ok,
-- until, paused, paused_at (when that was set), cut (for how many ms a pause was asked for that was not believed), accepted
-- (when the latest call began that the provider accepted), transitions, left (when it was last closed), a field
-- `lease:<n>` a probe, and a field `held:<sender>` for each sender that became held since any last had a success.
-- most: how many ms a wait may be from now: open, pause, lease. What is longer, a clock was wrong or a setting has changed:
-- it is cut, and written back, lest it is cut for ever.
local function read_breaker(key, now, most)
  local breaker = to_map(redis.call('HGETALL', key))
  breaker.mode, breaker.state = breaker.mode or 'auto', breaker.state or 'closed'
  for _, name in ipairs({ 'epoch', 'fails', 'ok', 'until', 'paused', 'accepted' }) do
    breaker[name] = tonumber(breaker[name]) or 0
  end
  local function believe(field, latest, otherwise)
    if (tonumber(breaker[field]) or 0) <= latest then return false end
    breaker[field] = otherwise or latest
    redis.call('HSET', key, field, int(breaker[field]))
    return true
  end
  local pause = breaker.paused - (tonumber(breaker.paused_at) or now)
  if pause > most.pause and breaker.paused > now + most.pause and not breaker.cut then
    breaker.cut = int(pause)
    redis.call('HSET', key, 'cut', breaker.cut)
  end
  believe('until', now + most.open)
  if believe('paused', now + (pause > 0 and math.min(pause, most.pause) or most.pause)) then
    redis.call('HSET', key, 'paused_at', int(now))
  end
  believe('accepted', now, 0) -- nobody knows when that was
  for field in pairs(breaker) do
    if string.sub(field, 1, 6) == 'lease:' then believe(field, now + most.lease) end
    if string.sub(field, 1, 5) == 'held:' then believe(field, now) end
  end
  return breaker
end

local function drop_fields(key, breaker, prefix)
  for field in pairs(breaker) do
    if string.sub(field, 1, #prefix) == prefix then
      redis.call('HDEL', key, field)
      breaker[field] = nil
    end
  end
end

-- Every change of state is here. A new state is a new epoch: what began before says nothing about it.
local function move(key, breaker, now, state, until_ms, reason)
  drop_fields(key, breaker, 'lease:')
  if state == 'closed' then redis.call('HDEL', key, 'cause', 'cut') end
  local from = breaker.state
  if from == 'closed' then redis.call('HSET', key, 'left', int(now)) end -- since when the provider isn't simply called
  breaker.state, breaker.epoch, breaker['until'] = state, math.max(breaker.epoch + 1, now), until_ms
  breaker.fails, breaker.ok = 0, 0
  redis.call('HSET', key, 'state', state, 'reason', reason, 'epoch', int(breaker.epoch), 'fails', '0', 'ok', '0',
    'until', int(until_ms), 'since', int(now))
  redis.call('HINCRBY', key, 'transitions', 1)
  return from
end

-- breaker_probe: may I call this provider? A GO lasts 100 ms from asking; a PROBE until its lease ends. What follows a
-- pause that was cut is one probe: the provider wants to be left alone for longer.
-- KEYS breaker · ARGV want, lease ms, probes, open ms, longest pause ms
-- → {NO, ms, why, moved, accepted} | {GO, epoch, moved, accepted} | {PROBE, epoch, moved, accepted, lease …}; moved: the
--   state left by this call, or ''
local function breaker_probe(keys, args)
  local key, want, lease_ms, probes = keys[1], tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  local now, moved = now_ms(), ''
  local breaker = read_breaker(key, now, { open = tonumber(args[4]), pause = tonumber(args[5]), lease = lease_ms })
  local accepted = int(breaker.accepted)
  if breaker.mode == 'open' then return { 'NO', 1000, 'opened by hand', moved, accepted } end
  if breaker.paused > now then return { 'NO', breaker.paused - now, 'paused', moved, accepted } end
  if breaker.mode == 'closed' or (breaker.state == 'closed' and not breaker.cut) then
    return { 'GO', int(breaker.epoch), moved, accepted }
  end
  if breaker.state == 'open' and now < breaker['until'] then
    return { 'NO', breaker['until'] - now, 'open', moved, accepted }
  end
  if breaker.state ~= 'half-open' then
    moved = move(key, breaker, now, 'half-open', 0, breaker.state == 'open' and 'cool-down over' or 'a pause was cut')
  end

  local live, soonest = 0, nil
  for field, ends in pairs(breaker) do
    if string.sub(field, 1, 6) == 'lease:' then
      ends = tonumber(ends) or 0
      if ends <= now then
        redis.call('HDEL', key, field)
      else
        live = live + 1
        soonest = math.min(soonest or ends, ends)
      end
    end
  end
  local grant = math.min(want, (breaker.cut and 1 or probes - breaker.ok) - live)
  if grant <= 0 then return { 'NO', soonest and soonest - now or 50, 'half-open', moved, accepted } end
  local reply = { 'PROBE', int(breaker.epoch), moved, accepted }
  for _ = 1, grant do
    local lease = 'lease:' .. redis.call('HINCRBY', key, 'seq', 1)
    redis.call('HSET', key, lease, int(now + lease_ms))
    reply[#reply + 1] = lease
  end
  return reply
end

-- A pause, as long as the provider asked for within what is believed. Returns 1 where it begins with this, else 0.
local function pause_for(key, breaker, now, asked, most)
  local kept, begins = math.min(asked, most), breaker.paused <= now
  if asked > kept then redis.call('HSET', key, 'cut', int(asked)) end
  if now + kept > breaker.paused then redis.call('HSET', key, 'paused', int(now + kept), 'paused_at', int(now)) end
  return begins and 1 or 0
end

-- A sender became held, or still is. Enough of them, none of any sender having had a success since the first, are our own
-- fault. Where senders who are refused send at the same moment all are held at once: what is sent beside them needs a
-- while to show that the provider works. Returns the state left by this, or '', and whether it is too soon to say.
local function count_held(key, breaker, now, sender, most, until_ms, reason)
  if not breaker['held:' .. sender] then
    breaker['held:' .. sender] = int(now)
    redis.call('HSET', key, 'held:' .. sender, int(now))
  end
  local held, first = 0, now
  for field, since in pairs(breaker) do
    if string.sub(field, 1, 5) == 'held:' then held, first = held + 1, math.min(first, tonumber(since) or 0) end
  end
  if held < most then return '', 0 end
  if now - first < HELD_FOR_MS then return '', 1 end
  local moved = move(key, breaker, now, 'open', until_ms, reason)
  drop_fields(key, breaker, 'held:')
  redis.call('HSET', key, 'cause', 'held')
  return moved, 0
end

-- breaker_record: what calls came to, before they are settled, at most once a call; but `held` after that has said so.
-- KEYS breaker · ARGV 1 epoch   2 lease or ''   3 ok | fail | trip (opens at once) | refused | held (a sender is) | none
--      4 how many   5 pause ms   6 threshold   7 open ms   8 probes   9 reason   10 lease ms   11 longest pause ms
--      12 when the latest of them began that the provider accepted, ms since 1970 (0: it accepted none)
--      13 held senders that open it   14 the sender that is held, or ''
-- → {state, the state left by this call or '', stale (1 | 0), accepted, 1 where a pause begins, 1 where enough senders are
--   held, but it is too soon to say: it should be told so again}
local function breaker_record(keys, args)
  local key, epoch, lease, result = keys[1], args[1], args[2], args[3]
  local count, pause, threshold, open_ms, probes = tonumber(args[4]), tonumber(args[5]), tonumber(args[6]),
    tonumber(args[7]), tonumber(args[8])
  local now, moved, stale, begins, soon = now_ms(), '', 0, 0, 0
  local most = { open = open_ms, lease = tonumber(args[10]), pause = tonumber(args[11]) }
  local breaker, reason, accepted = read_breaker(key, now, most), args[9], math.min(tonumber(args[12]), now)
  if pause > 0 then begins = pause_for(key, breaker, now, pause, most.pause) end
  if accepted > 0 then
    drop_fields(key, breaker, 'held:')
    if accepted > breaker.accepted then redis.call('HSET', key, 'accepted', int(accepted)) end
    breaker.accepted = math.max(accepted, breaker.accepted)
  end
  local failed = result == 'fail' or result == 'trip' or (result == 'refused' and breaker.cause == 'held')
  if epoch ~= int(breaker.epoch) then
    stale = 1
  elseif result == 'held' and breaker.state ~= 'open' then
    moved, soon = count_held(key, breaker, now, args[14], tonumber(args[13]), now + open_ms, reason)
  elseif breaker.state == 'half-open' then
    if lease == '' or redis.call('HDEL', key, lease) == 0 then
      stale = 1
    elseif failed then
      breaker[lease] = nil
      moved = move(key, breaker, now, 'open', now + open_ms, reason)
    elseif result == 'ok' then
      breaker[lease] = nil
      redis.call('HDEL', key, 'cut')
      if redis.call('HINCRBY', key, 'ok', 1) >= probes then
        moved = move(key, breaker, now, 'closed', 0, 'probes succeeded')
      end
    end
  elseif breaker.state == 'closed' then
    if result == 'ok' and breaker.fails > 0 then
      redis.call('HSET', key, 'fails', '0')
    elseif result == 'trip' or (result == 'fail' and redis.call('HINCRBY', key, 'fails', count) >= threshold) then
      moved = move(key, breaker, now, 'open', now + open_ms, reason)
    end
  end
  return { breaker.state, moved, stale, int(breaker.accepted), begins, soon }
end

-- breaker_resume: an operator lifts a pause. KEYS breaker → what was left of it, ms
local function breaker_resume(keys)
  local left = math.max(0, (tonumber(redis.call('HGET', keys[1], 'paused')) or 0) - now_ms())
  redis.call('HDEL', keys[1], 'paused', 'paused_at', 'cut')
  return left
end

-- breaker_mode: an operator's hand on the breaker. KEYS breaker · ARGV open | closed | auto → the mode
local function breaker_mode(keys, args)
  local mode = args[1]
  if mode ~= 'open' and mode ~= 'closed' and mode ~= 'auto' then
    return redis.error_reply('ERR mode must be open, closed or auto')
  end
  redis.call('HSET', keys[1], 'mode', mode)
  return mode
end

-- count: what a process has counted since its last call, into the fleet's hash. Of a name that ends in `_max_us` the
-- greater value stays. KEYS metrics · ARGV field, amount … → OK
local function count(keys, args)
  for i = 1, #args, 2 do
    local field, amount = args[i], args[i + 1]
    if string.sub(field, -7) ~= '_max_us' then
      local sum = redis.pcall('HINCRBY', keys[1], field, amount)
      if type(sum) == 'table' and sum.err then redis.call('HSET', keys[1], field, amount) end -- it was no number
    elseif tonumber(amount) > (tonumber(redis.call('HGET', keys[1], field)) or 0) then
      redis.call('HSET', keys[1], field, amount)
    end
  end
  return 'OK'
end

-- The least `at` of the parked messages that are due next, of the first 100 at most: the whole hash would be too much.
local function oldest_parked(parked, due)
  local tokens, oldest = redis.call('ZRANGE', due, 0, 99), nil
  if #tokens == 0 then return nil end
  for _, packed in ipairs(redis.call('HMGET', parked, unpack(tokens))) do
    local at = packed and tonumber(string.match(packed, '"at":"(%d+)"'))
    if at and (not oldest or at < oldest) then oldest = at end
  end
  return oldest
end

-- For how long the first entry has been in its stream. Where Redis's clock was ahead when it was added, its id says
-- nothing, and `at` may do; where both are ahead, by how much: such a time is no reason to call anything fresh.
local function waited(now, entered, at)
  if entered > now and at and at <= now then entered = at end
  return math.abs(now - entered)
end

-- look: one partition at a glance; for ingest/watch/pipeline.c. Ages in ms, -1 where there is nothing.
-- KEYS outbound, events, parked, parked-due, held-senders, refused
-- → {length, ever added, pending, consumers, age of the first entry's message, how long that entry has been there, its
--    format where that is newer than ours, or 0; the same of events; parked, overdue, longest overdue, age of the oldest;
--    senders that are held, how long ago the fifth last message was refused for the first time}
local function look(keys)
  local now, seen = now_ms(), {}
  local function age(at) return at and math.max(0, now - at) or -1 end
  for i, group in ipairs({ 'dispatchers', 'persisters' }) do
    local stream, pending = redis.pcall('XINFO', 'STREAM', keys[i]), redis.pcall('XPENDING', keys[i], group)
    local consumers = redis.pcall('XINFO', 'CONSUMERS', keys[i], group)
    local info = stream.err and {} or to_map(stream)
    local first = info['first-entry']
    local fields = first and to_map(first[2]) or {}
    local entered, at = first and tonumber(string.match(first[1], '^%d+')), tonumber(fields.at)
    local format = tonumber(fields.v)
    for _, number in ipairs({ info.length or 0, info['entries-added'] or 0, pending.err and 0 or pending[1],
      consumers.err and 0 or #consumers, age(at or entered), first and waited(now, entered, at) or -1,
      format and format > tonumber(FORMAT) and format or 0 }) do seen[#seen + 1] = number end
  end
  local first = redis.call('ZRANGE', keys[4], 0, 0, 'WITHSCORES')
  local overdue = redis.call('ZCOUNT', keys[4], '-inf', int(now))
  local refused = redis.call('ZRANGE', keys[6], REFUSED_IN_A_ROW - 1, REFUSED_IN_A_ROW - 1, 'REV', 'WITHSCORES')
  for _, number in ipairs({ redis.call('HLEN', keys[3]), overdue, overdue > 0 and age(tonumber(first[2])) or -1,
    age(oldest_parked(keys[3], keys[4])), redis.call('HLEN', keys[5]), age(tonumber(refused[2])) }) do
    seen[#seen + 1] = number
  end
  return seen
end

-- Work that frees memory must run when memory is full; what adds to it must not.
-- Each function is there once a format: `settle_dev` writes 1, `settle_dev_f2` writes 2, and so on up to FORMAT.
local function register(name, callback, flags)
  for number = 1, FORMAT + 0 do -- there is no tonumber while a library is loaded
    local format = '' .. number
    redis.register_function({
      function_name = name .. '_dev' .. (number > 1 and '_f' .. format or ''),
      callback = function(keys, args)
        writes = format
        return callback(keys, args)
      end,
      flags = flags,
    })
  end
end

register('accept', accept, {})
register('limit', limit, {})
register('replay', replay, {})
register('replay_ask', replay_ask, {})
register('replay_take', replay_take, { 'allow-oom' })
register('replay_keep', replay_keep, { 'allow-oom' })
register('settle', settle, { 'allow-oom' })
register('admit', admit, { 'allow-oom' })
register('unpark', unpark, { 'allow-oom' })
register('quarantine', quarantine, { 'allow-oom' })
register('claim', claim, { 'allow-oom' })
register('renew', renew, { 'allow-oom' })
register('give_back', give_back, { 'allow-oom' })
register('done', done, { 'allow-oom' })
register('reap', reap, { 'allow-oom' })
register('breaker_probe', breaker_probe, { 'allow-oom' })
register('breaker_record', breaker_record, { 'allow-oom' })
register('breaker_mode', breaker_mode, { 'allow-oom' })
register('breaker_resume', breaker_resume, { 'allow-oom' })
register('count', count, { 'allow-oom' })
register('look', look, { 'no-writes' })
