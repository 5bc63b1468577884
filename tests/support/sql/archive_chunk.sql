-- Messages $1 to $2 - 1 of a database that grows in steps: every tenth belongs to conversation 1, the others go round the
-- rest, so that a thread's rows lie apart as they do in the field. One of them comes each second; every second one is
-- outbound and `sent`. archive.conversations: how many there are. Without the foreign keys' triggers, for speed.
WITH numbers AS (
  SELECT i, CASE WHEN i % 10 = 0 THEN 1 ELSE 2 + (i - i / 10 - 1) % (current_setting('archive.conversations')::bigint - 1) END
      AS conversation,
    (lpad(to_hex(1700000000000 + i), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' || substr(md5(i::text), 4, 15))::uuid
      AS id,
    timestamptz '2023-01-01 00:00:00+00' + i * interval '1 second' AS at
  FROM generate_series($1::bigint, $2::bigint - 1) AS i
), stored AS (
  INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, body, provider,
    provider_message_id, occurred_at, accepted_at, persisted_at, request_id)
  SELECT id, conversation, 'b', CASE i % 2 WHEN 0 THEN 'outbound' ELSE 'inbound' END, 'sms', '+18045551234',
    '+1' || (2000000000 + conversation), 'Hello! This is a test SMS message, number ' || i || '.', 'sms-mms',
    CASE i % 2 WHEN 1 THEN 'message-' || i END, at, at, at, id::text
  FROM numbers
), delivered AS (
  INSERT INTO deliveries (message_id, status, generation, final, call, provider_message_id, updated_at)
  SELECT id, 'sent', 0, true, 1, 'SM' || i, at FROM numbers WHERE i % 2 = 0
)
INSERT INTO dispatch_attempts (message_id, generation, call, delivery, provider, outcome, http_status, latency_us,
  started_at, provider_message_id, late)
SELECT id, 0, 1, 1, 'sms-mms', 'sent', 201, 1000, at, 'SM' || i, false FROM numbers WHERE i % 2 = 0
