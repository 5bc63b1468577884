-- The rows of one staged batch of outbound SMS, as plainly as SQL can: no redelivery, no other writer, no other kind of
-- event has to be thought of. The same tables are filled as by persister/sql/batch.sql, with the same values.
WITH counted AS (
  SELECT key, min(participant_a) AS participant_a, min(participant_b) AS participant_b, count(*) AS added,
    max(occurred_at) AS latest
  FROM stage
  GROUP BY key
), conversation AS (
  INSERT INTO conversations AS c (key, channel, participant_a, participant_b, message_count, last_activity_at)
  SELECT key, 'sms', participant_a, participant_b, added, latest FROM counted ORDER BY key
  ON CONFLICT (key) DO UPDATE
  SET message_count = c.message_count + excluded.message_count,
    last_activity_at = greatest(c.last_activity_at, excluded.last_activity_at)
  RETURNING id, key, participant_a, participant_b, xmax = 0 AS created
), stored AS (
  INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, body, provider,
    occurred_at, accepted_at, request_id)
  SELECT s.id, c.id, CASE WHEN s.from_address = s.participant_a THEN 'a' ELSE 'b' END, 'outbound', 'sms', s.from_address, s.to_address, s.body, 'sms-mms', s.occurred_at, s.accepted_at,
    s.request_id
  FROM stage s JOIN conversation c USING (key)
  ORDER BY s.id
), delivery AS (
  INSERT INTO deliveries (message_id, status, generation, final, call, updated_at)
  SELECT id, 'queued', 0, false, 0, accepted_at FROM stage ORDER BY id
), participants AS (
  INSERT INTO participant_totals AS p (participant, channel, conversations)
  SELECT n.participant, 'sms', count(*)
  FROM (
    SELECT participant_a AS participant FROM conversation WHERE created
    UNION ALL
    SELECT participant_b FROM conversation WHERE created
  ) n
  GROUP BY n.participant
  ORDER BY n.participant
  ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + excluded.conversations
)
UPDATE totals
SET conversations = conversations + (SELECT count(*) FROM conversation WHERE created),
  messages = messages + (SELECT count(*) FROM stage)
WHERE slot = 0 AND channel = 'sms'
