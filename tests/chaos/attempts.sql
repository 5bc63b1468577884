-- Every recorded call of a provider in the order in which they began: when its answer was in, and whether that was a 429.
-- Both times are the dispatcher's: what the mock notes comes later by as much as a busy machine keeps either of them waiting.
SELECT provider, message_id, round(extract(epoch FROM started_at) * 1000)::bigint,
  round(extract(epoch FROM started_at) * 1000 + latency_us / 1000.0)::bigint, outcome = 'rate_limited'
FROM dispatch_attempts
WHERE outcome <> 'cancelled' -- which is no call
ORDER BY started_at
