#!lua name=messaging_dev
-- SPDX-License-Identifier: MIT
--
-- Every step of a message through Redis that must be atomic, as one library of Redis Functions (Redis 7.0).
--
-- The idea: an outbound message is one token. It is one entry of `outbound`, or one field of `parked`, `held` or
-- `scheduled`, never two of them and never none, until its last outcome is in `events`. Each function moves the token
-- whole: it checks first, writes then, and deletes last, because an error inside a function keeps what was already
-- written. Where a call is about many messages, an error is one message's own, and the others go on.
--
-- All keys of a call share one hash tag, `{provider:partition}`, so that a Redis Cluster can run it; accept takes the
-- address's counter along only where Redis is no cluster. Time is Redis's.
-- The build replaces "_dev" by the content's version: two releases run side by side. To try it by hand:
--   redis-cli -x FUNCTION LOAD REPLACE < redis/messaging.lua
--
-- Entries (all values are text; `p` is JSON). Most have the fields `v`, `id`, `m` and `p`; m is words, a space between two:
--   outbound  gen call spent at conversation           at: when this generation began, or is due, ms since 1970;
--                                                      conversation: 16 hexadecimal digits, '-': it takes no turn
--   events    accepted gen at state                    state: queued | held | scheduled
--             received gen at -
--             outcome gen at call n verdict due late   due: '-' but with retry; late: 1 | 0
--             replayed gen at state                    state: queued | scheduled; it has no p
--             receipt gen at                           what its provider says became of a message; gen is 0
--             optout gen at                            a pair of addresses has opted out, or in; the id is its own, gen 0
--             erase gen at                             what was accepted until then of a conversation is erased; likewise
-- Rare ones of `events` have a field each, all of them text:
--             v k hash at channel field why type from request raw
--                                                      k = unread: a webhook that can't become a message; raw is base64
--             v k id letter at                         k = reread: the message that such a one, by its hash, has become
--             v k why …                                k = poison
-- In format 1 all have: outbound `v id gen call spent at p`; events `v k id gen at` and p; an outcome's `call n verdict`, too,
-- and `due` and `late` only where there are such.
--   jobs      v at matched provider reason since last per_second partitions request_id    a replay of many

local FORMAT = '2' -- the newest that these functions read, shared/message/format.h's
local writes = FORMAT -- the format that this call writes, at most FORMAT: set as it begins
local HOUR_MS = 3600000
local DAY_MS = 24 * HOUR_MS
local LONGEST_WAIT_MS = 72 * HOUR_MS
local HELD_FOR_MS = 2000 -- so long senders must have been held, and nobody had a success, before they open the breaker
local CLOCKS_APART_MS = 2000 -- at most, a caller's idea of the time and ours
local NO_CURSORS = '0 0 0' -- of parked, scheduled and held: nothing to look for
local STRAYS_A_LOOK = 20 -- their payloads come along
local UNREAD_KEPT_MS = 30 * DAY_MS -- as dead letters are, persister/sql/expire.sql
local UNREAD_A_CALL = 100 -- so many that are too old are forgotten
local GRANT_MS = 100 -- from asking: so long may what was granted begin
local BURST_US = 1000000 -- at most so much of the time that comes in gathers for a rate
local RAMP_MS = 10000 -- after a breaker has closed, until its provider's rate is the whole one again
local ARRIVED_MS = 600000 -- longer than a call lasts
local REPLAYED_MOST = 9 -- generations in which a delivered message is looked for among the parked
local OPT_INS_A_DAY = 100000 -- that are remembered, of a partition, for what was said before and comes later
local REFUSED_IN_A_ROW = 5 -- of different messages, without a success: worth to be looked at
local NO_CONVERSATION = '-'
local ORDER_WAIT_MS = 60000 -- where no dispatcher has said yet what it is
local LOST_HOLDER = 10 -- times that wait, where who has the turn wasn't called yet
local LONGEST_TICK_MS = 1000 -- of the open clock: what lies between two looks is believed for so long
local CONVERSATIONS_A_LOOK = 5
local ERASED_KEPT_MS = 39 * DAY_MS -- longer than any message waits: for its time 35 days, and from then on 72 h

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

