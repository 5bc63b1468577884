-- migrate: without a transaction
-- Messages that are deleted for good: by their age (MESSAGE_RETENTION_DAYS), or because somebody wants it. Each statement
-- may run again. Other programs go on meanwhile: indexes are built beside them, and no lock keeps them waiting.

SET lock_timeout = '2s'; -- while one waits for such a lock, all others wait behind it

-- Ids of messages that were deleted, those of message_aliases, too. What comes of such an id (a webhook once more, an
-- outcome, a receipt, a replay) is not recorded, by persister/sql/batch.sql, for 30 days from erased_at. Of what went by its
-- age that is when it was accepted.
CREATE TABLE IF NOT EXISTS erased_messages (
  id        uuid        PRIMARY KEY,
  erased_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS erased_messages_by_time ON erased_messages (erased_at);

-- How far forget_strays() has come. One row.
CREATE TABLE IF NOT EXISTS stray_search (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  passed uuid    NOT NULL
);

INSERT INTO stray_search (passed) VALUES ('00000000-0000-0000-0000-000000000000') ON CONFLICT DO NOTHING;

SET lock_timeout = '600s';
DROP INDEX CONCURRENTLY IF EXISTS messages_by_acceptance;
CREATE INDEX CONCURRENTLY messages_by_acceptance ON messages (accepted_at);
DROP INDEX CONCURRENTLY IF EXISTS message_aliases_of_message;
CREATE INDEX CONCURRENTLY message_aliases_of_message ON message_aliases (message_id);
DROP INDEX CONCURRENTLY IF EXISTS dead_letters_of_no_message;
CREATE INDEX CONCURRENTLY dead_letters_of_no_message ON dead_letters (failed_at) WHERE stage <> 'dispatch';
SET lock_timeout = '2s';

-- What is deleted all the time must be swept up all the time: its room is used again, and who looks for the oldest row
-- passes few that are gone. (By default that begins when a fifth of a table is gone.)
ALTER TABLE messages SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
ALTER TABLE attachments SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
ALTER TABLE dispatch_attempts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
ALTER TABLE receipts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);
ALTER TABLE erased_messages SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000);

-- Deletes messages with all that refers to them, as one step: at every instant all counts are those of what is there. A
-- conversation that loses its last message goes, with its older ids. A function that runs as its owner, for the persister
-- may delete nothing else of these tables.
--
-- Locks are taken in the order of persister/sql/batch.sql, so that it and persisters wait for one another but don't
-- deadlock: conversations by key, messages by id, deliveries by message, which guard attempts, dead letters, replays and
-- receipts; then participants, totals. A batch that has waited finds the message or its conversation gone, and the id in
-- erased_messages.
--
--   ids       of messages; of one that isn't stored, what is recorded of it goes all the same
--   slot      the row of `totals` that is counted in, 0 to 15
--   at        that is erased_at of all ids; NULL: of each, when its message was accepted, where that isn't 30 days ago
--   messages, conversations  how many were deleted
-- MS001: a rekey has moved one of them meanwhile; it is to be called again.
CREATE OR REPLACE FUNCTION erase_messages(ids uuid[], slot smallint, at timestamptz,
  OUT messages bigint, OUT conversations bigint)
LANGUAGE plpgsql SECURITY DEFINER AS $erase_messages$
#variable_conflict use_column
DECLARE
  locked    bigint[]; -- conversations
  shortened bigint[]; -- those of them that lost messages
  losses    bigint[]; -- so many
  channels  text[];
  emptied   bigint[];
