-- migrate: without a transaction
-- Webhooks that can't become messages, kept as dead letters of stage `webhook`. Each statement may run again. Other
-- programs go on meanwhile: the new check is true of all that is there, so it is only looked up, without a lock that
-- keeps them waiting, and the index is built beside them.

SET lock_timeout = '2s'; -- while one waits for such a lock, all others wait behind it

-- channel: of the route that it came to. hash: of channel and raw, in hexadecimal digits. field: what is wrong; NULL the body
-- as a whole. arrived_at: by Redis's clock. raw: the body, as it came, of media_type.
ALTER TABLE dead_letters
  ADD COLUMN IF NOT EXISTS channel        text COLLATE "C",
  ADD COLUMN IF NOT EXISTS hash           text COLLATE "C",
  ADD COLUMN IF NOT EXISTS field          text,
  ADD COLUMN IF NOT EXISTS media_type     text,
  ADD COLUMN IF NOT EXISTS client_address text,
  ADD COLUMN IF NOT EXISTS request_id     text,
  ADD COLUMN IF NOT EXISTS arrived_at     timestamptz,
  ADD COLUMN IF NOT EXISTS raw            bytea;

ALTER TABLE dead_letters
  DROP CONSTRAINT IF EXISTS dead_letters_stage_check,
  DROP CONSTRAINT IF EXISTS dead_letters_webhook_check,
  ADD CONSTRAINT dead_letters_stage_check CHECK (stage IN ('dispatch', 'persist', 'webhook')) NOT VALID,
  ADD CONSTRAINT dead_letters_webhook_check CHECK (stage <> 'webhook' OR (message_id IS NULL
    AND num_nulls(channel, hash, client_address, request_id, arrived_at, raw) = 0)) NOT VALID;

ALTER TABLE dead_letters VALIDATE CONSTRAINT dead_letters_stage_check;
ALTER TABLE dead_letters VALIDATE CONSTRAINT dead_letters_webhook_check;

SET lock_timeout = '600s';
DROP INDEX CONCURRENTLY IF EXISTS dead_letters_webhook;
CREATE UNIQUE INDEX CONCURRENTLY dead_letters_webhook ON dead_letters (channel, hash) WHERE stage = 'webhook';
SET lock_timeout = '2s';

-- As 0005_subjects_and_aliases has it; of a webhook, its reason without the class, and what the columns above hold.
CREATE OR REPLACE VIEW dead_letter_contents AS
SELECT d.id, d.stage, d.message_id, d.generation, d.provider,
  CASE d.stage WHEN 'webhook' THEN substr(d.reason, length('unread: ') + 1) ELSE d.reason END AS reason,
  d.attempts, d.failed_at, d.replayed_at, d.stream, d.entry_id, d.entry, d.class,
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
  )::text AS message,
  d.channel, d.field, d.media_type, d.client_address, d.request_id, d.arrived_at, d.raw
FROM dead_letters AS d;
