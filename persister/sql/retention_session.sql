-- The session in which messages are deleted by their age (persister/retention.c): run at each connect.

DO $$
BEGIN
  IF pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean THEN
    RAISE EXCEPTION 'this server takes no writes' USING ERRCODE = '25006';
  END IF;
END
$$;

SET client_min_messages = warning;
SET default_transaction_isolation = 'read committed'; -- each statement must see what others committed before it
SET idle_in_transaction_session_timeout = '5s';       -- a persister that is stopped must not hold locks
SET lock_timeout = '100ms';                           -- nor may it wait for long while batches wait for it
SET statement_timeout = 0;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout');
-- What a crash of the server forgets of it is its latest transactions: those messages are deleted later.
SET synchronous_commit = off;
-- Every plan is a look-up by key.
SET random_page_cost = 0.1;
SET enable_bitmapscan = off;
SET jit = off;

-- The next messages that were accepted more than messaging.retention_days ago, behind the one that was accepted `at` and has the `id`: deletes
-- those whose course is over, what came in always. What somebody else has locked at this moment is left for the next pass,
-- so that nobody is waited for with locks in hand; locks are taken in the order of batch.sql. at, id: of the last one
-- that was looked at; seen: how many were, fewer than `rows`: there are no more of that age; skipped: how many were locked;
-- behind_s: for how long the last
-- one has been due.
CREATE FUNCTION pg_temp.expire_messages(INOUT at timestamptz, INOUT id uuid, rows integer, slot smallint,
  OUT seen bigint, OUT deleted bigint, OUT skipped bigint, OUT conversations bigint, OUT behind_s bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  due    uuid[];
  locked bigint[]; -- conversations
  ended  uuid[];   -- what went out and is over
  max_age integer := current_setting('messaging.retention_days');
BEGIN
  SELECT coalesce(array_agg(p.id) FILTER (WHERE p.is_over), '{}'), count(*), coalesce(max(p.accepted_at), expire_messages.at),
    coalesce((array_agg(p.id ORDER BY p.accepted_at DESC, p.id DESC))[1], expire_messages.id)
  INTO due, seen, at, id
  FROM (
    SELECT m.id, m.accepted_at, m.direction = 'inbound' OR coalesce(
        (SELECT d.final OR d.receipt = 'delivered' FROM deliveries d WHERE d.message_id = m.id), false) AS is_over
    FROM messages m
    WHERE m.accepted_at >= expire_messages.at AND (m.accepted_at, m.id) > (expire_messages.at, expire_messages.id)
      AND m.accepted_at < now() - make_interval(days => max_age)
    ORDER BY m.accepted_at, m.id
    LIMIT rows
  ) p;
  behind_s := 0;
  deleted := 0;
  skipped := 0;
  conversations := 0;
  IF seen = 0 THEN
    RETURN;
  END IF;
  behind_s := extract(epoch FROM now() - at)::bigint - max_age * 86400::bigint;

  SELECT coalesce(array_agg(c.id), '{}') INTO locked
  FROM (
    SELECT k.key
    FROM (
      SELECT DISTINCT c.key
      FROM messages m JOIN conversations c ON c.id = m.conversation_id
      WHERE m.id = ANY (due)
    ) k
    ORDER BY k.key
  ) w
  CROSS JOIN LATERAL (SELECT * FROM conversations c WHERE c.key = w.key FOR UPDATE SKIP LOCKED) c;

  SELECT coalesce(array_agg(d.message_id), '{}') INTO ended
  FROM (
    SELECT d.message_id
    FROM deliveries d
    WHERE d.message_id = ANY (due) AND (d.final OR d.receipt = 'delivered')
    ORDER BY d.message_id
    FOR UPDATE SKIP LOCKED
  ) d;

  SELECT e.messages, e.conversations INTO deleted, conversations
  FROM erase_messages(ARRAY(
    SELECT m.id FROM messages m
    WHERE m.id = ANY (due) AND m.conversation_id = ANY (locked) AND (m.direction = 'inbound' OR m.id = ANY (ended))
  ), slot, NULL) e;
  skipped := cardinality(due) - deleted;
END
$$;