BEGIN
  SELECT coalesce(array_agg(c.id), '{}') INTO locked
  FROM (
    SELECT k.key
    FROM (
      SELECT DISTINCT c.key
      FROM messages m JOIN conversations c ON c.id = m.conversation_id
      WHERE m.id = ANY (ids)
    ) k
    ORDER BY k.key
  ) w
  CROSS JOIN LATERAL (SELECT * FROM conversations c WHERE c.key = w.key FOR UPDATE) c;

  PERFORM FROM messages m WHERE m.id = ANY (ids) ORDER BY m.id FOR UPDATE;
  IF EXISTS (SELECT FROM messages m WHERE m.id = ANY (ids) AND NOT m.conversation_id = ANY (locked)) THEN
    RAISE EXCEPTION 'a message has another conversation meanwhile' USING ERRCODE = 'MS001';
  END IF;
  PERFORM FROM deliveries d WHERE d.message_id = ANY (ids) ORDER BY d.message_id FOR UPDATE;

  INSERT INTO erased_messages AS e (id, erased_at)
  SELECT k.id, coalesce(at, m.accepted_at)
  FROM (
    SELECT i.id, i.id AS message_id FROM unnest(ids) AS i (id)
    UNION
    SELECT a.id, a.message_id FROM message_aliases a WHERE a.message_id = ANY (ids)
  ) k
  LEFT JOIN messages m ON m.id = k.message_id
  WHERE coalesce(at, m.accepted_at) > now() - interval '30 days'
  ORDER BY k.id
  ON CONFLICT (id) DO UPDATE SET erased_at = greatest(e.erased_at, excluded.erased_at);

  DELETE FROM attachments WHERE message_id = ANY (ids);
  DELETE FROM message_aliases WHERE message_id = ANY (ids);
  DELETE FROM dispatch_attempts WHERE message_id = ANY (ids);
  DELETE FROM dead_letters WHERE stage = 'dispatch' AND message_id = ANY (ids);
  DELETE FROM replays WHERE message_id = ANY (ids);
  DELETE FROM receipts WHERE message_id = ANY (ids);
  DELETE FROM deliveries WHERE message_id = ANY (ids);

  WITH gone AS (
    DELETE FROM messages m WHERE m.id = ANY (ids) RETURNING m.conversation_id
  )
  SELECT coalesce(array_agg(c.id), '{}'), coalesce(array_agg(g.count), '{}'), coalesce(array_agg(c.channel), '{}'),
    coalesce(sum(g.count), 0)
  INTO shortened, losses, channels, messages
  FROM (SELECT conversation_id, count(*) FROM gone GROUP BY conversation_id) g JOIN conversations c ON c.id = g.conversation_id;

  -- Where the latest message stays, nothing changes that an index holds. It is looked for from the latest on: the oldest are
  -- those that have gone, and as long as somebody's snapshot has them still, each would be looked at in vain.
  WITH kept AS (
    UPDATE conversations c
    SET message_count = c.message_count - s.count, last_activity_at = l.occurred_at
    FROM unnest(shortened, losses) AS s (id, count)
    CROSS JOIN LATERAL (
      SELECT m.occurred_at FROM messages m WHERE m.conversation_id = s.id
      ORDER BY m.occurred_at DESC, m.accepted_at DESC, m.id DESC LIMIT 1
    ) l
    WHERE c.id = s.id
    RETURNING c.id
  )
  SELECT coalesce(array_agg(s.id), '{}') INTO emptied
  FROM unnest(shortened) AS s (id)
  WHERE NOT EXISTS (SELECT FROM kept k WHERE k.id = s.id);
  conversations := cardinality(emptied);
  IF conversations > 0 THEN
    INSERT INTO participant_totals AS p (participant, channel, conversations)
    SELECT n.participant, n.channel, -count(*)
    FROM (
      SELECT c.participant_a AS participant, c.channel FROM conversations c WHERE c.id = ANY (emptied)
      UNION ALL
      SELECT c.participant_b, c.channel FROM conversations c WHERE c.id = ANY (emptied) AND c.participant_b <> c.participant_a
    ) n
    GROUP BY n.participant, n.channel
    ORDER BY n.participant, n.channel
    ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + excluded.conversations;

    DELETE FROM participant_totals p
    USING (
      SELECT c.participant_a AS participant, c.channel FROM conversations c WHERE c.id = ANY (emptied)
      UNION
      SELECT c.participant_b, c.channel FROM conversations c WHERE c.id = ANY (emptied)
    ) n
    WHERE p.participant = n.participant AND p.channel = n.channel AND p.conversations = 0;

    DELETE FROM conversations c WHERE c.id = ANY (emptied);
  END IF;

  INSERT INTO totals AS t (slot, channel, conversations, messages)
  SELECT erase_messages.slot, s.channel, -count(*) FILTER (WHERE s.id = ANY (emptied)), -sum(s.count)
  FROM unnest(shortened, losses, channels) AS s (id, count, channel)
  GROUP BY s.channel
  ORDER BY s.channel
  ON CONFLICT (slot, channel) DO UPDATE
  SET conversations = t.conversations + excluded.conversations, messages = t.messages + excluded.messages;
