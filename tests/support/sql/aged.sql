-- For tests of what is deleted by its age: stores messages `first` to `first` + `rows` - 1 as the persister would have,
-- each in one of so many conversations, accepted from `oldest` ago to `newest` ago. Of eight in a row four came in; four
-- went out, of which one was delivered, one has failed, one was cancelled, and one (of 64: else it was sent) is not final. Four
-- fifths of the conversations are those of tests/support/load.h's senders, or of others that are named.
CREATE FUNCTION aged(first bigint, rows bigint, of_conversations bigint, oldest interval, newest interval,
  sender text DEFAULT '+1555000', first_sender integer DEFAULT 2000, recipient text DEFAULT '+16660000000') RETURNS void
LANGUAGE plpgsql AS $aged$
#variable_conflict use_column
BEGIN
  CREATE TEMPORARY TABLE aged AS
  SELECT i, i % 2 = 0 AS comes_in, now() - oldest + (oldest - newest) * ((i - first)::float8 / rows) AS at,
    CASE WHEN i % 64 = 7 THEN 'queued' ELSE (ARRAY ['sent', 'failed', 'cancelled', 'sent'])[1 + i % 8 / 2] END AS status,
    n.channel, n.a, n.b, n.channel || ':' || n.a || '<->' || n.b AS key, 0::bigint AS conversation, NULL::uuid AS id
  FROM generate_series(first, first + rows - 1) AS i
  CROSS JOIN LATERAL (SELECT (i * 7919) % of_conversations AS number) c
  CROSS JOIN LATERAL (
    SELECT 'sms' AS channel, sender || lpad((first_sender + c.number)::text, 4, '0') COLLATE "C" AS a, recipient COLLATE "C" AS b
    WHERE c.number % 5 < 4
    UNION ALL
    SELECT 'email', 'us@ours.example', 'user' || c.number || '@aged.example' WHERE c.number % 5 = 4
  ) n;
  UPDATE aged SET id = (CASE WHEN comes_in THEN substr(md5('aged' || i), 1, 12) || '8'
    ELSE lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' END
    || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid;

  WITH made AS (
    INSERT INTO conversations (key, channel, participant_a, participant_b, message_count, last_activity_at)
    SELECT key, min(channel), min(a), min(b), 0, '-infinity' FROM aged GROUP BY key ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING channel, participant_a, participant_b
  ), named AS (
    INSERT INTO participant_totals AS p (participant, channel, conversations)
    SELECT n.participant, m.channel, count(*)
    FROM made m CROSS JOIN LATERAL (VALUES (participant_a), (participant_b)) AS n (participant)
    GROUP BY n.participant, m.channel ORDER BY n.participant, m.channel
    ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + excluded.conversations
  )
  INSERT INTO totals AS t (slot, channel, conversations) SELECT 5, channel, count(*) FROM made GROUP BY channel
  ON CONFLICT (slot, channel) DO UPDATE SET conversations = t.conversations + excluded.conversations;
  UPDATE aged SET conversation = c.id FROM conversations c WHERE c.key = aged.key;

  INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, body, provider,
    provider_message_id, occurred_at, accepted_at, persisted_at, request_id)
  SELECT id, conversation, CASE WHEN comes_in THEN 'b' ELSE 'a' END, CASE WHEN comes_in THEN 'inbound' ELSE 'outbound' END,
    channel, CASE WHEN comes_in THEN b ELSE a END, CASE WHEN comes_in THEN a ELSE b END,
    'Hello! This is a test message, number ' || i || '.', CASE channel WHEN 'sms' THEN 'sms-mms' ELSE 'email' END,
    CASE WHEN comes_in THEN 'aged-' || i END, at, at, at, 'aged'
  FROM aged ORDER BY i;
  INSERT INTO attachments (message_id, position, url)
  SELECT id, p, 'https://example.com/' || i || '/' || p FROM aged CROSS JOIN generate_series(0, 1) AS p WHERE i % 16 = 2;
  INSERT INTO message_aliases (id, message_id) SELECT gen_random_uuid(), id FROM aged WHERE i % 64 = 4;
  INSERT INTO deliveries (message_id, status, generation, final, call, provider_message_id, updated_at, receipt, receipt_at)
  SELECT id, status, (i % 8 = 1 AND i % 16 = 1)::integer, status <> 'queued', 1, CASE status WHEN 'sent' THEN 'SM' || i END, at,
    CASE WHEN i % 8 = 1 THEN 'delivered' END, CASE WHEN i % 8 = 1 THEN at END
  FROM aged WHERE NOT comes_in ORDER BY id;
  INSERT INTO dispatch_attempts (message_id, generation, call, delivery, provider, outcome, http_status, latency_us,
    started_at, late)
  SELECT id, 0, 1, CASE status WHEN 'cancelled' THEN 0 ELSE 1 END, 'sms-mms', CASE status WHEN 'failed' THEN 'rejected' ELSE status END,
    0, 1000, at, false
  FROM aged WHERE NOT comes_in AND status <> 'queued' ORDER BY id;
  INSERT INTO dead_letters (stage, message_id, generation, provider, reason, attempts, failed_at)
  SELECT 'dispatch', id, 0, 'sms-mms', 'rejected: 21211', 1, at FROM aged WHERE NOT comes_in AND status = 'failed';
  INSERT INTO replays (message_id, generation, replayed_at) SELECT id, 1, at FROM aged WHERE i % 16 = 1;
  INSERT INTO receipts (message_id, provider_message_id, status, provider, arrived_at)
  SELECT id, 'SM' || i, 'delivered', 'sms-mms', at FROM aged WHERE i % 8 = 1;

  UPDATE conversations c
  SET message_count = c.message_count + n.count, last_activity_at = greatest(c.last_activity_at, n.latest)
  FROM (SELECT conversation, count(*), max(at) AS latest FROM aged GROUP BY conversation) n
  WHERE c.id = n.conversation;
  INSERT INTO totals AS t (slot, channel, messages) SELECT 5, channel, count(*) FROM aged GROUP BY channel
  ON CONFLICT (slot, channel) DO UPDATE SET messages = t.messages + excluded.messages;
  DROP TABLE aged;
END
$aged$;
