-- What a mail is about; which participant of its conversation sent a message; the other id by which a message is known.

-- sent_by is NULL only where a release before this migration stored the message. Both checks are validated by
-- 0006_thread_order, which holds nobody up while it looks at all rows.
ALTER TABLE messages
  ADD COLUMN subject text,
  ADD COLUMN sent_by text COLLATE "C",
  ADD CONSTRAINT messages_sent_by_check CHECK (sent_by IN ('a', 'b')) NOT VALID;

-- A webhook's id has been made in two ways. Where a message came under both, it is stored once, under the one that came
-- first, and the other is here.
CREATE TABLE message_aliases (
  id         uuid PRIMARY KEY,
  message_id uuid NOT NULL
);

-- As 0003_replays has it, with the subject; accepted_at is finer than a millisecond now.
CREATE OR REPLACE VIEW dead_letter_contents AS
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

-- As 0004_roles has it, with message_aliases.
CREATE OR REPLACE FUNCTION grant_messaging_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reader    CONSTANT name := 'messaging_reader';
  persister CONSTANT name := 'messaging_persister';
  one       name;
BEGIN
  FOREACH one IN ARRAY ARRAY [reader, persister] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', one);
    EXCEPTION
      WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = one) THEN
      RAISE WARNING 'the roles % and % are left out, for % may not make roles: let a superuser make them, then run SELECT grant_messaging_roles()',
        reader, persister, current_user;
      RETURN;
    END IF;
  END LOOP;

  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', current_schema(), reader, persister);
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), persister); -- its staging tables

  -- Every table that is read is read by both: the persister looks at what is there before it writes.
  EXECUTE format('GRANT SELECT ON conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters,
    dead_letter_contents, replays, totals, participant_totals, message_aliases TO %I, %I', reader, persister);
  EXECUTE format('GRANT INSERT ON conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters,
    replays, totals, participant_totals, message_aliases TO %I', persister);

  -- What may change once it is written, by column; messages, their aliases and attachments never do.
  EXECUTE format('GRANT UPDATE (message_count, last_activity_at) ON conversations TO %I', persister);
  EXECUTE format('GRANT UPDATE (status, generation, final, call, provider_message_id, updated_at) ON deliveries TO %I',
    persister);
  EXECUTE format('GRANT UPDATE (provider, outcome, http_status, latency_us, started_at, error, provider_message_id,
    next_attempt_at, late) ON dispatch_attempts TO %I', persister);
  EXECUTE format('GRANT UPDATE (replayed_at) ON dead_letters, replays TO %I', persister);
  EXECUTE format('GRANT UPDATE (conversations, messages) ON totals TO %I', persister);
  EXECUTE format('GRANT UPDATE (conversations) ON participant_totals TO %I', persister);

  -- Dead letters go after 30 days, and when a message was sent after all.
  EXECUTE format('GRANT DELETE ON dead_letters TO %I', persister);
END
$$;

-- Where the roles are missing, 0004_roles has said how to go on.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'messaging_reader') THEN
    PERFORM grant_messaging_roles();
  END IF;
END
$$;
