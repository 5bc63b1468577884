-- Demo data, written to the same tables as the persister writes, with the same counts. Idempotent: ids are fixed, and a
-- message counts only where it was inserted. Run by bin/migrate.sh seed.
BEGIN;

INSERT INTO providers (name, channel, description) VALUES
  ('sms-mms', 'sms', 'SMS and MMS, by Twilio''s Messages API'),
  ('email', 'email', 'Email, by SendGrid''s mail/send API')
ON CONFLICT DO NOTHING;

INSERT INTO customers (name, phone, email) VALUES
  ('Acme Roofing', '+12015550100', 'office@acme-roofing.example'),
  ('Blue Door Dental', '+12015550200', 'desk@bluedoor.example'),
  ('Northside Garage', '+12015550300', NULL)
ON CONFLICT (name) DO NOTHING;

CREATE TEMPORARY TABLE seed (
  id                  uuid,
  channel             text,
  direction           text,
  type                text,
  from_address        text,
  to_address          text,
  subject             text,
  body                text,
  attachments         text[],
  provider_message_id text,
  occurred_at         timestamptz
) ON COMMIT DROP;

INSERT INTO seed VALUES
  ('00000000-0000-7000-8000-000000000001', 'sms', 'outbound', 'sms', '+12015550100', '+18045550111', NULL,
   'Hi Dana, your roof inspection is on Friday at 9.', NULL, 'SM-seed-1', '2024-11-01T14:00:00Z'),
  ('00000000-0000-8000-8000-000000000002', 'sms', 'inbound', 'sms', '+18045550111', '+12015550100', NULL,
   'Great, see you then!', NULL, 'seed-inbound-2', '2024-11-01T14:03:12Z'),
  ('00000000-0000-8000-8000-000000000003', 'sms', 'inbound', 'mms', '+18045550111', '+12015550100', NULL,
   'This is the leak.', ARRAY ['https://example.com/leak.jpg'], 'seed-inbound-3', '2024-11-01T14:04:40Z'),
  ('00000000-0000-7000-8000-000000000004', 'sms', 'outbound', 'mms', '+12015550200', '+18045550122', NULL,
   'Your new appointment card', ARRAY ['https://example.com/card.png', 'https://example.com/map.png'], 'MM-seed-4',
   '2024-11-02T09:30:00Z'),
  ('00000000-0000-7000-8000-000000000005', 'email', 'outbound', 'email', 'desk@bluedoor.example', 'sam@example.com', 'Your invoice',
   '<html><body>Your <b>invoice</b> is attached.</body></html>', ARRAY ['https://example.com/invoice.pdf'],
   'seed-email-5', '2024-11-02T10:00:00Z'),
  ('00000000-0000-8000-8000-000000000006', 'email', 'inbound', 'email', 'sam@example.com', 'desk@bluedoor.example', 'Re: Your invoice',
   'Thank you, paid.', NULL, 'seed-inbound-6', '2024-11-02T11:15:30.250Z');

CREATE TEMPORARY TABLE seed_thread ON COMMIT DROP AS
SELECT id, channel,
  least(from_address COLLATE "C", to_address COLLATE "C") AS participant_a,
  greatest(from_address COLLATE "C", to_address COLLATE "C") AS participant_b,
  channel || ':' || least(from_address COLLATE "C", to_address COLLATE "C")
    || '<->' || greatest(from_address COLLATE "C", to_address COLLATE "C") AS key
FROM seed;

INSERT INTO conversations (key, channel, participant_a, participant_b, last_activity_at)
SELECT t.key, t.channel, t.participant_a, t.participant_b, min(s.occurred_at)
FROM seed_thread t JOIN seed s USING (id)
WHERE NOT EXISTS (SELECT FROM conversations c WHERE c.key = t.key)
GROUP BY t.key, t.channel, t.participant_a, t.participant_b
ORDER BY min(s.id::text)
ON CONFLICT (key) DO NOTHING;

-- Locked in the persister's order, so that a seed beside a running persister is safe.
CREATE TEMPORARY TABLE seed_new ON COMMIT DROP AS
SELECT c.id AS conversation_id, c.message_count = 0 AS created, t.id
FROM (SELECT * FROM seed_thread ORDER BY key) t
CROSS JOIN LATERAL (SELECT * FROM conversations c WHERE c.key = t.key FOR NO KEY UPDATE) c
WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = t.id);

INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, subject, body, provider,
  provider_message_id, occurred_at, accepted_at, request_id)
SELECT s.id, n.conversation_id, CASE WHEN s.from_address = t.participant_a THEN 'a' ELSE 'b' END, s.direction, s.type,
  s.from_address, s.to_address, s.subject, s.body,
  CASE s.channel WHEN 'email' THEN 'email' ELSE 'sms-mms' END,
  CASE s.direction WHEN 'inbound' THEN s.provider_message_id END, s.occurred_at, s.occurred_at, 'seed'
FROM seed s JOIN seed_new n USING (id) JOIN seed_thread t USING (id);

INSERT INTO attachments (message_id, position, url)
SELECT s.id, a.ordinality - 1, a.url
FROM seed s JOIN seed_new USING (id)
CROSS JOIN LATERAL unnest(s.attachments) WITH ORDINALITY AS a (url, ordinality);

UPDATE conversations c
SET message_count = c.message_count + t.added, last_activity_at = greatest(c.last_activity_at, t.latest)
FROM (
  SELECT n.conversation_id, count(*) AS added, max(s.occurred_at) AS latest
  FROM seed_new n JOIN seed s USING (id)
  GROUP BY n.conversation_id
) t
WHERE c.id = t.conversation_id;

INSERT INTO deliveries (message_id, status, generation, final, call, provider_message_id, updated_at)
SELECT id, 'sent', 0, true, 1, provider_message_id, occurred_at + interval '1 second'
FROM seed JOIN seed_new USING (id)
WHERE direction = 'outbound'
ON CONFLICT DO NOTHING;

INSERT INTO dispatch_attempts (message_id, generation, call, delivery, provider, outcome, http_status, latency_us,
  started_at, provider_message_id, late)
SELECT id, 0, 1, 1, CASE channel WHEN 'email' THEN 'email' ELSE 'sms-mms' END, 'sent',
  CASE channel WHEN 'email' THEN 202 ELSE 201 END, 42000, occurred_at + interval '900 milliseconds',
  provider_message_id, false
FROM seed JOIN seed_new USING (id)
WHERE direction = 'outbound'
ON CONFLICT DO NOTHING;

INSERT INTO participant_totals AS p (participant, channel, conversations)
SELECT participant, channel, count(DISTINCT key)
FROM (
  SELECT t.participant_a AS participant, t.channel, t.key FROM seed_thread t JOIN seed_new n USING (id) WHERE n.created
  UNION ALL
  SELECT t.participant_b, t.channel, t.key FROM seed_thread t JOIN seed_new n USING (id) WHERE n.created
) n
GROUP BY participant, channel
ORDER BY participant, channel
ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + excluded.conversations;

INSERT INTO totals AS t (slot, channel, conversations, messages)
SELECT 0, s.channel, count(DISTINCT n.conversation_id) FILTER (WHERE n.created), count(*)
FROM seed_new n JOIN seed s USING (id)
GROUP BY s.channel
ORDER BY s.channel
ON CONFLICT (slot, channel) DO UPDATE
SET conversations = t.conversations + excluded.conversations, messages = t.messages + excluded.messages;

COMMIT;