-- What is kept beside the outbound stream of a partition.
local function beside(outbound, name)
  return name .. string.sub(outbound, #'outbound' + 1)
end

-- ---- Entries

-- accepted | received. Returns the entry's id.
local function record_message(events, kind, id, at, state, payload)
  if writes == '1' then
    return redis.call('XADD', events, '*', 'v', '1', 'k', kind, 'id', id, 'gen', '0', 'at', at, 'p', payload)
  end
  return redis.call('XADD', events, '*', 'v', writes, 'id', id, 'm', kind .. ' 0 ' .. at .. ' ' .. state, 'p', payload)
end

-- outcome. due: nil but with retry; late: whether it is.
local function record_outcome(events, id, gen, at, call, count, verdict, due, late, payload)
  if writes ~= '1' then
    redis.call('XADD', events, '*', 'v', writes, 'id', id, 'm', 'outcome ' .. gen .. ' ' .. at .. ' ' .. call .. ' '
      .. count .. ' ' .. verdict .. ' ' .. (due or '-') .. (late and ' 1' or ' 0'), 'p', payload)
    return
  end
  local fields = { 'v', '1', 'k', 'outcome', 'id', id, 'gen', gen, 'at', at, 'call', call, 'n', count, 'verdict', verdict }
  if due then fields[#fields + 1], fields[#fields + 2] = 'due', due end
  if late then fields[#fields + 1], fields[#fields + 2] = 'late', '1' end
  fields[#fields + 1], fields[#fields + 2] = 'p', payload
  redis.call('XADD', events, '*', unpack(fields))
end

-- receipt | optout | erase.
local function record_word(events, kind, id, at, payload)
  if writes == '1' then
    redis.call('XADD', events, '*', 'v', '1', 'k', kind, 'id', id, 'gen', '0', 'at', at, 'p', payload)
  else
    redis.call('XADD', events, '*', 'v', writes, 'id', id, 'm', kind .. ' 0 ' .. at, 'p', payload)
  end
end

-- Returns the entry's id.
local function record_replay(events, id, gen, at, state)
  if writes == '1' then
    return redis.call('XADD', events, '*', 'v', '1', 'k', 'replayed', 'id', id, 'gen', gen, 'at', at)
  end
  return redis.call('XADD', events, '*', 'v', writes, 'id', id, 'm', 'replayed ' .. gen .. ' ' .. at .. ' ' .. state)
end

-- A token as it is in `outbound`, but for its payload. Of one of format 1 there is no conversation.
local function words_of(message)
  return message.gen .. ' ' .. message.call .. ' ' .. message.spent .. ' ' .. message.at .. ' '
    .. (message.conversation or NO_CONVERSATION)
end

local function send(outbound, message)
  if message.v == '1' then
    redis.call('XADD', outbound, '*', 'v', '1', 'id', message.id, 'gen', message.gen, 'call', message.call,
      'spent', message.spent, 'at', message.at, 'p', message.p)
  else
    redis.call('XADD', outbound, '*', 'v', message.v, 'id', message.id, 'm', words_of(message), 'p', message.p)
  end
end

-- An entry's generation, which is all that most need of it.
local function generation_of(entry)
  return entry.m and string.match(entry.m, '^%d+') or entry.gen
end

-- A token, of an entry: v, id, gen, call, spent, at, conversation, p, all of them text.
local function read_token(entry)
  if not entry.m then return entry end
  local gen, call, spent, at, conversation = string.match(entry.m, '^(%d+) (%d+) (%d+) (%d+) (%S+)$')
  return { v = entry.v, id = entry.id, gen = gen, call = call, spent = spent, at = at, conversation = conversation,
    p = entry.p }
end

-- A token that is kept in a hash: v, a number, by which it is found again, and the entry's words and payload.
local function keep_token(message, number)
  return message.v .. ' ' .. number .. ' ' .. words_of(message) .. ' ' .. message.p
end

-- As such a token, with its number; nil where it can't be read.
local function read_kept(token, packed)
  local v, number, gen, call, spent, at, conversation, p =
    string.match(packed, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%S+) (.*)$')
  if not v then return nil end
  return { v = v, id = string.match(token, '^(.*):%d+$'), gen = gen, call = call, spent = spent, at = at,
    conversation = conversation, p = p, number = number }
end

-- When what an entry is about began, ms since 1970; nil where it doesn't say so.
local function time_of(fields)
  local packed = fields.m or ''
  return tonumber(fields.at or string.match(packed, '^%a+ %d+ (%d+)') or string.match(packed, '^%d+ %d+ %d+ (%d+)'))
end

-- The end of a token that can't be read: the message has failed, where its name says which it was, and what was there is
-- kept as a dead letter.
local function give_up(events, now, token, packed, why)
  local id, gen = string.match(token, '^(.+):(%d+)$')
  if id then
    record_outcome(events, id, gen, int(now), '0', '0', 'failed', nil, false,
      cjson.encode({ provider = string.match(events, '{([^:]*)'), outcome = 'lost', http_status = 0, latency_us = 0,
        started_ms = now, error = why }))
  end
  if packed or not id then
    redis.call('XADD', events, '*', 'v', writes, 'k', 'poison', 'why', why, 'parked', token, 'payload', packed or '')
  end
end

-- ---- Turns

-- The sends of one conversation are called in the order in which they were accepted. `turn` (hash): conversation → the
-- token that has the turn; it is in `outbound` or `parked`. And, once that token was parked, token → conversation, with a
-- '+' behind it once it was called. Who waits is in `held` (hash: token → "<v> <place> <m> <p>") and `held-order` (sorted
-- set, all of score 0: "<conversation> <place> <token>"). A turn goes on when its token ends. One that takes too long, or
-- whose holder was lost, goes on by the clock: `held-due` (sorted set: conversation → when its first is let go, whoever has the
-- turn), in ms of `open-ms` (hash: ms, at: when it last went on; wait: ORDER_MAX_WAIT_SECS; looked: how far the look for what has
-- no time has come), which stands still while
-- the provider may not be called.
-- Where users may not touch these keys, whose permissions are of an older release, accept goes without.
local function turns_of(outbound, events, now)
  return { outbound = outbound, events = events, now = now, turn = beside(outbound, 'turn'),
    held = beside(outbound, 'held'), order = beside(outbound, 'held-order'), due = beside(outbound, 'held-due'),
    open = beside(outbound, 'open-ms') }
end

local function is_ordered(conversation)
  return conversation ~= nil and conversation ~= '' and conversation ~= NO_CONVERSATION
end

-- The open clock, and for how long one may be waited for by it. As of now, if it has gone on since the last tick: what
-- begins now must not be credited with what lies before it.
local function read_open(turns)
  local open = redis.call('HMGET', turns.open, 'ms', 'at', 'wait')
  local since = math.min(math.max(turns.now - (tonumber(open[2]) or turns.now), 0), LONGEST_TICK_MS)
  return (tonumber(open[1]) or 0) + since, tonumber(open[3]) or ORDER_WAIT_MS
end

local function first_held(turns, conversation)
  return redis.call('ZRANGEBYLEX', turns.order, '[' .. conversation .. ' ', '(' .. conversation .. '!', 'LIMIT', 0, 1)[1]
end

local function last_held(turns, conversation)
  return redis.call('ZREVRANGEBYLEX', turns.order, '(' .. conversation .. '!', '[' .. conversation .. ' ',
    'LIMIT', 0, 1)[1]
end

local function held_member(conversation, place, token)
  return conversation .. ' ' .. string.format('%010d', place) .. ' ' .. token
end

-- What is held, as a token; nil and why where it can't be read.
local function read_held(token, packed)
  if not packed then return nil, 'its held payload was missing' end
  local message = read_kept(token, packed)
  if not message then return nil, 'its held payload can not be read' end
  return message
end

-- For how long the open clock must run before the next ones go, whoever has the turn.
local function longest_wait(turns, holder, wait)
  local called = string.sub(redis.call('HGET', turns.turn, holder) or '', -1) == '+'
  return called and wait or LOST_HOLDER * wait
end

-- Behind those of its conversation that wait already. holder: who has the turn.
local function hold(turns, message, holder)
  local conversation, token = message.conversation, message.id .. ':' .. message.gen
  local last = last_held(turns, conversation)
  local place = (last and tonumber(string.match(last, '^%S+ (%d+) ')) or 0) + 1
  redis.call('HSET', turns.held, token, keep_token(message, int(place)))
  redis.call('ZADD', turns.order, 0, held_member(conversation, place, token))
  if last then return end
  local open, wait = read_open(turns)
  redis.call('ZADD', turns.due, int(open + longest_wait(turns, holder, wait)), conversation)
end

-- It waits no more. packed: what is held of it.
local function unhold(turns, message, token, packed)
  redis.call('HDEL', turns.held, token)
  redis.call('ZREM', turns.order, held_member(message.conversation, string.match(packed, '^%d+ (%d+)'), token))
  if not first_held(turns, message.conversation) then redis.call('ZREM', turns.due, message.conversation) end
end

-- The first that waits has the turn. Returns its token; nil where nobody waits: then the turn is still to be dropped.
local function hand_on(turns, conversation)
  local member = first_held(turns, conversation)
  while member do
    local token = string.match(member, '^%S+ %d+ (.*)$') or member
    local packed = redis.call('HGET', turns.held, token)
    local message, why = read_held(token, packed)
    if message then
      send(turns.outbound, message)
      redis.call('HSET', turns.turn, conversation, token)
    else
      give_up(turns.events, turns.now, token, packed, why)
    end
    redis.call('HDEL', turns.held, token)
    redis.call('ZREM', turns.order, member)
    member = first_held(turns, conversation)
    if message then
      if member then
        local open, wait = read_open(turns)
        redis.call('ZADD', turns.due, int(open + LOST_HOLDER * wait), conversation)
      else
        redis.call('ZREM', turns.due, conversation)
      end
      return token
    end
  end
  redis.call('ZREM', turns.due, conversation)
  return nil
end

-- Tokens have ended: their turns go on, of those that still have them. over: conversation, token, …
local function end_turns(turns, over)
  if not over[1] then return end
  local conversations, dropped = {}, {}
  for i = 1, #over, 2 do conversations[#conversations + 1] = over[i] end
  local holders = redis.call('HMGET', turns.turn, unpack(conversations))
  local wait = redis.call('EXISTS', turns.order) == 1
  for i, conversation in ipairs(conversations) do
    local token = over[2 * i]
    dropped[#dropped + 1] = token
    if holders[i] == token and not (wait and hand_on(turns, conversation)) then
      dropped[#dropped + 1] = conversation
    end
  end
  redis.call('HDEL', turns.turn, unpack(dropped))
end

-- One token has. What goes wrong costs its conversation the turn for a while (release_turns), and nothing else.
local function end_turn(turns, conversation, token)
  if is_ordered(conversation) then pcall(end_turns, turns, { conversation, token }) end
end

-- A token waits for a retry, or for its sender: nothing is called of it meanwhile.
local function note_parked(turns, message, token, called)
  if not is_ordered(message.conversation) then return end
  if not called then
    redis.call('HSETNX', turns.turn, token, message.conversation)
    return
  end
  redis.call('HSET', turns.turn, token, message.conversation .. '+')
  if redis.call('HGET', turns.turn, message.conversation) ~= token then return end -- it was passed over
  local open, wait = read_open(turns)
  redis.call('ZADD', turns.due, 'XX', 'LT', int(open + wait), message.conversation)
end

-- What waited for its sender may be called: the others wait for it from now on, and not from before.
local function note_unheld(turns, message, token)
  if message.held ~= '1' or not is_ordered(message.conversation) then return end
  if redis.call('HGET', turns.turn, message.conversation) ~= token then return end
  local open, wait = read_open(turns)
  redis.call('ZADD', turns.due, 'XX', 'GT', int(open + wait), message.conversation)
end

-- What becomes due, or is accepted: into `outbound` where it has the turn, else behind the others.
local function enter(turns, message)
  local token = message.id .. ':' .. message.gen
  local holder = is_ordered(message.conversation) and redis.call('HGET', turns.turn, message.conversation)
  if holder then return hold(turns, message, holder) end
  send(turns.outbound, message)
  if is_ordered(message.conversation) then redis.call('HSET', turns.turn, message.conversation, token) end
end

-- ---- Scheduled

-- What is to be sent later: `scheduled` (hash: token → "<v> <place> <m> <p>", its `at` is when), `scheduled-due` (sorted set:
-- "<place> <token>" → when, ms since 1970), `scheduled-bytes` (what they take). place is that of its event among all, so
-- that what becomes due in the same instant goes in the order in which it was accepted, and when that was.
local SCHEDULED_EXTRA = 350 -- bytes that one takes beside what is written: measured

local function scheduled_of(outbound)
  return { hash = beside(outbound, 'scheduled'), due = beside(outbound, 'scheduled-due'),
    bytes = beside(outbound, 'scheduled-bytes') }
end

-- An entry's place, a number that sorts as text.
local function place_of(entry)
  return string.format('%014d%010d', string.match(entry, '^(%d+)-(%d+)$'))
end

-- The member of `scheduled-due`; of what can't be read it is the token.
local function due_member(token, packed)
  local place = string.match(packed or '', '^%d+ (%d+) ')
  return place and place .. ' ' .. token or token
end

-- accepted: when, ms since 1970.
local function schedule(scheduled, message, entry, accepted)
  local token, place = message.id .. ':' .. message.gen, place_of(entry) .. string.format('%014d', accepted)
  local packed = keep_token(message, place)
  redis.call('HSET', scheduled.hash, token, packed)
  redis.call('ZADD', scheduled.due, message.at, due_member(token, packed))
  redis.call('INCRBY', scheduled.bytes, #packed + SCHEDULED_EXTRA)
end

-- member: where it is known.
local function unschedule(scheduled, token, packed, member)
  local last = redis.call('HLEN', scheduled.hash) <= 1
  local bytes = last and tonumber(redis.call('GET', scheduled.bytes)) or packed and #packed + SCHEDULED_EXTRA or 0
  redis.call('INCRBY', scheduled.bytes, int(-bytes))
  redis.call('HDEL', scheduled.hash, token)
  redis.call('ZREM', scheduled.due, member or due_member(token, packed))
end

-- When what is scheduled was accepted, ms since 1970; releases before this one have the time of its entry alone.
local function scheduled_accepted(message)
  local place = message.number
  return tonumber(#place > 24 and string.sub(place, -14) or string.sub(place, 1, 14))
end

-- As a token; nil and why where it can't be read.
local function read_scheduled(token, packed)
  if not packed then return nil, 'its scheduled payload was missing' end
  local message = read_kept(token, packed)
  if not message then return nil, 'its scheduled payload can not be read' end
  return message
end

-- ---- Erasures

-- `erased` (sorted set: conversation → when it was erased, ms since 1970): what was accepted until then is called no more,
-- wherever it lies. A persister ends the tokens that wait; this is for those that are in `outbound`, or on their way there.
-- It is also kept where a conversation's name is not that of a turn: of what takes none, the dispatcher knows it.
-- accepted: when, ms since 1970. ctx.erases: whether there is any such conversation, looked at once a call.
local function is_erased(ctx, conversation, accepted)
  if ctx.erases == nil then -- a user whose permissions are of an older release sees none
    ctx.erases = redis.pcall('EXISTS', beside(ctx.outbound, 'erased')) == 1
  end
  if not ctx.erases or not is_ordered(conversation) then return false end
  local at = tonumber(redis.call('ZSCORE', beside(ctx.outbound, 'erased'), conversation))
  return at ~= nil and accepted <= at
end

-- The end of a token whose conversation was. call: the last one that was made. Format 1 has no word for it.
local function record_erased(events, now, message, call)
  local verdict = 'cancelled'
  if writes == '1' then verdict, call = 'failed', call + 1 end
  record_outcome(events, message.id, message.gen, int(now), int(call), '0', verdict, nil, false, cjson.encode({
    provider = string.match(events, '{([^:]*)'), outcome = 'erased', http_status = 0, latency_us = 0, started_ms = now }))
end

-- erase: what was accepted of a conversation until then is called no more.
-- KEYS events, erased
-- ARGV 1 when, ms since 1970   2 id and 3 payload of the event that records it; the conversation's names, of both
--      directions → OK
local function erase(keys, args)
  local events, erased, at, now = keys[1], keys[2], args[1], now_ms()
  redis.call('ZREMRANGEBYSCORE', erased, '-inf', int(now - ERASED_KEPT_MS))
  for i = 4, #args do redis.call('ZADD', erased, 'GT', at, args[i]) end
  redis.call('PEXPIRE', erased, int(ERASED_KEPT_MS))
  record_word(events, 'erase', args[2], at, args[3])
  return 'OK'
end

-- ---- Limits

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

-- Counted by write_windows.
local function spend(window, count)
  window.this, window.free, window.spent = window.this + count, window.free - count, window.spent + count
end

local function write_windows(found)
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
  write_windows(found)
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

-- Who has opted out, in every partition of a provider: `optouts` (hash: our address, NUL, theirs → the word's place, as
-- compare_words has it). How far it is to be trusted says its field '', the mark: the run id of the Redis in which a persister has
-- filled it, '/', and of each PHONE_REGION by which its pairs are written the code ('': none) and '/'; then '+' where there is any pair. So a mark of this Redis without '+'
-- says that nobody has opted out; where it is another (a flush, an eviction, a fail-over, a new partition) pairs may be
-- missing. Who has opted in is remembered for a day or two, so that an older word which comes later changes nothing:
-- `optins` and the day (hash: pair → the word's place).
-- A user whose permissions are of an older release may not see it: then nobody has, but for the dispatcher's look.
local function opt_outs_of(outbound)
  return (string.gsub(outbound, '^outbound', 'optouts'))
end

local function opt_out_mark(key)
  local mark = redis.pcall('HGET', key, '')
  return type(mark) == 'string' and mark or ''
end

local function has_opt_outs(mark)
  return string.sub(mark, -1) == '+'
end

-- wanted: a run id; with '/' and a PHONE_REGION behind it: also as that region identifies them.
local function knows_opt_outs(mark, wanted)
  local run_id, region = string.match(wanted, '^([^/]*)(.*)$')
  local marked, regions = string.match(mark, '^([^/]*)(/.*/)')
  return marked == run_id and (region == '' or string.find(regions, region .. '/', 1, true) ~= nil)
end

-- Which of a call's pairs have opted out, as a set: the arguments from `first` on, each `step` of them, `at` behind it.
local function who_opted_out(key, args, first, step, at)
  local asked, found = {}, {}
  for i = first + at, #args, step do
    if args[i] ~= '' then asked[#asked + 1] = args[i] end
  end
  if #asked == 0 then return found end
  for i, since in ipairs(redis.call('HMGET', key, unpack(asked))) do
    if since then found[asked[i]] = true end
  end
  return found
end

-- mark: what is known from now on; '': as before.
local function mark_opt_outs(key, mark)
  local before = redis.call('HGET', key, '')
  if mark == '' then mark = string.gsub(before or '', '%+$', '') end
  if not before then redis.call('HSET', key, '', '') end
  if redis.call('HLEN', key) > 1 then mark = mark .. '+' end
  if mark ~= before then redis.call('HSET', key, '', mark) end
end

local function opt_ins(ctx, ago)
  return ctx.ins .. int(math.floor(ctx.now / DAY_MS) - ago)
end

-- A word's place among those on one pair, "<when it was said> <when it came>", ms since 1970: of two of one time, as a
-- provider gives that counts in seconds, the one that came later. Negative where `one` is before `other`, which may be nil.
local function compare_words(one, other)
  local said, came = string.match(one, '^(%-?%d+) (%-?%d+)$')
  local other_said, other_came = string.match(other or '', '^(%-?%d+) (%-?%d+)$')
  if not other_said then return 1 end
  return said ~= other_said and said - other_said or came - other_came
end

-- The place of the last word by which the pair opted in, as far as that is remembered; nil: there is none.
local function opted_in_at(ctx, pair)
  local latest
  for ago = 0, 1 do
    local word = redis.call('HGET', opt_ins(ctx, ago), pair)
    if word and compare_words(word, latest) > 0 then latest = word end
  end
  return latest
end

-- Further ones than fit are known to Postgres alone, by which the persister puts right what they would have.
local function remember_opt_in(ctx, pair, word)
  local key = opt_ins(ctx, 0)
  if compare_words(word, opted_in_at(ctx, pair)) <= 0 or redis.call('HLEN', key) >= OPT_INS_A_DAY then return end
  if redis.call('HSET', key, pair, word) == 1 and redis.call('HLEN', key) == 1 then
    redis.call('PEXPIRE', key, int(2 * DAY_MS))
  end
end

-- What was believed of a pair from that word is forgotten.
local function forget_opt_out(ctx, pair, word)
  for _, key in ipairs({ ctx.outs, opt_ins(ctx, 0), opt_ins(ctx, 1) }) do
    if redis.call('HGET', key, pair) == word then redis.call('HDEL', key, pair) end
  end
end

-- A word on a pair: the later one counts, and of two that are the same the one that opts out. instead_of: '', or the place of
-- a word that was none. payload: of the event that records it, or ''.
local function opt_out_one(ctx, pair, state, said, came, instead_of, id, payload)
  local latest = ctx.now + CLOCKS_APART_MS -- what is later a wrong clock said, and nothing could undo it
  local word = int(tonumber(said) > latest and ctx.now or said) .. ' ' .. int(tonumber(came) > latest and ctx.now or came)
  if instead_of ~= '' then forget_opt_out(ctx, pair, instead_of) end
  local out_at = redis.call('HGET', ctx.outs, pair)
  if state == 'out' and compare_words(word, out_at) > 0 and compare_words(word, opted_in_at(ctx, pair)) >= 0 then
    redis.call('HSET', ctx.outs, pair, word)
  elseif state == 'in' and compare_words(word, out_at) > 0 then
    redis.call('HDEL', ctx.outs, pair)
    remember_opt_in(ctx, pair, word)
  end
  if payload ~= '' then
    record_word(ctx.events, 'optout', id, int(ctx.now), payload)
  end
  return 'OK'
end

-- opt_out: words on pairs, each for itself, in their order.
-- KEYS optouts, events
-- ARGV 1 cap (0: whatever waits)   2 the mark that is to stand from now on ('': as it is)   3 the mark without
--      '+' that must stand ('': any); for each: pair, out | in, when that was said and when it came, ms since 1970, ''
--      or the place, "<said> <came>", of a word that was none, id and payload of the event that records it ('', '': it is recorded already)
-- → OK | FULL | LOST (another mark stands; of both: nothing was written) | an error
local function opt_out(keys, args)
  local ctx = { outs = keys[1], events = keys[2], ins = string.gsub(keys[1], '^optouts', 'optins') .. ':',
    now = now_ms() }
  local cap, failure = tonumber(args[1]), nil
  -- Something else than a hash stands there: who fills it begins with nothing.
  if args[2] ~= '' and type(redis.pcall('HGET', ctx.outs, '')) == 'table' then redis.call('DEL', ctx.outs) end
  if args[3] ~= '' and string.gsub(opt_out_mark(ctx.outs), '%+$', '') ~= args[3] then return 'LOST' end
  if cap > 0 and redis.call('XLEN', ctx.events) >= cap then return 'FULL' end
  for first = 4, #args, 7 do
    local reply = for_one(opt_out_one, ctx, unpack(args, first, first + 6))
    if reply ~= 'OK' then failure = failure or reply end
  end
  mark_opt_outs(ctx.outs, failure and '' or args[2])
  return failure or 'OK'
end

-- What accept asks of turns and of what is scheduled, once for all its messages. args from `first` on, each `step` of
-- them, the conversation at `at` behind it.
local function look_at_turns(ctx, args, first, step, at)
  local held = redis.pcall('HLEN', ctx.turns.held)
  if type(held) == 'table' then return end -- a user whose permissions are of an older release
  ctx.waiting = ctx.waiting + held
  if writes == '1' then return end -- who reads that knows of no turns
  local asked, holders = {}, {}
  for i = first + at, #args, step do
    if args[i] ~= '' then asked[#asked + 1] = args[i] end
  end
  if not asked[1] then return end
  local found = redis.pcall('HMGET', ctx.turns.turn, unpack(asked))
  if found.err then return end
  for i, conversation in ipairs(asked) do holders[conversation] = found[i] end
  ctx.holders, ctx.took = holders, {}
end

local function take_turns(ctx)
  if ctx.took and ctx.took[1] then redis.pcall('HSET', ctx.turns.turn, unpack(ctx.took)) end
end

local function has_scheduled_room(ctx, bytes)
  local scheduled, most_bytes = ctx.scheduled, ctx.most_scheduled_bytes
  if redis.call('HLEN', scheduled.hash) >= ctx.most_scheduled then return false end
  return most_bytes == 0 or (tonumber(redis.call('GET', scheduled.bytes)) or 0) + bytes + SCHEDULED_EXTRA <= most_bytes
end

-- A send's state: what it waits for. due: when it is to be sent, ms since 1970.
local function state_of(ctx, conversation, due)
  if due > ctx.now then return 'scheduled' end
  return ctx.holders and conversation ~= '' and ctx.holders[conversation] and 'held' or 'queued'
end

local function first_token(id, at, conversation, payload)
  return { v = writes, id = id, gen = '0', call = '1', spent = '0', at = at,
    conversation = conversation ~= '' and conversation or nil, p = payload }
end

-- A send that is written down in `events`, as that entry, gets its token.
local function make_token(ctx, state, id, conversation, due, payload, entry)
  if state == 'scheduled' then
    return schedule(ctx.scheduled, first_token(id, due, conversation, payload), entry, ctx.now)
  end
  ctx.waiting = ctx.waiting + 1
  if state == 'held' then
    return hold(ctx.turns, first_token(id, ctx.at, conversation, payload), ctx.holders[conversation])
  end
  send(ctx.outbound, first_token(id, ctx.at, conversation, payload))
  if conversation ~= '' and ctx.holders then
    ctx.holders[conversation] = id .. ':0'
    ctx.took[#ctx.took + 1], ctx.took[#ctx.took + 2] = conversation, id .. ':0'
  end
end

-- One message of accept. ctx: what the call knows so far; window, address: the windows it counts against, or nil.
local function accept_one(ctx, window, address, idempotency, kind, id, token, payload, ttl, signature, opt, conversation,
    due)
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
      local differs = string.sub(seen, 17, 32) ~= string.sub(token, 17)
      if differs and kind == 'accepted' then return { 'REUSED', left, reset } end
      remember_signature(ctx, signature)
      return { 'REPLAY', string.sub(seen, 1, 16), differs and 1 or 0, string.sub(seen, 33), left, reset }
    end
  end
  local is_send = kind == 'accepted'
  if is_send and is_erased(ctx, conversation, ctx.now) then return { 'LATE', left, reset } end -- within the same millisecond
  if is_send and ctx.opted_out[opt] then return { 'OPTED_OUT', left, reset } end
  local state = is_send and state_of(ctx, conversation, tonumber(due)) or '-'
  if state == 'scheduled' and writes == '1' then return { 'FULL', left, reset, 'format' } end
  if ctx.recorded >= ctx.cap then return { 'FULL', left, reset } end
  if state == 'scheduled' then
    local full = not has_scheduled_room(ctx, #payload)
    if full then return { 'FULL', left, reset, 'scheduled' } end
  elseif is_send and ctx.waiting >= ctx.cap then
    return { 'FULL', left, reset }
  end
  if window and window.free == 0 then return { 'LIMITED', reset } end

  local entry = record_message(ctx.events, kind, id, ctx.at, state, payload)
  ctx.recorded = ctx.recorded + 1
  if is_send then make_token(ctx, state, id, conversation, due, payload, entry) end
  if remembered then redis.call('SET', idempotency, is_send and token or token .. opt, 'PX', ttl) end
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
--      signatures are remembered (1 | 0: memory is short)   7 most that are scheduled   8 most bytes of them (0: no limit);
--      for each message: kind (accepted | received), id, token: the id's 16 bytes and the digest's 16, payload,
--      idempotency TTL ms (0: no key), 10 bytes that stand for its signature ('': it has none, or was counted already),
--      a send's pair ('': whoever has opted out may be sent to), or the place of the word by which a webhook opts its pair
--      out or in ('': it doesn't), which is remembered under its key, its conversation, 16 hexadecimal digits ('': it
--      takes no turn), when it is to be sent, ms since 1970 (0: now)
-- → for each message: {OK, left, reset s} | {REPLAY, first id bytes, 1 where a webhook's digest is another (else 0), what
--   is remembered of the first besides, left, reset s} | {REUSED, left, reset s} (a send's digest is another)
--   | {OPTED_OUT, left, reset s} (its pair has) | {ADDRESS, retry s} (over its limit; nothing else was looked at) | {LIMITED, retry s} | {FULL, left, reset s} | {FULL, left, reset s, scheduled}
--   (too many are scheduled) | {FULL, left, reset s, format} (format 1 has none) | {LATE, left, reset s}
--   | {SEEN, left, reset s} (its signature came before, within a day or two; nothing was written) | an error
local function accept(keys, args)
  local outbound, events, parked = keys[1], keys[2], keys[3]
  local width, sender_limit, address_limit = tonumber(args[3]), tonumber(args[4]), tonumber(args[5])
  local now, keys_each, limits, replies = now_ms(), address_limit > 0 and 3 or 2, {}, {}
  local opt_outs = opt_outs_of(outbound)
  local count = (#args - 8) / 9
  for i = 0, count - 1 do
    local first_key, first_arg = 4 + keys_each * i, 9 + 9 * i
    if sender_limit > 0 and args[first_arg] == 'accepted' then limits[keys[first_key + 1]] = sender_limit end
    if address_limit > 0 then limits[keys[first_key + 2]] = address_limit end
  end
  local found = windows(now, width, limits)
  local ctx = { outbound = outbound, events = events, now = now, at = int(now), late = now > tonumber(args[2]),
    cap = tonumber(args[1]), most_scheduled = tonumber(args[7]), most_scheduled_bytes = tonumber(args[8]),
    turns = turns_of(outbound, events, now), scheduled = scheduled_of(outbound), remembers = args[6] == '1', signatures = string.gsub(events, '^events', 'signed') .. ':',
    recorded = redis.call('XLEN', events), waiting = redis.call('XLEN', outbound) + redis.call('HLEN', parked),
    opted_out = has_opt_outs(opt_out_mark(opt_outs)) and who_opted_out(opt_outs, args, 9, 9, 6) or {} }
  look_at_turns(ctx, args, 9, 9, 7)
  for i = 0, count - 1 do
    local first_key, first_arg = 4 + keys_each * i, 9 + 9 * i
    local window = args[first_arg] == 'accepted' and found[keys[first_key + 1]] or nil
    local address = address_limit > 0 and found[keys[first_key + 2]] or nil
    replies[i + 1] = for_one(accept_one, ctx, window, address, keys[first_key], unpack(args, first_arg, first_arg + 8))
  end
  take_turns(ctx)
  write_windows(found)
  return replies
end

-- Webhooks that can't become messages are kept as dead letters, each once and only so many. What is known of them, for as
-- long as those are kept: `unread` (sorted set: hash → when it came, ms since 1970) and `unread-sizes` (hash: hash → its
-- bytes and its address; and the sums: `bytes` of all, `count:<address>` and `bytes:<address>` of one).
local function forget_unread(ctx, hash)
  local bytes, address = string.match(redis.call('HGET', ctx.sizes, hash) or '', '^(%d+) (.*)$')
  redis.call('ZREM', ctx.unread, hash)
  if not bytes then return end
  redis.call('HDEL', ctx.sizes, hash)
  redis.call('HINCRBY', ctx.sizes, 'bytes', '-' .. bytes)
  redis.call('HINCRBY', ctx.sizes, 'bytes:' .. address, '-' .. bytes)
  if redis.call('HINCRBY', ctx.sizes, 'count:' .. address, -1) <= 0 then
    redis.call('HDEL', ctx.sizes, 'count:' .. address, 'bytes:' .. address)
  end
end

-- A few at each call. A time that is ahead was set by a clock that was wrong: it counts from now.
local function forget_old_unread(ctx)
  local too_old, ahead = int(ctx.now - UNREAD_KEPT_MS), int(ctx.now + CLOCKS_APART_MS)
  for _, hash in ipairs(redis.call('ZRANGEBYSCORE', ctx.unread, '-inf', too_old, 'LIMIT', 0, UNREAD_A_CALL)) do
    forget_unread(ctx, hash)
  end
  for _, hash in ipairs(redis.call('ZRANGEBYSCORE', ctx.unread, '(' .. ahead, '+inf', 'LIMIT', 0, UNREAD_A_CALL)) do
    redis.call('ZADD', ctx.unread, int(ctx.now), hash)
  end
end

-- Whether one more of so many bytes is within the bounds; one address has a tenth of each at most.
local function has_unread_room(ctx, bytes, address, most, most_bytes)
  local sums = redis.call('HMGET', ctx.sizes, 'bytes', 'count:' .. address, 'bytes:' .. address)
  return redis.call('ZCARD', ctx.unread) < most and (tonumber(sums[1]) or 0) + bytes <= most_bytes
    and (tonumber(sums[2]) or 0) < math.floor(most / 10) and (tonumber(sums[3]) or 0) + bytes <= most_bytes / 10
end

-- keep: a webhook that can't become a message, for the persister to make a dead letter of it.
-- KEYS events, unread, unread-sizes
-- ARGV 1 cap   2 deadline, ms since 1970   3 most of them, 4 most bytes   5 hash of channel and body   6 the body's bytes
--      7 its address as limits count it   8 how long ago it arrived, ms
--      9 … the entry's other fields, each a name and its value
-- → OK | REPLAY (it is kept already) | OVER (not within the bounds: nothing written) | FULL | LATE
local function keep(keys, args)
  local events, hash, bytes, address, now = keys[1], args[5], tonumber(args[6]), args[7], now_ms()
  local ctx = { unread = keys[2], sizes = keys[3], now = now }
  if now > tonumber(args[2]) then return 'LATE' end
  forget_old_unread(ctx)
  if redis.call('ZSCORE', ctx.unread, hash) then return 'REPLAY' end
  if not has_unread_room(ctx, bytes, address, tonumber(args[3]), tonumber(args[4])) then return 'OVER' end
  if redis.call('XLEN', events) >= tonumber(args[1]) then return 'FULL' end
  redis.call('XADD', events, '*', 'v', writes, 'k', 'unread', 'hash', hash, 'at', int(now - args[8]), unpack(args, 9))
  redis.call('ZADD', ctx.unread, int(now), hash)
  redis.call('HSET', ctx.sizes, hash, int(bytes) .. ' ' .. address)
  redis.call('HINCRBY', ctx.sizes, 'bytes', int(bytes))
  redis.call('HINCRBY', ctx.sizes, 'count:' .. address, 1)
  redis.call('HINCRBY', ctx.sizes, 'bytes:' .. address, int(bytes))
  return 'OK'
end

-- A UUID's text, of its 16 bytes.
local function uuid_text(bytes)
  local hex = string.gsub(bytes, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  return (string.gsub(hex, '^(%x%x%x%x%x%x%x%x)(%x%x%x%x)(%x%x%x%x)(%x%x%x%x)', '%1-%2-%3-%4-'))
end

-- reread: a webhook that was kept and can be read by now becomes a message, as accept would have made of it, unless the
-- provider's id is that of one which came meanwhile; and its dead letter is said to be replayed, in the same step.
-- KEYS events, guard, idempotency of the provider's id, and of the caller's key
-- ARGV 1 letter's hash   2 id   3 token: the id's 16 bytes and 16 zeros   4 payload   5 cap   6 recorded (1: replayed before)
--      7 the provider's idempotency TTL ms   8 the caller's (0: no key)   9 the 16 bytes of the digest for it
-- → {OK, id bytes} | {REPLAY, the first's id bytes} (under the caller's key) | {REUSED} | {ALREADY} | {FULL}
local function reread(keys, args)
  local events, guard, provider, caller = keys[1], keys[2], keys[3], keys[4]
  local id, token, at, ttl = args[2], args[3], int(now_ms()), tonumber(args[8])
  if ttl > 0 then
    local seen = recall(caller, ttl)
    if seen and string.sub(seen, 17) ~= args[9] then return { 'REUSED' } end
    if seen then return { 'REPLAY', string.sub(seen, 1, 16) } end
  end
  if args[6] == '1' or redis.call('EXISTS', guard) == 1 then return { 'ALREADY' } end
  if redis.call('XLEN', events) >= tonumber(args[5]) then return { 'FULL' } end
  local seen = recall(provider, args[7])
  if seen then
    token = seen
    id = uuid_text(string.sub(seen, 1, 16))
  else
    record_message(events, 'received', id, at, '-', args[4])
    redis.call('SET', provider, token, 'PX', args[7])
  end
  redis.call('XADD', events, '*', 'v', writes, 'k', 'reread', 'id', id, 'letter', args[1], 'at', at)
  redis.call('SET', guard, '1', 'PX', int(LONGEST_WAIT_MS))
  if ttl > 0 then redis.call('SET', caller, string.sub(token, 1, 16) .. args[9], 'PX', args[8]) end
  return { 'OK', string.sub(token, 1, 16) }
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
  if message and (message.id ~= id or generation_of(message) ~= gen) then message = nil end
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

-- A message was delivered whatever its calls came to: its end, as by a success of that call.
local function record_arrival(ctx, id, gen, call, provider_id)
  record_outcome(ctx.events, id, gen, int(ctx.now), call, '0', 'sent', nil, true,
    cjson.encode({ provider = string.match(ctx.events, '{([^:]*)'), outcome = 'delivered', http_status = 0,
      latency_us = 0, started_ms = ctx.now, provider_message_id = provider_id }))
end

-- Where it is noted that a message was delivered, which wasn't parked: its call may be under way.
local function arrival_key(ctx, id)
  return string.gsub(ctx.events, '^events', 'arrived') .. ':' .. id
end

local function end_entry(ctx, entry_id)
  ctx.gone[entry_id] = true
  ctx.ended[#ctx.ended + 1] = entry_id
end

local function end_token(ctx, conversation, token)
  if is_ordered(conversation) then ctx.over[#ctx.over + 1], ctx.over[#ctx.over + 2] = conversation, token end
end

-- After a fail-over a message that was called may be held or scheduled again.
local function take_waiting(ctx, token)
  local held, scheduled = redis.call('HGET', ctx.turns.held, token), scheduled_of(ctx.outbound)
  local message, later = read_held(token, held), redis.call('HGET', scheduled.hash, token)
  if message then unhold(ctx.turns, message, token, held) end
  if later then unschedule(scheduled, token, later) end
end

-- One outcome of settle. ctx: what the call knows so far; ctx.ended: entries that are done with, to be deleted;
-- ctx.over: conversations and their tokens that have ended.
local function settle_one(ctx, entry_id, count, id, gen, number, verdict, delay, free, sender, conversation, payload)
  local token, message, holder = id .. ':' .. gen, nil, nil
  if not ctx.gone[entry_id] then message, holder = find_entry(ctx.outbound, ctx.group, entry_id, id, gen) end
  if not message or (holder and not owned_by(holder, ctx.me, count)) then
    if verdict ~= 'sent' then return 'LOST' end
    -- A late success is still true, the provider has the message: it is recorded and ends the token.
    record_outcome(ctx.events, id, gen, ctx.at, number, count, verdict, nil, true, payload)
    end_token(ctx, conversation, token)
    redis.call('HDEL', ctx.parked, token)
    redis.call('ZREM', ctx.due, token)
    redis.call('ZREM', ctx.refused, token)
    if not message then pcall(take_waiting, ctx, token) end
    note_outcome(ctx, sender, token, verdict)
    if message then end_entry(ctx, entry_id) end
    return 'LATE'
  end

  local reply, held = 'OK', 0
  if verdict == 'refused' then
    verdict, held = judge_refusal(ctx, sender, token)
    reply, ctx.troubled = { verdict == 'failed' and 'FAILED' or 'PARKED', held }, true
  elseif ctx.troubled then
    note_outcome(ctx, sender, token, verdict)
  end
  if verdict == 'retry' and redis.pcall('EXISTS', arrival_key(ctx, id)) == 1 then -- (or a user of an older release)
    record_outcome(ctx.events, id, gen, ctx.at, number, count, verdict, nil, false, payload)
    record_arrival(ctx, id, gen, number)
    end_token(ctx, conversation, token)
    if ctx.troubled then redis.call('ZREM', ctx.refused, token) end
  elseif verdict == 'retry' then
    record_outcome(ctx.events, id, gen, ctx.at, number, count, verdict, int(ctx.now + delay), false, payload)
    message = read_token(message)
    message.call = int(message.call + 1)
    message.wait = int(delay)
    if tonumber(message.at) > ctx.now and not is_erased(ctx, message.conversation, ctx.now) then
      message.at = int(ctx.now) -- set by a clock that was wrong
    end
    if free ~= '1' then message.spent = int(message.spent + 1) end
    message.held = nil
    redis.call('HSET', ctx.parked, token, cjson.encode(message))
    redis.call('ZADD', ctx.due, int(ctx.now + delay), token)
    pcall(note_parked, ctx.turns, message, token, true)
  else
    record_outcome(ctx.events, id, gen, ctx.at, number, count, verdict, nil, false, payload)
    end_token(ctx, conversation, token)
    if ctx.troubled then redis.call('ZREM', ctx.refused, token) end
  end
  end_entry(ctx, entry_id)
  return reply
end

-- settle: what calls came to, each for itself, in their order. Fenced by consumer, delivery count and message id.
-- What is known of refusals: `refused` (sorted set: token → when its first such answer came), `senders` (hash: sender → its
-- messages that were refused since it last had a success, JSON; no more of them than hold it), `senders-at` (sorted set:
-- sender → when the last one was) and `held-senders` (hash: sender → how it is held, JSON: see read_hold).
-- A message that is known to have arrived meanwhile isn't tried again (`arrived:{…}:<id>`, see receipts).
-- KEYS outbound, events, parked, parked-due, refused, senders, senders-at, held-senders
-- ARGV 1 me   2 when the latest call began that the provider accepted, ms since 1970 (0: none is known)
--      3 refused messages that hold their sender   4 for how long, ms;
--      for each: entry, delivery count, id, gen, call, verdict (sent | failed | retry | refused), delay ms,
--      free (1: spends no attempt), sender, conversation ('': it took no turn), payload of the outcome
-- → for each: OK | {PARKED or FAILED, 1: it holds the sender, 2: which is held, or 0} (of a refused one) | LATE (a success of an entry that
--   was no longer mine: recorded all the same) | LOST (nothing written) | an error (its entry is still there)
local function settle(keys, args)
  local ctx = { outbound = keys[1], events = keys[2], parked = keys[3], due = keys[4], refused = keys[5],
    senders = keys[6], senders_at = keys[7], held = keys[8], group = 'dispatchers', me = args[1],
    accepted = tonumber(args[2]), hold_at = tonumber(args[3]), hold_ms = tonumber(args[4]), now = now_ms(),
    gone = {}, ended = {}, over = {} }
  ctx.at, ctx.turns = int(ctx.now), turns_of(ctx.outbound, ctx.events, ctx.now)
  ctx.troubled = redis.call('EXISTS', ctx.refused, ctx.senders, ctx.held) > 0
  if ctx.accepted > ctx.now then ctx.accepted = 0 end -- of a clock that was ahead: it says nothing
  local verdicts = {}
  for first = 5, #args, 11 do
    verdicts[#verdicts + 1] = for_one(settle_one, ctx, unpack(args, first, first + 10))
  end
  if ctx.ended[1] then
    redis.pcall('XACK', ctx.outbound, ctx.group, unpack(ctx.ended))
    redis.call('XDEL', ctx.outbound, unpack(ctx.ended))
  end
  pcall(end_turns, ctx.turns, ctx.over) -- what goes wrong here costs order for a while, not the settlements
  return verdicts
end

-- One of a conversation that was erased ends uncalled.
local function end_erased(ctx, entry_id, count, id, gen)
  local message, holder = find_entry(ctx.outbound, ctx.group, entry_id, id, gen)
  if not message or (holder and not owned_by(holder, ctx.me, count)) then return 'LOST' end
  message = read_token(message)
  record_erased(ctx.turns.events, ctx.now, message, message.call - 1)
  redis.pcall('ZREM', beside(ctx.outbound, 'refused'), id .. ':' .. gen)
  redis.pcall('XACK', ctx.outbound, ctx.group, entry_id)
  redis.call('XDEL', ctx.outbound, entry_id)
  end_turn(ctx.turns, message.conversation, id .. ':' .. gen)
  return 'ERASED'
end

-- One entry of admit. ctx: what the call knows.
local function admit_one(ctx, entry_id, count, id, gen, sender, pair, conversation, accepted)
  if is_erased(ctx, conversation, tonumber(accepted)) then return end_erased(ctx, entry_id, count, id, gen) end
  if ctx.opted_out[pair] then return 'OPTED_OUT' end
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
  message = read_token(message)
  hold.waiting, message.wait, message.held = hold.waiting + 1, int(wait), '1'
  write_hold(ctx.held, sender, hold)
  redis.call('HSET', ctx.parked, token, cjson.encode(message))
  redis.call('ZADD', ctx.due, int(ctx.now + wait), token)
  pcall(note_parked, ctx.turns, message, token, false)
  redis.pcall('XACK', ctx.outbound, ctx.group, entry_id)
  redis.call('XDEL', ctx.outbound, entry_id)
  return { 'LATER', wait }
end

-- admit: entries whose senders may be held, or whose recipients may have opted out, or whose conversation may have been
-- erased, before they are called. One that may not go is put among the parked until the
-- hold is over: nothing has happened to it, so nothing is spent and nothing recorded. Once it is over, one of them is the
-- probe; only what that comes to lets the others go. Fenced as settle.
-- KEYS outbound, parked, parked-due, held-senders
-- ARGV 1 me   2 hold ms   3 a probe's lease ms   4 the run id of this Redis, '/' and PHONE_REGION ('': whoever has opted out may be called);
--      for each: entry, delivery count, id, gen, sender, pair, conversation, when it was accepted, ms since 1970
-- → for each: GO | {LATER, ms} | OPTED_OUT (its pair has: nothing written) | ERASED (its conversation was since: it has ended)
--   | LOST (nothing written) | an error
--   | UNFILLED: who has opted out isn't known, nothing of all was written
local function admit(keys, args)
  local ctx = { outbound = keys[1], parked = keys[2], due = keys[3], held = keys[4], group = 'dispatchers',
    me = args[1], hold_ms = tonumber(args[2]), lease_ms = tonumber(args[3]), now = now_ms(), opted_out = {} }
  ctx.turns = turns_of(ctx.outbound, beside(ctx.outbound, 'events'), ctx.now)
  local wanted, opt_outs, verdicts = args[4], opt_outs_of(ctx.outbound), {}
  if wanted ~= '' then
    local mark = opt_out_mark(opt_outs)
    if not knows_opt_outs(mark, wanted) then return 'UNFILLED' end
    if has_opt_outs(mark) then ctx.opted_out = who_opted_out(opt_outs, args, 5, 8, 5) end
  end
  for first = 5, #args, 8 do
    verdicts[#verdicts + 1] = for_one(admit_one, ctx, unpack(args, first, first + 7))
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

-- A message that is parked was delivered all the same: its token ends, as by a success of the last call that was made.
-- Returns whether it did; one that can't be read is unpark's.
local function end_delivered(ctx, token, packed, provider_id)
  local message = read_parked(token, packed)
  local call = message and tonumber(message.call)
  if not call then return false end
  record_arrival(ctx, message.id, message.gen, int(math.max(0, call - 1)), provider_id)
  redis.call('HDEL', ctx.parked, token)
  redis.call('ZREM', ctx.due, token)
  redis.call('ZREM', ctx.refused, token)
  end_turn(ctx.turns, message.conversation, token)
  return true
end

-- One receipt.
local function receipt_one(ctx, id, status, digest, payload)
  if digest ~= '' and is_seen(ctx, digest) then return 'SEEN' end
  local tokens, packed, provider_id, taken = {}, {}, nil, false
  if status == 'delivered' then
    for gen = 0, REPLAYED_MOST do tokens[#tokens + 1] = id .. ':' .. gen end
    packed = redis.call('HMGET', ctx.parked, unpack(tokens))
    provider_id = cjson.decode(payload).provider_message_id
  end
  record_word(ctx.events, 'receipt', id, ctx.at, payload)
  for i, token in ipairs(tokens) do
    if packed[i] then taken = end_delivered(ctx, token, packed[i], provider_id) or taken end
  end
  if status == 'delivered' and not taken and ctx.remembers then
    redis.pcall('SET', arrival_key(ctx, id), '', 'PX', int(ARRIVED_MS))
  end
  remember_signature(ctx, digest)
  return taken and 'TAKEN' or 'OK'
end

-- receipts: what a provider says became of messages of one partition, each for itself, in their order. One that says
-- `delivered` takes the message from among the parked; where it isn't there, `arrived:{…}:<id>` keeps it from getting
-- there for as long as a call may be under way (settle).
-- KEYS events, parked, parked-due, refused
-- ARGV 1 cap   2 deadline, ms since 1970   3 whether those that come now are remembered (1 | 0: memory is short)
--      4 10 bytes that stand for the request's signature ('': it has none, or was counted already);
--      for each, maybe for none: id, status (delivered | undelivered), 10 bytes that stand for what it is known by
--      ('': nothing), payload
-- → for each: OK | TAKEN (it was parked) | SEEN (it came before, within a day or two: nothing was written) | an error
--   | LATE | FULL | SEEN (the request's signature): nothing of all was written
local function receipts(keys, args)
  local now, replies, whole = now_ms(), {}, true
  local ctx = { events = keys[1], parked = keys[2], due = keys[3], refused = keys[4], now = now, at = int(now),
    remembers = args[3] == '1', signatures = string.gsub(keys[1], '^events', 'signed') .. ':' }
  ctx.turns = turns_of(string.gsub(keys[1], '^events', 'outbound'), keys[1], now)
  if now > tonumber(args[2]) then return 'LATE' end
  if args[4] ~= '' and is_seen(ctx, args[4]) then return 'SEEN' end
  if args[5] and redis.call('XLEN', ctx.events) >= tonumber(args[1]) then return 'FULL' end
  for first = 5, #args, 4 do
    local reply = for_one(receipt_one, ctx, unpack(args, first, first + 3))
    whole = whole and type(reply) == 'string'
    replies[#replies + 1] = reply
  end
  if whole then remember_signature(ctx, args[4]) end
  return replies
end

-- One token whose wait is over.
local function unpark_one(ctx, token)
  local packed = redis.call('HGET', ctx.parked, token)
  local message, why = read_parked(token, packed)
  if message then
    send(ctx.outbound, message)
    pcall(note_unheld, ctx.turns, message, token)
  else
    give_up(ctx.events, ctx.now, token, packed, why)
    local conversation = redis.pcall('HGET', ctx.turns.turn, token)
    if type(conversation) == 'string' then end_turn(ctx.turns, string.gsub(conversation, '%+$', ''), token) end
  end
  redis.call('HDEL', ctx.parked, token)
  redis.call('ZREM', ctx.due, token)
end

-- One token whose time has come, by its member of `scheduled-due`.
local function begin_scheduled(ctx, member)
  local token = string.match(member, '^%S+ (.*)$') or member
  local packed = redis.call('HGET', ctx.scheduled.hash, token)
  local message, why = read_scheduled(token, packed)
  if message and is_erased(ctx, message.conversation, scheduled_accepted(message)) then
    record_erased(ctx.events, ctx.now, message, 0)
  elseif message then
    enter(ctx.turns, message)
  else
    give_up(ctx.events, ctx.now, token, packed, why)
  end
  unschedule(ctx.scheduled, token, packed, member)
end

-- Where the clock was lost, or the setting has changed, a time may lie further ahead than it could by now.
local function shorten_turns(turns, open, wait, has_changed, most)
  local longest = (has_changed and wait or LOST_HOLDER * wait) + LONGEST_TICK_MS
  for _, conversation in ipairs(redis.call('ZRANGEBYSCORE', turns.due, '(' .. int(open + longest), '+inf', 'LIMIT', 0,
    most)) do
    local holder = redis.call('HGET', turns.turn, conversation) or ''
    redis.call('ZADD', turns.due, 'LT', int(open + longest_wait(turns, holder, wait)), conversation)
  end
end

-- Nobody has a turn who could be called, and so show that the provider works again: those who wait must go.
local function only_held(ctx)
  return redis.call('XLEN', ctx.outbound) == 0 and redis.call('HLEN', ctx.parked) == 0
end

-- The open clock goes on, while somebody waits. Returns it, or nil where nobody does.
local function tick(ctx, may_call, wait, most)
  local turns = ctx.turns
  local open = redis.call('HMGET', turns.open, 'ms', 'at', 'wait')
  local ms, at, has_changed = tonumber(open[1]) or 0, tonumber(open[2]) or ctx.now, open[3] ~= int(wait)
  if has_changed then redis.call('HSET', turns.open, 'wait', int(wait)) end
  if redis.call('EXISTS', turns.due) == 0 then return nil end
  if may_call or only_held(ctx) then ms = ms + math.min(math.max(ctx.now - at, 0), LONGEST_TICK_MS) end
  redis.call('HSET', turns.open, 'ms', int(ms), 'at', int(ctx.now))
  shorten_turns(turns, ms, wait, has_changed, most)
  return ms
end

-- Whether who has the turn, or whoever waits first, waits for its sender, as all of that sender do: while that is held, and
-- until what waited for it may be called, nobody is let go.
local function waits_for_sender(ctx, conversation, holder)
  local turns, parked_one = ctx.turns, holder and read_json(ctx.parked, holder)
  if parked_one and parked_one.held == '1' then return true end
  local senders, member = beside(turns.outbound, 'held-senders'), first_held(turns, conversation)
  if not member or redis.call('HLEN', senders) == 0 then return false end
  local token = string.match(member, '^%S+ %d+ (.*)$') or member
  local message = read_held(token, redis.call('HGET', turns.held, token))
  local done, payload = pcall(cjson.decode, message and message.p or '')
  local sender = done and type(payload) == 'table' and payload.sender
  return type(sender) == 'string' and redis.call('HGET', senders, sender) ~= false
end

-- Those who have waited for too long get the turn, whoever has it; where none of them can be read, it stays with that one.
-- → {who had it or '', who has it now, …}
local function release_turns(ctx, open, wait, most)
  local turns, released = ctx.turns, {}
  for _, conversation in ipairs(redis.call('ZRANGEBYSCORE', turns.due, '-inf', int(open), 'LIMIT', 0, most)) do
    local holder = redis.call('HGET', turns.turn, conversation)
    if waits_for_sender(ctx, conversation, holder) then
      redis.call('ZADD', turns.due, int(open + wait), conversation)
    else
      local token = hand_on(turns, conversation)
      if token then released[#released + 1], released[#released + 2] = holder or '', token end
    end
  end
  return released
end

-- Those who wait where no time is kept for their conversation, for it was lost. A few at each call, from where the last
-- one has come to.
local function find_held_strays(turns)
  if redis.call('EXISTS', turns.order) == 0 then return end
  local open, wait = read_open(turns)
  local after = redis.call('HGET', turns.open, 'looked') or ''
  for _ = 1, CONVERSATIONS_A_LOOK do
    local member = redis.call('ZRANGEBYLEX', turns.order, '(' .. after .. '!', '+', 'LIMIT', 0, 1)[1]
    after = member and string.match(member, '^%S+') or ''
    if not member then break end
    redis.call('ZADD', turns.due, 'NX', int(open + wait), after)
  end
  redis.call('HSET', turns.open, 'looked', after)
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

-- What is parked, or scheduled, without a time would never be due, and what is held without a place would never have its turn.
-- Each hash is gone through a slice a call, from its cursor on, where there is more in it than in its set; mend does what is to
-- be done of one that isn't there. Returns the next cursor, "0" where there is no more to look for.
local function find_strays(hash, set, cursor, mend)
  if redis.call('HLEN', hash) <= redis.call('ZCARD', set) then return '0' end
  local slice = redis.call('HSCAN', hash, cursor, 'COUNT', STRAYS_A_LOOK)
  for i = 1, #slice[2], 2 do mend(slice[2][i], slice[2][i + 1]) end
  return slice[1]
end

local function find_all_strays(ctx, cursors)
  local parked, scheduled, held = string.match(cursors, '^(%d+) (%d+) (%d+)$')
  parked = find_strays(ctx.parked, ctx.due, parked or '0', function(token)
    redis.call('ZADD', ctx.due, 'NX', int(ctx.now), token)
  end)
  scheduled = find_strays(ctx.scheduled.hash, ctx.scheduled.due, scheduled or '0', function(token, packed)
    local message = read_scheduled(token, packed)
    redis.call('ZADD', ctx.scheduled.due, 'NX', message and message.at or int(ctx.now), due_member(token, packed))
  end)
  held = find_strays(ctx.turns.held, ctx.turns.order, held or '0', function(token, packed)
    local message = read_held(token, packed)
    if message then
      local place = string.match(packed, '^%d+ (%d+)')
      redis.call('ZADD', ctx.turns.order, 'NX', 0, held_member(message.conversation, place, token))
    else -- nobody waits for it, and nobody can say whose it is
      give_up(ctx.events, ctx.now, token, packed, 'its held payload can not be read')
      redis.call('HDEL', ctx.turns.held, token)
    end
  end)
  return parked .. ' ' .. scheduled .. ' ' .. held
end

-- unpark: messages whose wait is over, back into the stream: those that are parked, those whose time has come, and
-- those who have waited for their turn for too long. One that can't be read doesn't hold up the others.
-- KEYS outbound, events, parked, parked-due
-- ARGV most   the longest that a wait can be, ms   cursors of the last look, "0 0 0" at first   ORDER_MAX_WAIT, ms
--      whether the provider may be called (1 | 0)
-- → {moved, ms until the next is due | -1, cursor, why what was stored wrongly could not be looked for, or '',
--   {who had a turn or '', who has it by the clock, …}, how many began to be sent that were scheduled, conversations in which
--   somebody waits}
local function unpark(keys, args)
  local most, longest_ms, cursor, wait = tonumber(args[1]), tonumber(args[2]), args[3], tonumber(args[4])
  local ctx = { outbound = keys[1], events = keys[2], parked = keys[3], due = keys[4], now = now_ms() }
  local shortened, trouble, moved, released, begun, waiting = 0, '', 0, {}, 0, 0
  local soonest = -1 -- ms
  local function expect(ms)
    if ms and (soonest < 0 or ms < soonest) then soonest = math.max(0, math.ceil(ms)) end
  end
  ctx.turns, ctx.scheduled = turns_of(ctx.outbound, ctx.events, ctx.now), scheduled_of(ctx.outbound)
  local looked, why = pcall(function() -- a user whose permissions are of an older release may not
    shortened = shorten_waits(ctx, longest_ms, most)
    cursor = find_all_strays(ctx, cursor)
  end)
  if not looked then cursor, trouble = NO_CURSORS, type(why) == 'table' and why.err or tostring(why) end
  local function move_due(due, step)
    local tokens = redis.call('ZRANGEBYSCORE', due, '-inf', int(ctx.now), 'LIMIT', 0, most)
    for _, token in ipairs(tokens) do step(ctx, token) end
    local next = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
    expect(next[2] and next[2] - ctx.now)
    return #tokens
  end
  moved = move_due(ctx.due, unpark_one)
  looked, why = pcall(function() -- the same
    begun = move_due(ctx.scheduled.due, begin_scheduled)
    find_held_strays(ctx.turns)
    local open = tick(ctx, args[5] == '1', wait, most)
    if not open then return end
    released = release_turns(ctx, open, wait, most)
    waiting = redis.call('ZCARD', ctx.turns.due)
    local next = redis.call('ZRANGE', ctx.turns.due, 0, 0, 'WITHSCORES')
    expect(next[2] and args[5] == '1' and next[2] - open or nil)
  end)
  if not looked and trouble == '' then trouble = type(why) == 'table' and why.err or tostring(why) end
  if shortened == most or cursor ~= NO_CURSORS then expect(0) end -- there may be more of them
  return { moved, soonest, cursor, trouble, released, begun, waiting }
end

-- cancel: a message that waits is not sent. One that is in `outbound` may be under way. That it was cancelled is noted for
-- an hour (`cancelled:{…}:<id>`): until a persister has recorded it, nobody else could tell who asks once more.
-- KEYS outbound, events, parked, parked-due, refused
-- ARGV id, provider, the generation that it is known to be in: it is looked for in that one, and in those that may follow
-- → {OK, gen} | {ALREADY} (it was cancelled before) | {NO} (it waits nowhere); of both: nothing was written
local function cancel(keys, args)
  local now, id, first = now_ms(), args[1], tonumber(args[3])
  local note = string.gsub(keys[2], '^events', 'cancelled') .. ':' .. id
  local ctx = { outbound = keys[1], events = keys[2], parked = keys[3], due = keys[4], refused = keys[5], now = now }
  local turns, scheduled = turns_of(ctx.outbound, ctx.events, now), scheduled_of(ctx.outbound)
  local function record(message, call)
    record_outcome(ctx.events, id, message.gen, int(now), int(call), '0', 'cancelled', nil, false,
      cjson.encode({ provider = args[2], outcome = 'cancelled', http_status = 0, latency_us = 0, started_ms = now }))
  end
  local function finish(message, token)
    redis.pcall('SET', note, '', 'PX', int(HOUR_MS)) -- a user whose permissions are of an older release may not
    end_turn(turns, message.conversation, token)
    return { 'OK', message.gen }
  end
  for gen = first, first + REPLAYED_MOST do
    local token = id .. ':' .. int(gen)
    local packed = redis.call('HGET', scheduled.hash, token)
    local message = read_scheduled(token, packed)
    if message then
      record(message, 0)
      unschedule(scheduled, token, packed)
      return finish(message, token)
    end
    packed = redis.call('HGET', turns.held, token)
    message = read_held(token, packed)
    if message then
      record(message, 0)
      unhold(turns, message, token, packed)
      return finish(message, token)
    end
    packed = redis.call('HGET', ctx.parked, token)
    message = read_parked(token, packed)
    if message and tonumber(message.call) then
      record(message, math.max(0, message.call - 1))
      redis.call('HDEL', ctx.parked, token)
      redis.call('ZREM', ctx.due, token)
      redis.call('ZREM', ctx.refused, token)
      return finish(message, token)
    end
  end
  if redis.pcall('EXISTS', note) == 1 then return { 'ALREADY' } end
  return { 'NO' }
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

-- replay: a dead letter as a token again, under a greater generation; it takes no turn. The guard stands for the persister, which may take
-- a while to record the replay.
-- KEYS outbound, events, parked, guard, idempotency
-- ARGV 1 id   2 gen   3 payload   4 cap   5 recorded (1: replayed before, only a repeat is answered otherwise)
--      6 idempotency TTL ms (0: no key)   7 token: the id's 16 bytes and the digest's 16
--      8 its pair ('': whoever has opted out may be sent to)   9 when it is to be sent, ms since 1970 (0: now)
-- → OK | REPLAY (a repeat under its key) | REUSED | ALREADY | OPTED_OUT | FULL
local function replay(keys, args)
  local outbound, events, parked, guard, idempotency = keys[1], keys[2], keys[3], keys[4], keys[5]
  local id, gen, payload, cap = args[1], args[2], args[3], tonumber(args[4])
  local recorded, ttl, token, at = args[5] == '1', tonumber(args[6]), args[7], int(now_ms())
  if ttl > 0 then
    local seen = recall(idempotency, ttl)
    if seen then return string.sub(seen, 17) == string.sub(token, 17) and 'REPLAY' or 'REUSED' end
  end
  if recorded or redis.call('EXISTS', guard) == 1 then return 'ALREADY' end
  local opt_outs = opt_outs_of(outbound)
  if args[8] ~= '' and has_opt_outs(opt_out_mark(opt_outs)) and redis.call('HGET', opt_outs, args[8]) then
    return 'OPTED_OUT'
  end
  local held = redis.pcall('HLEN', beside(outbound, 'held'))
  if type(held) == 'table' then held = 0 end -- a user whose permissions are of an older release
  local waiting = redis.call('XLEN', outbound) + redis.call('HLEN', parked) + held
  if redis.call('XLEN', events) >= cap or waiting >= cap then return 'FULL' end
  local later = writes ~= '1' and tonumber(args[9]) > tonumber(at)
  local message = { v = writes, id = id, gen = gen, call = '1', spent = '0', at = later and args[9] or at, p = payload }
  local entry = record_replay(events, id, gen, at, later and 'scheduled' or 'queued')
  if later then
    schedule(scheduled_of(outbound), message, entry, at)
  else
    send(outbound, message)
  end
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
-- (when the latest call began that the provider accepted), transitions, since (when it came into its state), left (when it
-- was last closed), paced and slowed (of the rate, below), a field `lease:<n>` a probe, and a field `held:<sender>` for
-- each sender that became held since any last had a success.
-- most: how many ms a wait may be from now: open, pause, lease. What is longer, a clock was wrong or a setting has changed:
-- it is cut, and written back, lest it is cut for ever.
local function read_breaker(key, now, most)
  local breaker = to_map(redis.call('HGETALL', key))
  breaker.mode, breaker.state = breaker.mode or 'auto', breaker.state or 'closed'
  for _, name in ipairs({ 'epoch', 'fails', 'ok', 'until', 'paused', 'accepted', 'since', 'paced', 'slowed' }) do
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
  if state == 'closed' and breaker.paced > 0 then redis.call('HSET', key, 'paced', int(now * 1000)) end -- no burst
  local from = breaker.state
  if from == 'closed' then redis.call('HSET', key, 'left', int(now)) end -- since when the provider isn't simply called
  breaker.state, breaker.epoch, breaker['until'] = state, math.max(breaker.epoch + 1, now), until_ms
  breaker.fails, breaker.ok = 0, 0
  redis.call('HSET', key, 'state', state, 'reason', reason, 'epoch', int(breaker.epoch), 'fails', '0', 'ok', '0',
    'until', int(until_ms), 'since', int(now))
  redis.call('HINCRBY', key, 'transitions', 1)
  return from
end

-- A rate: so many calls a second of the whole fleet. What is kept is up to which moment the time that comes in is spent
-- (`paced`, µs since 1970); what isn't gathers, for a second: the burst. After the breaker has closed the rate grows from
-- a tenth to the whole.
-- The µs that a call costs.
local function price_of_call(breaker, now, rate)
  local age, share = now - breaker.since, 1
  if breaker.state == 'closed' and age >= 0 and age < RAMP_MS then share = 0.1 + 0.9 * age / RAMP_MS end
  return 1000000 / (rate * share)
end

-- How many calls it lets go now, and in how many ms the next where it is none. A tenth of a second's worth at once, so
-- that others get their share. nil: there is no rate.
local function read_pace(key, breaker, now, rate)
  if rate == 0 then return nil end
  local now_us, price = now * 1000, price_of_call(breaker, now, rate)
  local spent = math.min(breaker.paced, now_us)
  if spent < breaker.paced then redis.call('HSET', key, 'paced', int(spent)) end -- a clock was wrong
  spent = math.max(spent, now_us - math.max(BURST_US, price))
  local free = math.floor((now_us - spent) / price + 0.000001)
  return { price = price, spent = spent, free = math.min(free, math.max(1, math.floor(rate / 10))),
    wait = math.ceil((spent + price - now_us) / 1000) }
end

local function spend_pace(key, pace, count)
  redis.call('HSET', key, 'paced', int(math.ceil(pace.spent + count * pace.price)))
end

-- Somebody has to wait for the rate: noted once a second, for those who watch (ingest/watch/flow.c).
local function note_slowed(key, breaker, now)
  if math.abs(now - breaker.slowed) >= 1000 then redis.call('HSET', key, 'slowed', int(now)) end
end

-- breaker_probe: may I call this provider? A GO lasts GRANT_MS from asking, and so does a PROBE; its lease lasts longer.
-- What follows a pause that was cut is one probe: the provider wants to be left alone for longer. Where there is a rate,
-- a GO is for so many calls, and what isn't used of it may be handed back (breaker_refund).
-- KEYS breaker · ARGV want, lease ms, probes, open ms, longest pause ms, rate (calls a second; 0: as many as one likes)
-- → {NO, ms, why, moved, accepted} | {GO, epoch, moved, accepted} | {GO, epoch, moved, accepted, calls, now ms, µs a call}
--   | {PROBE, epoch, moved, accepted, lease …}; moved: the state left by this call, or ''
local function breaker_probe(keys, args)
  local key, want, lease_ms, probes = keys[1], tonumber(args[1]), tonumber(args[2]), tonumber(args[3])
  local now, moved = now_ms(), ''
  local breaker = read_breaker(key, now, { open = tonumber(args[4]), pause = tonumber(args[5]), lease = lease_ms })
  local accepted = int(breaker.accepted)
  if breaker.mode == 'open' then return { 'NO', 1000, 'opened by hand', moved, accepted } end
  if breaker.paused > now then return { 'NO', breaker.paused - now, 'paused', moved, accepted } end
  local goes = breaker.mode == 'closed' or (breaker.state == 'closed' and not breaker.cut)
  if not goes and breaker.state == 'open' and now < breaker['until'] then
    return { 'NO', breaker['until'] - now, 'open', moved, accepted }
  end
  local pace = read_pace(key, breaker, now, tonumber(args[6]))
  if pace and pace.free < 1 then
    note_slowed(key, breaker, now)
    return { 'NO', pace.wait, 'paced', moved, accepted }
  end
  if goes and not pace then return { 'GO', int(breaker.epoch), moved, accepted } end
  if goes then
    local count = math.min(want, pace.free)
    spend_pace(key, pace, count)
    return { 'GO', int(breaker.epoch), moved, accepted, count, int(now), int(pace.price) }
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
  local grant = math.min(want, (breaker.cut and 1 or probes - breaker.ok) - live, pace and pace.free or want)
  if grant <= 0 then return { 'NO', soonest and soonest - now or 50, 'half-open', moved, accepted } end
  if pace then spend_pace(key, pace, grant) end
  local reply = { 'PROBE', int(breaker.epoch), moved, accepted }
  for _ = 1, grant do
    local lease = 'lease:' .. redis.call('HINCRBY', key, 'seq', 1)
    redis.call('HSET', key, lease, int(now + lease_ms))
    reply[#reply + 1] = lease
  end
  return reply
end

-- breaker_refund: what wasn't used of a GO for so many calls, for as long as it lasts: later, it would be a burst beside
-- the one that has gathered meanwhile.
-- KEYS breaker · ARGV the GO's now ms, µs of the calls → 1 | 0 where it comes too late
local function breaker_refund(keys, args)
  local age = now_ms() - tonumber(args[1])
  if age < 0 or age > GRANT_MS or not redis.call('HGET', keys[1], 'paced') then return 0 end
  redis.call('HINCRBY', keys[1], 'paced', '-' .. args[2])
  return 1
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

-- The least `at` of those who wait for their turns, of the conversations that are let go next.
local function oldest_held(turns)
  local oldest
  for _, conversation in ipairs(redis.call('ZRANGE', turns.due, 0, 99)) do
    local member = first_held(turns, conversation)
    local token = member and string.match(member, '^%S+ %d+ (.*)$')
    local message = token and read_held(token, redis.call('HGET', turns.held, token))
    local at = message and tonumber(message.at)
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

-- For how long somebody should have had a turn, ms; nil: nobody should. By the open clock, and by ours where nobody has
-- looked at that one since the oldest began to wait.
local function turn_overdue(turns, now, oldest)
  local open = redis.call('HMGET', turns.open, 'ms', 'at')
  local first = redis.call('ZRANGE', turns.due, 0, 0, 'WITHSCORES')
  if not first[2] then return nil end
  local unseen = math.min(now - (tonumber(open[2]) or 0), oldest and now - oldest or 0) - LONGEST_TICK_MS
  local overdue = math.max((tonumber(open[1]) or 0) - first[2], unseen)
  return overdue > 0 and overdue or nil
end

-- What waits for its turn, and for its time. A user whose permissions are of an older release sees none.
local function look_at_waiting(outbound, now, seen, age)
  local turns, scheduled = turns_of(outbound, nil, now), scheduled_of(outbound)
  local numbers = { 0, -1, 0, 0, 0, -1, -1 }
  pcall(function()
    local oldest = oldest_held(turns)
    local overdue = redis.call('ZCOUNT', scheduled.due, '-inf', int(now))
    local first = redis.call('ZRANGE', scheduled.due, 0, 0, 'WITHSCORES')
    numbers = { redis.call('HLEN', turns.held), age(oldest), redis.call('HLEN', scheduled.hash),
      tonumber(redis.call('GET', scheduled.bytes)) or 0, overdue, overdue > 0 and age(tonumber(first[2])) or -1,
      turn_overdue(turns, now, oldest) or -1 }
  end)
  for _, number in ipairs(numbers) do seen[#seen + 1] = number end
end

-- look: one partition at a glance; for ingest/watch/pipeline.c. Ages in ms, -1 where there is nothing.
-- KEYS outbound, events, parked, parked-due, held-senders, refused · ARGV the run id of this Redis
-- → {length, ever added, pending, consumers, age of the first entry's message, how long that entry has been there, its
--    format where that is newer than ours, or 0; the same of events; parked, overdue, longest overdue, age of the oldest;
--    senders that are held, how long ago the fifth last message was refused for the first time; pairs that have opted out,
--    1 where all of them are known, else 0; held, age of the oldest; scheduled, their bytes, overdue, longest overdue;
--    for how long the turn of one that is held has been due}
local function look(keys, args)
  local now, seen = now_ms(), {}
  local function age(at) return at and math.max(0, now - at) or -1 end
  for i, group in ipairs({ 'dispatchers', 'persisters' }) do
    local stream, pending = redis.pcall('XINFO', 'STREAM', keys[i]), redis.pcall('XPENDING', keys[i], group)
    local consumers = redis.pcall('XINFO', 'CONSUMERS', keys[i], group)
    local info = stream.err and {} or to_map(stream)
    local first = info['first-entry']
    local fields = first and to_map(first[2]) or {}
    local entered, at = first and tonumber(string.match(first[1], '^%d+')), time_of(fields)
    local format = tonumber(fields.v)
    for _, number in ipairs({ info.length or 0, info['entries-added'] or 0, pending.err and 0 or pending[1],
      consumers.err and 0 or #consumers, age(at or entered), first and waited(now, entered, at) or -1,
      format and format > tonumber(FORMAT) and format or 0 }) do seen[#seen + 1] = number end
  end
  local first = redis.call('ZRANGE', keys[4], 0, 0, 'WITHSCORES')
  local overdue = redis.call('ZCOUNT', keys[4], '-inf', int(now))
  local opt_outs, opted_out = opt_outs_of(keys[1]), 0
  local mark = opt_out_mark(opt_outs)
  if mark ~= '' then opted_out = redis.call('HLEN', opt_outs) - 1 end
  local refused = redis.call('ZRANGE', keys[6], REFUSED_IN_A_ROW - 1, REFUSED_IN_A_ROW - 1, 'REV', 'WITHSCORES')
  for _, number in ipairs({ redis.call('HLEN', keys[3]), overdue, overdue > 0 and age(tonumber(first[2])) or -1,
    age(oldest_parked(keys[3], keys[4])), redis.call('HLEN', keys[5]), age(tonumber(refused[2])),
    opted_out, knows_opt_outs(mark, args[1]) and 1 or 0 }) do
    seen[#seen + 1] = number
  end
  look_at_waiting(keys[1], now, seen, age)
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
register('keep', keep, {})
register('reread', reread, {})
register('receipts', receipts, {})
register('opt_out', opt_out, { 'allow-oom' }) -- or nothing would be called, and nothing freed
register('replay', replay, {})
register('replay_ask', replay_ask, {})
register('replay_take', replay_take, { 'allow-oom' })
register('replay_keep', replay_keep, { 'allow-oom' })
register('settle', settle, { 'allow-oom' })
register('admit', admit, { 'allow-oom' })
register('unpark', unpark, { 'allow-oom' })
register('cancel', cancel, { 'allow-oom' })
register('erase', erase, { 'allow-oom' })
register('quarantine', quarantine, { 'allow-oom' })
register('claim', claim, { 'allow-oom' })
register('renew', renew, { 'allow-oom' })
register('give_back', give_back, { 'allow-oom' })
register('done', done, { 'allow-oom' })
register('reap', reap, { 'allow-oom' })
register('breaker_probe', breaker_probe, { 'allow-oom' })
register('breaker_refund', breaker_refund, { 'allow-oom' })
register('breaker_record', breaker_record, { 'allow-oom' })
register('breaker_mode', breaker_mode, { 'allow-oom' })
register('breaker_resume', breaker_resume, { 'allow-oom' })
register('count', count, { 'allow-oom' })
register('look', look, { 'no-writes' })
