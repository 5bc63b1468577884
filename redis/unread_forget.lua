-- SPDX-License-Identifier: MIT
-- Forgets webhooks that were kept since a time and are not recorded, for bin/reconcile.sh --restored: what comes again is
-- kept again. One whose entry still waits may be kept a second time, and is one dead letter all the same.
--   redis-cli --eval redis/unread_forget.lua UNREAD UNREAD-SIZES , DRY SINCE HASH …
-- KEYS unread, unread-sizes (redis/messaging.lua, keep) · ARGV 1: forget them, 0: only count; ms since 1970; hashes of
--      those that are recorded → how many
local recorded, count = {}, 0
for i = 3, #ARGV do recorded[ARGV[i]] = true end
for _, hash in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], '+inf')) do
  if not recorded[hash] then
    count = count + 1
    if ARGV[1] == '1' then
      local bytes, address = string.match(redis.call('HGET', KEYS[2], hash) or '', '^(%d+) (.*)$')
      redis.call('ZREM', KEYS[1], hash)
      if bytes then
        redis.call('HDEL', KEYS[2], hash)
        redis.call('HINCRBY', KEYS[2], 'bytes', '-' .. bytes)
        redis.call('HINCRBY', KEYS[2], 'bytes:' .. address, '-' .. bytes)
        if redis.call('HINCRBY', KEYS[2], 'count:' .. address, -1) <= 0 then
          redis.call('HDEL', KEYS[2], 'count:' .. address, 'bytes:' .. address)
        end
      end
    end
  end
end
return count
