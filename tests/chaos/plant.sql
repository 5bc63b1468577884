-- What the audit must find (plant.c has the list). Each takes another message: one whose first request was answered 202, so
-- that its row is explained by that alone, and one call, so that no injection can explain another. plant.c fills `accepted`.
CREATE TEMPORARY TABLE victims AS
SELECT id, row_number() OVER (ORDER BY id) AS n
FROM accepted JOIN messages USING (id) JOIN deliveries d ON d.message_id = id
WHERE d.status = 'sent' AND 1 = (SELECT count(*) FROM dispatch_attempts a WHERE a.message_id = id);

-- A message that is lost.
DELETE FROM attachments WHERE message_id = (SELECT id FROM victims WHERE n = 1);
DELETE FROM messages WHERE id = (SELECT id FROM victims WHERE n = 1);

-- One that is stored twice.
INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, body, provider, occurred_at,
  accepted_at, request_id)
SELECT gen_random_uuid(), conversation_id, sent_by, direction, type, from_address, to_address, body, provider, occurred_at,
  accepted_at, request_id
FROM messages WHERE id = (SELECT id FROM victims WHERE n = 2);

-- One that is changed.
UPDATE messages SET body = body || ' and more' WHERE id = (SELECT id FROM victims WHERE n = 3);

-- One that nobody sent.
INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, body, provider, occurred_at,
  accepted_at, request_id)
SELECT gen_random_uuid(), conversation_id, sent_by, direction, type, from_address, to_address, 'who was that', provider,
  occurred_at, accepted_at, request_id
FROM messages WHERE id = (SELECT id FROM victims WHERE n = 4);

-- A wrong count.
UPDATE conversations SET message_count = message_count + 1
WHERE id = (SELECT conversation_id FROM messages WHERE id = (SELECT id FROM victims WHERE n = 5));

-- A dead letter too few, and one too many.
DELETE FROM dead_letters WHERE stage = 'persist';
INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, stream, entry_id, entry)
VALUES ('persist', 0, 'email', 'none', 0, now(), 'events:{email:0}', '1-1', '[]');

-- An unreadable webhook that is lost, one that is there twice, one that nobody sent.
DELETE FROM dead_letters WHERE id = (SELECT min(id) FROM dead_letters WHERE stage = 'webhook');
INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, channel, hash, client_address, request_id,
  arrived_at, raw)
SELECT 'webhook', 0, provider, reason, 0, failed_at, channel, 'planted ' || n, client_address, request_id, arrived_at,
  CASE n WHEN 1 THEN raw ELSE 'who was that' END
FROM dead_letters, generate_series(1, 2) n
WHERE id = (SELECT max(id) FROM dead_letters WHERE stage = 'webhook');

-- A pause, and a call within it; a minute from now no injection explains it.
INSERT INTO dispatch_attempts (message_id, generation, call, delivery, provider, outcome, http_status, latency_us, started_at,
  late)
SELECT a.message_id, a.generation, max(a.call) + n, 1, min(a.provider), (ARRAY['rate_limited', 'sent'])[n], 429, 30000,
  now() + interval '1 minute' + n * interval '1 second', false
FROM dispatch_attempts a, generate_series(1, 2) n
WHERE a.message_id = (SELECT id FROM victims WHERE n = 6)
GROUP BY a.message_id, a.generation, n;

-- A receipt that is lost, one that nobody sent, one that is not the latest.
DELETE FROM receipts r USING heard h
WHERE (r.message_id, r.provider_message_id, r.status) = (h.id, h.of_provider, h.status);
INSERT INTO receipts (message_id, provider_message_id, status, provider, arrived_at)
VALUES ((SELECT id FROM victims WHERE n = 2), 'planted', 'delivered', 'email', now() + interval '1 minute');
UPDATE deliveries SET receipt = CASE receipt WHEN 'delivered' THEN 'undelivered' ELSE 'delivered' END
WHERE message_id = (SELECT r.message_id FROM receipts r, heard h
  WHERE r.message_id <> h.id AND r.message_id NOT IN (SELECT id FROM victims WHERE n <= 8) ORDER BY 1 LIMIT 1);

-- An opt-out that was forgotten.
UPDATE opt_outs SET state = 'in' WHERE their_address = (SELECT address FROM opted_out);

-- A message of a batch that is stored under another id, a cancel that did not hold, one that nobody asked for, and two
-- messages that were called the other way round.
UPDATE messages SET id = gen_random_uuid() WHERE id = (SELECT id FROM bursts WHERE what = 'stored');
UPDATE deliveries SET status = 'sent' WHERE message_id = (SELECT id FROM bursts WHERE what = 'sent');
UPDATE deliveries SET status = 'cancelled' WHERE message_id = (SELECT id FROM bursts WHERE what = 'wrongly cancelled');
UPDATE messages SET accepted_at = (SELECT m.accepted_at + interval '1 microsecond' FROM messages m JOIN bursts USING (id)
  WHERE what = 'second')
WHERE id = (SELECT id FROM bursts WHERE what = 'first');

-- Whose calls are to be hidden, and repeated.
SELECT (SELECT id FROM victims WHERE n = 7) || ' ' || (SELECT id FROM victims WHERE n = 8);
