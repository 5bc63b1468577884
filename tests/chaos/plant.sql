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

-- Whose calls are to be hidden, and repeated.
SELECT (SELECT id FROM victims WHERE n = 6) || ' ' || (SELECT id FROM victims WHERE n = 7);