END
$erase_messages$;

REVOKE EXECUTE ON FUNCTION erase_messages(uuid[], smallint, timestamptz) FROM PUBLIC;

-- Deletes what was recorded of messages that are not stored, 30 days after the last word of it: an outcome that came after
-- its message had been deleted, and after its id had been forgotten. (A message that could not be recorded is a dead letter
-- for as long, and may be put in its place meanwhile.) Looks at the next thousand deliveries, from the first one again after
-- the last; of two that are called at once one does nothing. seen: at how many it has looked.
CREATE OR REPLACE FUNCTION forget_strays(OUT seen bigint, OUT deleted bigint)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  start uuid;
  last  uuid;
  old   uuid[];
  gone  uuid[];
BEGIN
  seen := 0;
  deleted := 0;
  SELECT s.passed INTO start FROM stray_search s FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN;
  END IF;

  SELECT count(*), (array_agg(p.message_id ORDER BY p.message_id DESC))[1],
    coalesce(array_agg(p.message_id) FILTER (WHERE p.is_old AND NOT p.is_stored), '{}')
  INTO seen, last, old
  FROM (
    SELECT d.message_id, d.updated_at < now() - interval '30 days' AND d.updated_at > '-infinity' AS is_old,
      (SELECT m.id FROM messages m WHERE m.id = d.message_id) IS NOT NULL AS is_stored -- EXISTS might hash all of them
    FROM deliveries d
    WHERE d.message_id > start
    ORDER BY d.message_id
    LIMIT 1000
  ) p;

  IF cardinality(old) > 0 THEN
    -- Who records something of a message has its row of deliveries locked, in this order.
    PERFORM FROM deliveries d WHERE d.message_id = ANY (old) ORDER BY d.message_id FOR UPDATE;
    SELECT coalesce(array_agg(d.message_id), '{}') INTO gone
    FROM deliveries d
    WHERE d.message_id = ANY (old) AND d.updated_at < now() - interval '30 days'
      AND NOT EXISTS (SELECT FROM messages m WHERE m.id = d.message_id);

    DELETE FROM dispatch_attempts WHERE message_id = ANY (gone);
    DELETE FROM dead_letters WHERE stage = 'dispatch' AND message_id = ANY (gone);
    DELETE FROM replays WHERE message_id = ANY (gone);
    DELETE FROM receipts WHERE message_id = ANY (gone);
    DELETE FROM deliveries WHERE message_id = ANY (gone);
    GET DIAGNOSTICS deleted = ROW_COUNT;
  END IF;

  UPDATE stray_search SET passed = CASE WHEN seen = 1000 THEN last ELSE '00000000-0000-0000-0000-000000000000' END;
END
$$;

REVOKE EXECUTE ON FUNCTION forget_strays() FROM PUBLIC;

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION erase_messages(uuid[], smallint, timestamptz) SET search_path = %I, pg_temp', current_schema());
  EXECUTE format('ALTER FUNCTION forget_strays() SET search_path = %I, pg_temp', current_schema());
END
$$;

-- What the roles may do besides. It keeps what earlier migrations give them under a name of its own.
DO $$
BEGIN
  IF to_regprocedure('grant_messaging_roles_until_0010()') IS NULL THEN
    ALTER FUNCTION grant_messaging_roles() RENAME TO grant_messaging_roles_until_0010;
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION grant_messaging_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reader    CONSTANT name := 'messaging_reader';
  persister CONSTANT name := 'messaging_persister';
BEGIN
  PERFORM grant_messaging_roles_until_0010();
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN (reader, persister)) < 2 THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT SELECT, DELETE ON erased_messages TO %I', persister); -- their time is over after 30 days
  EXECUTE format('GRANT EXECUTE ON FUNCTION erase_messages(uuid[], smallint, timestamptz), forget_strays() TO %I', persister);
END
$$;

REVOKE EXECUTE ON FUNCTION grant_messaging_roles() FROM PUBLIC;

DO $$
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('messaging_reader', 'messaging_persister')) = 2 THEN
    PERFORM grant_messaging_roles(); -- else 0004_roles has said already what is to be done
  END IF;
END
$$;
