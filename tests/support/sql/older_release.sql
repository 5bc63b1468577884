-- What release 50b4a1b stores: for tests of what becomes of it. older(…) stores n messages of a conversation whose
-- participants its rules made of an address as it was given.
CREATE FUNCTION older(of_channel text, from_address text, to_address text, sender text, recipient text, n integer)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  a  text := least(sender COLLATE "C", recipient COLLATE "C");
  b  text := greatest(sender COLLATE "C", recipient COLLATE "C");
  at bigint := (SELECT id FROM conversations WHERE key = of_channel || ':' || a || '<->' || b);
BEGIN
  IF at IS NULL THEN
    INSERT INTO conversations (key, channel, participant_a, participant_b, last_activity_at)
    VALUES (of_channel || ':' || a || '<->' || b, of_channel, a, b, '-infinity') RETURNING id INTO at;
    UPDATE totals SET conversations = conversations + 1 WHERE slot = 3 AND channel = of_channel;
    INSERT INTO participant_totals AS p (participant, channel, conversations)
    SELECT DISTINCT unnest(ARRAY [a, b]), of_channel, 1
    ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + 1;
  END IF;
  INSERT INTO messages (id, conversation_id, direction, type, from_address, to_address, body, provider,
    provider_message_id, occurred_at, accepted_at, request_id)
  SELECT gen_random_uuid(), at, 'inbound', of_channel, from_address, to_address, 'message ' || i,
    CASE of_channel WHEN 'sms' THEN 'sms-mms' ELSE 'email' END, gen_random_uuid(),
    '2024-11-01T14:00:00Z'::timestamptz + random() * interval '30 days', now(), ''
  FROM generate_series(1, n) AS i;
  UPDATE conversations c
  SET message_count = c.message_count + n,
    last_activity_at = (SELECT max(occurred_at) FROM messages WHERE conversation_id = at)
  WHERE id = at;
  UPDATE totals SET messages = messages + n WHERE slot = 3 AND channel = of_channel;
END
$$;
