-- Takes 0007_unread_webhooks back, and with it the webhooks that were kept.
DELETE FROM dead_letters WHERE stage = 'webhook';
DROP VIEW dead_letter_contents;
DROP INDEX dead_letters_webhook;
ALTER TABLE dead_letters
  DROP CONSTRAINT dead_letters_stage_check,
  DROP CONSTRAINT dead_letters_webhook_check,
  ADD CONSTRAINT dead_letters_stage_check CHECK (stage IN ('dispatch', 'persist')),
  DROP COLUMN channel, DROP COLUMN hash, DROP COLUMN field, DROP COLUMN media_type, DROP COLUMN client_address,
  DROP COLUMN request_id, DROP COLUMN arrived_at, DROP COLUMN raw;

CREATE VIEW dead_letter_contents AS
SELECT d.*,
  CASE d.stage WHEN 'persist' THEN d.entry ELSE (
    SELECT CASE m.type
      WHEN 'email' THEN (SELECT row_to_json(p) FROM (SELECT m.from_address AS "from", m.to_address AS "to", m.subject,
        m.body, a.attachments, shown_time(m.occurred_at) AS "timestamp") AS p)
      ELSE (SELECT row_to_json(p) FROM (SELECT m.from_address AS "from", m.to_address AS "to", m.type, m.body,
        a.attachments, shown_time(m.occurred_at) AS "timestamp") AS p) END
    FROM messages AS m CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(url ORDER BY position), '[]') AS attachments FROM attachments WHERE message_id = m.id
    ) AS a
    WHERE m.id = d.message_id
  )::text END AS payload,
  (
    SELECT (SELECT row_to_json(p) FROM (SELECT m.type, m.direction, m.from_address AS "from", m.to_address AS "to",
      m.subject, m.body, a.attachments, (extract(epoch FROM m.occurred_at) * 1000)::bigint AS occurred_ms,
      floor(extract(epoch FROM m.accepted_at) * 1000)::bigint AS accepted_ms,
      nullif(m.request_id, '') AS request_id) AS p)
    FROM messages AS m CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(url ORDER BY position), '[]') AS attachments FROM attachments WHERE message_id = m.id
    ) AS a
    WHERE m.id = d.message_id
  )::text AS message
FROM dead_letters AS d;

DO $$
BEGIN
  PERFORM grant_messaging_roles();
END
$$;
