-- A rekey's session (persister/rekey.c): what it calls.
--
-- Locks are taken in the order of batch.sql: conversations by key (known ones, then new ones), messages by id,
-- participants, totals. So a rekey and persisters wait for one another but don't deadlock.
--
-- Nobody else moves a message or gives a conversation another key, for one rekey runs at a time. What persisters store
-- beside it has its place by today's rules already: they find a conversation by its key, under its lock. Messages that
-- are deleted meanwhile (erase_messages() of migration 0011) are passed over.

SET client_min_messages = warning;
SET DateStyle = 'ISO';
SET TimeZone = 'UTC';
SET default_transaction_isolation = 'read committed';
SET idle_in_transaction_session_timeout = '5s';
SET lock_timeout = '3s';
SET statement_timeout = 0;
-- What a crash of the server forgets is its latest transactions, so never one before what it follows: they are done again.
-- The end is waited for.
SET synchronous_commit = off;
SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval';
SET random_page_cost = 0.1; -- every plan is a look-up by key
SET jit = off;

CREATE TEMPORARY TABLE moves (
  id            uuid NOT NULL,
  key           text COLLATE "C" NOT NULL,
  participant_a text COLLATE "C" NOT NULL,
  participant_b text COLLATE "C" NOT NULL,
  sent_by       text NOT NULL,
  occurred_at   timestamptz NOT NULL,
  accepted_at   timestamptz NOT NULL
);

CREATE TEMPORARY TABLE targets (
  conversation_id bigint NOT NULL,
  key             text COLLATE "C" NOT NULL,
  channel         text NOT NULL,
  participant_a   text COLLATE "C" NOT NULL,
  participant_b   text COLLATE "C" NOT NULL,
  made            boolean NOT NULL
);

-- Begins, or goes on with, a rekey to the rules and the region that the session has set. NULL: none is due.
--
-- One pass over the conversations of now is enough. Each persister that has come to the database since this committed
-- goes by the same rules, or has set `mixed`, which ends the rekey as one that must begin again; one that was there
-- before shows by its lock (identities.sql), which is looked at next, or by its life in Redis where it is of a release
-- that takes no such lock. So a conversation with a greater id is made by today's rules, and so is whatever comes into
-- those that were passed.
CREATE FUNCTION pg_temp.rekey_begin(OUT passed bigint, OUT last bigint) LANGUAGE plpgsql AS $$
DECLARE
  state identity_state;
  due   boolean;
BEGIN
  SELECT * INTO state FROM identity_state FOR UPDATE;
  due := state.mixed OR (state.rules, state.region)
    <> (current_setting('messaging.rules')::integer, current_setting('messaging.region'));
  IF NOT FOUND OR (NOT due AND state.passed IS NULL) THEN
    RETURN;
  ELSIF due THEN
    UPDATE identity_state i
    SET rules = current_setting('messaging.rules')::integer, region = current_setting('messaging.region'),
      mixed = false, passed = 0, last = (SELECT coalesce(max(id), 0) FROM conversations)
    RETURNING * INTO state;
  END IF;
  passed := state.passed;
  last := state.last;
END
$$;

