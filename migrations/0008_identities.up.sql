-- By which rules the conversations' participants were made out of addresses. The rules change with a release, and with
-- PHONE_REGION, of which SQL knows nothing: `persister --rekey` makes what is stored anew.

-- Conversations that became one with another: under which id they answer now. Never an alias of an alias.
CREATE TABLE conversation_aliases (
  id              bigint PRIMARY KEY,
  conversation_id bigint NOT NULL REFERENCES conversations (id) ON DELETE CASCADE
);

CREATE INDEX conversation_aliases_of_conversation ON conversation_aliases (conversation_id);

-- One row. None: nothing is stored yet, and the first persister says by which rules it begins.
CREATE TABLE identity_state (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  rules  integer NOT NULL,                       -- IDENTITY_RULES of shared/message/identify.h
  region text    COLLATE "C" NOT NULL,           -- PHONE_REGION; '': none
  mixed  boolean NOT NULL DEFAULT false,         -- a persister of other rules or another region has been here since
  passed bigint,                                 -- up to which conversation a rekey has come; NULL: it is done
  last   bigint,                                 -- the last one that it has to pass
  CHECK ((passed IS NULL) = (last IS NULL))
);

INSERT INTO identity_state (rules, region) SELECT 1, '' WHERE EXISTS (SELECT FROM conversations);

-- What the roles may do besides. It keeps what earlier migrations give them under a name of its own.
ALTER FUNCTION grant_messaging_roles() RENAME TO grant_messaging_roles_until_0007;

CREATE FUNCTION grant_messaging_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reader    CONSTANT name := 'messaging_reader';
  persister CONSTANT name := 'messaging_persister';
BEGIN
  PERFORM grant_messaging_roles_until_0007();
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN (reader, persister)) < 2 THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT SELECT ON conversation_aliases, identity_state TO %I, %I', reader, persister);
  EXECUTE format('GRANT INSERT ON conversation_aliases, identity_state TO %I', persister);
  EXECUTE format('GRANT UPDATE ON identity_state TO %I', persister);
  EXECUTE format('GRANT UPDATE (conversation_id) ON conversation_aliases TO %I', persister);

  -- A rekey moves messages, gives conversations another key, and deletes those that it has emptied.
  EXECUTE format('GRANT UPDATE (conversation_id, sent_by) ON messages TO %I', persister);
  EXECUTE format('GRANT UPDATE (key, participant_a, participant_b) ON conversations TO %I', persister);
  EXECUTE format('GRANT DELETE ON conversations, participant_totals TO %I', persister);
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
