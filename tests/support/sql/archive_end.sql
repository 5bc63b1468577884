-- What the persister would have counted, and the statistics that autovacuum would have gathered.
UPDATE conversations c
SET message_count = m.count, last_activity_at = m.latest
FROM (SELECT conversation_id, count(*) AS count, max(occurred_at) AS latest FROM messages GROUP BY conversation_id) m
WHERE c.id = m.conversation_id;

INSERT INTO participant_totals (participant, channel, conversations)
SELECT participant, 'sms', count(*)
FROM (SELECT participant_a AS participant FROM conversations UNION ALL SELECT participant_b FROM conversations) p
GROUP BY participant;

UPDATE totals
SET conversations = (SELECT count(*) FROM conversations), messages = (SELECT count(*) FROM messages)
WHERE slot = 0 AND channel = 'sms';
