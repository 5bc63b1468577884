-- What the audit must find (plant.c has the list). Each takes another message.
CREATE TEMPORARY TABLE victims AS
SELECT id, row_number() OVER (ORDER BY id) AS n FROM messages WHERE direction = 'outbound' AND from_address <> 'unverified@chaos.example' ORDER BY id LIMIT 10;

-- A message that is lost.
DELETE FROM attachments WHERE message_id = (SELECT id FROM victims WHERE n = 1);
DELETE FROM messages WHERE id = (SELECT id FROM victims WHERE n = 1);

-- One that is stored twice.
INSERT INTO messages (id, conversation_id, direction, type, from_address, to_address, body, provider, occurred_at,
  accepted_at, request_id)
SELECT gen_random_uuid(), conversation_id, direction, type, from_address, to_address, body, provider, occurred_at,
  accepted_at, request_id
FROM messages WHERE id = (SELECT id FROM victims WHERE n = 2);

-- One that is changed.
UPDATE messages SET body = body || ' and more' WHERE id = (SELECT id FROM victims WHERE n = 3);

-- One that nobody sent.
INSERT INTO messages (id, conversation_id, direction, type, from_address, to_address, body, provider, occurred_at,
  accepted_at, request_id)
SELECT gen_random_uuid(), conversation_id, direction, type, from_address, to_address, 'who was that', provider,
  occurred_at, accepted_at, request_id
FROM messages WHERE id = (SELECT id FROM victims WHERE n = 4);

-- A wrong count.
UPDATE conversations SET message_count = message_count + 1
WHERE id = (SELECT conversation_id FROM messages WHERE id = (SELECT id FROM victims WHERE n = 5));

-- A dead letter too few, and one too many.
DELETE FROM dead_letters WHERE stage = 'persist';
INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, stream, entry_id, entry)
VALUES ('persist', 0, 'email', 'none', 0, now(), 'events:{email:0}', '1-1', '[]');

-- A pause, and a call within it; a minute from now no injection explains it.
INSERT INTO dispatch_attempts (message_id, generation, call, delivery, provider, outcome, http_status, latency_us, started_at,
  late)
SELECT a.message_id, a.generation, max(a.call) + n, 1, min(a.provider), (ARRAY['rate_limited', 'sent'])[n], 429, 30000,
  now() + interval '1 minute' + n * interval '1 second', false
FROM dispatch_attempts a, generate_series(1, 2) n
WHERE a.message_id = (SELECT id FROM victims WHERE n = 8)
GROUP BY a.message_id, a.generation, n;

-- Whose calls are to be hidden, and repeated.
SELECT (SELECT id FROM victims WHERE n = 6) || ' ' || (SELECT id FROM victims WHERE n = 7);
