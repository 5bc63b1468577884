-- What must hold between the tables once all is settled: one row a rule, with how many things break it.
-- To look by hand: psql -f tests/chaos/counts.sql
WITH counted AS (
  SELECT conversation_id, count(*) AS messages, max(occurred_at) AS latest FROM messages GROUP BY conversation_id
), participants AS (
  SELECT participant_a AS participant, channel FROM conversations
  UNION ALL
  SELECT participant_b, channel FROM conversations WHERE participant_b <> participant_a
)
SELECT 'message_count' AS rule, count(*) AS wrong
FROM conversations c LEFT JOIN counted n ON n.conversation_id = c.id
WHERE c.message_count <> coalesce(n.messages, 0)
UNION ALL
SELECT 'last_activity_at', count(*)
FROM conversations c JOIN counted n ON n.conversation_id = c.id
WHERE c.last_activity_at <> n.latest
UNION ALL
SELECT 'conversations of count 0', count(*) FROM conversations WHERE message_count = 0
UNION ALL
SELECT 'conversations twice', count(*) - count(DISTINCT key) FROM conversations
UNION ALL
SELECT 'conversations under another key', count(*)
FROM conversations
WHERE key <> channel || ':' || participant_a || '<->' || participant_b
UNION ALL
SELECT 'totals', count(*)
FROM (SELECT channel, sum(messages) AS messages, sum(conversations) AS conversations FROM totals GROUP BY channel) t
LEFT JOIN (
  SELECT c.channel, count(*) AS conversations, sum(n.messages) AS messages
  FROM conversations c JOIN counted n ON n.conversation_id = c.id
  GROUP BY c.channel
) n USING (channel)
WHERE (t.messages, t.conversations) IS DISTINCT FROM (coalesce(n.messages, 0), coalesce(n.conversations, 0))
UNION ALL
SELECT 'participant_totals', count(*)
FROM participant_totals t
FULL JOIN (SELECT participant, channel, count(*) AS conversations FROM participants GROUP BY participant, channel) n
  USING (participant, channel)
WHERE t.conversations IS DISTINCT FROM n.conversations
UNION ALL
SELECT 'outbound messages that are not sent', count(*)
FROM messages m LEFT JOIN deliveries d ON d.message_id = m.id
WHERE m.direction = 'outbound' AND d.status IS DISTINCT FROM 'sent'
  AND NOT (m.from_address = 'unverified@chaos.example' AND d.status = 'failed') -- whom a hostile provider refuses
  AND NOT (m.to_address LIKE '+1777%' AND d.status = 'failed') -- who has opted out
  AND NOT ((m.to_address LIKE '+1888%' OR m.to_address LIKE '%@bursts.example') AND d.status = 'cancelled')
UNION ALL
SELECT 'sent without a successful attempt', count(*)
FROM deliveries d
WHERE d.status = 'sent'
  AND NOT EXISTS (SELECT FROM dispatch_attempts a WHERE a.message_id = d.message_id AND a.outcome = 'sent')
UNION ALL
SELECT 'deliveries of no message', count(*)
FROM deliveries d
WHERE d.status <> 'failed' AND NOT EXISTS (SELECT FROM messages m WHERE m.id = d.message_id)
UNION ALL
SELECT 'calls with gaps', count(*)
FROM (
  SELECT FROM dispatch_attempts WHERE delivery > 0 GROUP BY message_id, generation HAVING max(call) <> count(DISTINCT call)
) g
UNION ALL
SELECT 'failed without one open dead letter', count(*)
FROM deliveries d
WHERE d.status = 'failed' AND d.receipt IS DISTINCT FROM 'delivered' AND 1 <> (
  SELECT count(*) FROM dead_letters l
  WHERE l.stage = 'dispatch' AND l.message_id = d.message_id AND l.replayed_at IS NULL
)
UNION ALL
SELECT 'open dead letters of what has not failed', count(*)
FROM dead_letters l LEFT JOIN deliveries d USING (message_id)
WHERE l.stage = 'dispatch' AND l.replayed_at IS NULL AND d.status IS DISTINCT FROM 'failed'
