-- Dead letters to list by provider and reason, to show with what they hold, and to replay; the replays of a message, for
-- its timeline.

-- What a filter by reason compares: the outcome of the last call, without the text that explains it.
ALTER TABLE dead_letters ADD COLUMN class text COLLATE "C" NOT NULL
  GENERATED ALWAYS AS (CASE stage WHEN 'persist' THEN 'poison' ELSE split_part(reason, ':', 1) END) STORED;

CREATE INDEX dead_letters_by_provider           ON dead_letters (provider, failed_at DESC, id DESC);
CREATE INDEX dead_letters_by_class              ON dead_letters (class, failed_at DESC, id DESC);
CREATE INDEX dead_letters_by_provider_and_class ON dead_letters (provider, class, failed_at DESC, id DESC);

-- Those that can be replayed, to count and to page through without a look at the table.
CREATE INDEX dead_letters_open ON dead_letters (id) INCLUDE (provider, class, failed_at)
  WHERE stage = 'dispatch' AND replayed_at IS NULL;

-- When each generation of a message began. Dead letters go after 30 days; this stays with the message.
CREATE TABLE replays (
  message_id  uuid        NOT NULL,
  generation  integer     NOT NULL,
  replayed_at timestamptz NOT NULL,
  PRIMARY KEY (message_id, generation)
);

-- A time as the API shows it.
CREATE FUNCTION shown_time(at timestamptz) RETURNS text LANGUAGE sql STABLE
  RETURN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Dead letters with what they hold. The columns below are subqueries, so that a statement pays for those it names, a
-- row at a time.
--   payload  the body of the send that brought the message; of poison, its entry
--   message  what goes to the dispatcher again, but for the normalized addresses, which the programs know how to make
CREATE VIEW dead_letter_contents AS
SELECT d.*,
  CASE d.stage WHEN 'persist' THEN d.entry ELSE (
    SELECT CASE m.type
      WHEN 'email' THEN (SELECT row_to_json(p) FROM (SELECT m.from_address AS "from", m.to_address AS "to", m.body,
        a.attachments, shown_time(m.occurred_at) AS "timestamp") AS p)
      ELSE (SELECT row_to_json(p) FROM (SELECT m.from_address AS "from", m.to_address AS "to", m.type, m.body,
        a.attachments, shown_time(m.occurred_at) AS "timestamp") AS p) END
    FROM messages AS m CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(url ORDER BY position), '[]') AS attachments FROM attachments WHERE message_id = m.id
    ) AS a
    WHERE m.id = d.message_id
  )::text END AS payload,
  (
    SELECT (SELECT row_to_json(p) FROM (SELECT m.type, m.direction, m.from_address AS "from", m.to_address AS "to",
      m.body, a.attachments, (extract(epoch FROM m.occurred_at) * 1000)::bigint AS occurred_ms,
      (extract(epoch FROM m.accepted_at) * 1000)::bigint AS accepted_ms,
      nullif(m.request_id, '') AS request_id) AS p)
    FROM messages AS m CROSS JOIN LATERAL (
      SELECT coalesce(json_agg(url ORDER BY position), '[]') AS attachments FROM attachments WHERE message_id = m.id
    ) AS a
    WHERE m.id = d.message_id
  )::text AS message
FROM dead_letters AS d;