-- Who goes by other rules or another region, as "name (PHONE_REGION=GB)", with commas; NULL: nobody. A rekey that has begun
-- must then begin again.
CREATE FUNCTION pg_temp.rekey_others(has_begun boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  others text;
BEGIN
  SELECT string_agg(format('%s (PHONE_REGION=%s)', coalesce(a.application_name, 'process ' || l.pid),
    CASE WHEN l.objid::bigint & 65535 = 0 THEN ''
      ELSE chr(((l.objid::bigint >> 8) & 255)::integer) || chr((l.objid::bigint & 255)::integer) END), ', ' ORDER BY l.pid)
  INTO others
  FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.mode = 'ShareLock' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid::bigint = hashtext('identities')::bigint & 4294967295
    AND l.objid::bigint <> current_setting('messaging.rules')::bigint * 65536
      + coalesce(ascii(substr(current_setting('messaging.region'), 1, 1)), 0) * 256
      + coalesce(ascii(substr(current_setting('messaging.region'), 2, 1)), 0);
  IF has_begun AND others IS NOT NULL THEN
    UPDATE identity_state SET mixed = true;
  END IF;
  RETURN others;
END
$$;

-- All conversations up to that one are done.
CREATE FUNCTION pg_temp.rekey_passed(conversation bigint) RETURNS void LANGUAGE sql AS $$
  UPDATE identity_state SET passed = conversation WHERE passed IS NOT NULL
$$;

-- The end. False: a persister of other rules has come meanwhile.
CREATE FUNCTION pg_temp.rekey_end() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL synchronous_commit = on;
  UPDATE identity_state SET passed = NULL, last = NULL
  WHERE NOT mixed AND (rules, region)
    = (current_setting('messaging.rules')::integer, current_setting('messaging.region'));
  RETURN FOUND;
END
$$;

-- Gives a conversation another key, which all of its messages have (as many as were seen), so that it keeps its id and they
-- stay where they are. False: another has that key, or a message has come meanwhile.
CREATE FUNCTION pg_temp.rekey_rename(conversation bigint, seen bigint, new_key text, new_a text, new_b text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  old conversations;
BEGIN
  SELECT * INTO old FROM conversations WHERE id = conversation FOR UPDATE;
  IF old.message_count IS DISTINCT FROM seen OR EXISTS (SELECT FROM conversations WHERE key = new_key) THEN
    RETURN false;
  END IF;
  BEGIN
    UPDATE conversations SET key = new_key, participant_a = new_a, participant_b = new_b WHERE id = conversation;
  EXCEPTION WHEN unique_violation THEN
    RETURN false; -- a persister has made it meanwhile
  END;
  PERFORM pg_temp.rekey_count(old.channel,
    ARRAY [old.participant_a, old.participant_b], ARRAY [new_a, new_b]);
  RETURN true;
END
$$;

-- Participants who have one conversation less, and those who have one more, two in a row a conversation.
CREATE FUNCTION pg_temp.rekey_count(of_channel text, less text[], more text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO participant_totals AS p (participant, channel, conversations)
  SELECT n.participant, of_channel, sum(n.change)
  FROM (
    SELECT DISTINCT (l.place - 1) / 2 AS pair, l.participant COLLATE "C" AS participant, -1 AS change
    FROM unnest(less) WITH ORDINALITY AS l (participant, place)
    UNION ALL
    SELECT DISTINCT (m.place - 1) / 2, m.participant COLLATE "C", 1
    FROM unnest(more) WITH ORDINALITY AS m (participant, place)
  ) n
  GROUP BY n.participant
  HAVING sum(n.change) <> 0
  ORDER BY n.participant
  ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + excluded.conversations;

  DELETE FROM participant_totals
  WHERE participant = ANY (less) AND channel = of_channel AND conversations = 0;
END
$$;

-- Moves messages out of a conversation, each to the one that has its key, made where it is missing. A conversation that is
-- empty then goes, and its id answers as the one that its latest message is in.
--   source  the conversation   slot  the row of `totals` that is counted in
--   the arrays, one element a message: id, key, the participants of that key, which of them sent it
CREATE FUNCTION pg_temp.rekey_move(source bigint, slot smallint, ids uuid[], keys text[], participants_a text[],
  participants_b text[], senders text[], OUT moved bigint, OUT made bigint, OUT gone bigint)
LANGUAGE plpgsql AS $rekey_move$
#variable_conflict use_column
DECLARE
  own  conversations;
  heir bigint;
BEGIN
  DELETE FROM moves;
  DELETE FROM targets;

  -- Known conversations, then missing ones, in the order of their keys.
  INSERT INTO targets (conversation_id, key, channel, participant_a, participant_b, made)
  SELECT c.id, c.key, c.channel, c.participant_a, c.participant_b, false
  FROM (
    SELECT k.key FROM (
      SELECT unnest(keys) COLLATE "C" AS key UNION SELECT o.key FROM conversations o WHERE o.id = source
    ) k
    ORDER BY k.key
  ) wanted
  CROSS JOIN LATERAL (
    SELECT * FROM conversations c WHERE c.key = wanted.key FOR UPDATE
  ) c;
  SELECT * INTO own FROM conversations c WHERE c.id = source;
  moved := 0;
  made := 0;
  gone := 0;
  IF NOT FOUND THEN
    RETURN; -- its last message was deleted meanwhile, and with it the conversation
  END IF;

  INSERT INTO moves (id, key, participant_a, participant_b, sent_by, occurred_at, accepted_at)
  SELECT m.id, n.key, n.participant_a, n.participant_b, n.sent_by, m.occurred_at, m.accepted_at
  FROM unnest(ids, keys, participants_a, participants_b, senders) AS n (id, key, participant_a, participant_b, sent_by)
  JOIN messages m ON m.id = n.id AND m.conversation_id = source;

  WITH created AS (
    INSERT INTO conversations (key, channel, participant_a, participant_b, message_count, last_activity_at)
    SELECT m.key, own.channel, min(m.participant_a), min(m.participant_b), count(*), max(m.occurred_at)
    FROM moves m
    WHERE NOT EXISTS (SELECT FROM targets t WHERE t.key = m.key)
    GROUP BY m.key
    ORDER BY m.key
    ON CONFLICT (key) DO NOTHING
    RETURNING *
  )
  INSERT INTO targets (conversation_id, key, channel, participant_a, participant_b, made)
  SELECT id, key, channel, participant_a, participant_b, true FROM created;
  IF EXISTS (SELECT FROM moves m WHERE NOT EXISTS (SELECT FROM targets t WHERE t.key = m.key)) THEN
    RAISE EXCEPTION 'a persister has made one of the conversations meanwhile' USING ERRCODE = 'MS001';
  END IF;

  PERFORM FROM messages m WHERE m.id IN (SELECT v.id FROM moves v) ORDER BY m.id FOR NO KEY UPDATE;
  UPDATE messages m SET conversation_id = t.conversation_id, sent_by = v.sent_by
  FROM moves v JOIN targets t ON t.key = v.key
  WHERE m.id = v.id;
  GET DIAGNOSTICS moved = ROW_COUNT;

  UPDATE conversations c
  SET message_count = c.message_count + n.added, last_activity_at = greatest(c.last_activity_at, n.latest)
  FROM (SELECT key, count(*) AS added, max(occurred_at) AS latest FROM moves GROUP BY key) n
  JOIN targets t ON t.key = n.key AND NOT t.made
  WHERE c.id = t.conversation_id;

  IF EXISTS (SELECT FROM messages m WHERE m.conversation_id = source) THEN
    UPDATE conversations c
    SET message_count = c.message_count - moved,
      last_activity_at = (SELECT m.occurred_at FROM messages m WHERE m.conversation_id = source
        ORDER BY m.occurred_at DESC, m.accepted_at DESC, m.id DESC LIMIT 1)
    WHERE c.id = source;
  ELSE
    SELECT t.conversation_id INTO STRICT heir FROM moves m JOIN targets t ON t.key = m.key
    ORDER BY m.occurred_at DESC, m.accepted_at DESC, m.id DESC LIMIT 1;
    UPDATE conversation_aliases a SET conversation_id = heir WHERE a.conversation_id = source;
    INSERT INTO conversation_aliases (id, conversation_id) VALUES (source, heir);
    DELETE FROM conversations c WHERE c.id = source;
    gone := 1;
  END IF;

  SELECT count(*) FROM targets t WHERE t.made INTO made;
  IF made + gone > 0 THEN
    PERFORM pg_temp.rekey_count(own.channel,
      CASE WHEN gone = 1 THEN ARRAY [own.participant_a, own.participant_b] ELSE '{}' END,
      (SELECT coalesce(array_agg(p.participant ORDER BY t.key, p.place), '{}')
       FROM targets t CROSS JOIN LATERAL (VALUES (1, t.participant_a), (2, t.participant_b)) AS p (place, participant)
       WHERE t.made));
    INSERT INTO totals AS t (slot, channel, conversations) VALUES (rekey_move.slot, own.channel, made - gone)
    ON CONFLICT (slot, channel) DO UPDATE SET conversations = t.conversations + excluded.conversations;
  END IF;
END
$rekey_move$;

-- Says of messages that stay where they are which participant sent them.
CREATE FUNCTION pg_temp.rekey_senders(ids uuid[], senders text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  changed bigint;
BEGIN
  PERFORM FROM messages m WHERE m.id = ANY (ids) ORDER BY m.id FOR NO KEY UPDATE;
  UPDATE messages m SET sent_by = n.sent_by FROM unnest(ids, senders) AS n (id, sent_by) WHERE m.id = n.id;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END
$$;
