-- Conversations that somebody wants erased for good (DELETE /api/conversations/{id}): what was accepted of them until
-- then is deleted by a persister (persister/eraser.c), and not stored where it comes later (persister/sql/batch.sql).

CREATE TABLE erased_conversations (
  key           text COLLATE "C" PRIMARY KEY,
  channel       text COLLATE "C" NOT NULL,
  participant_a text COLLATE "C" NOT NULL,
  participant_b text COLLATE "C" NOT NULL,
  erased_at     timestamptz NOT NULL, -- until when, to the millisecond
  finished_at   timestamptz           -- when the last message was deleted; NULL: some are left
);

CREATE INDEX erased_conversations_unfinished ON erased_conversations (erased_at) WHERE finished_at IS NULL;
CREATE INDEX erased_conversations_finished   ON erased_conversations (finished_at);

-- Erasures that a rekey finds under former identities hold for today's as well.
CREATE FUNCTION complete_erasures(keys text[], new_keys text[], participants_a text[], participants_b text[])
RETURNS void LANGUAGE sql AS $$
  INSERT INTO erased_conversations AS e (key, channel, participant_a, participant_b, erased_at, finished_at)
  SELECT DISTINCT ON (n.new_key) n.new_key, o.channel, n.participant_a, n.participant_b, o.erased_at, o.finished_at
  FROM unnest(keys, new_keys, participants_a, participants_b) AS n (key, new_key, participant_a, participant_b)
  JOIN erased_conversations o ON o.key = n.key COLLATE "C"
  ORDER BY n.new_key, o.erased_at DESC
  ON CONFLICT (key) DO UPDATE SET erased_at = excluded.erased_at, finished_at = excluded.finished_at
  WHERE excluded.erased_at > e.erased_at
$$;

-- What the roles may do besides. It keeps what earlier migrations give them under a name of its own.
ALTER FUNCTION grant_messaging_roles() RENAME TO grant_messaging_roles_until_0011;

CREATE FUNCTION grant_messaging_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  persister CONSTANT name := 'messaging_persister';
BEGIN
  PERFORM grant_messaging_roles_until_0011();
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('messaging_reader', persister)) < 2 THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT SELECT, INSERT, DELETE ON erased_conversations TO %I', persister);
  EXECUTE format('GRANT UPDATE (erased_at, finished_at) ON erased_conversations TO %I', persister);
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
