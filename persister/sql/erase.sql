-- Conversations that are to be erased (migration 0012): what persister/eraser.c calls. A part of a persister's session.

-- The next page of one that isn't erased yet: at most 200 of its messages. Nothing to do: all is NULL.
--   erasure   its key, as a literal   conversation  its id, '' where it has gone
--   messages  their ids, as a literal
--   tokens    those that may wait in Redis, a line each: provider, a blank, id. A message that has failed may be replayed.
CREATE FUNCTION pg_temp.erasure_page(OUT erasure text, OUT conversation text, OUT messages text, OUT tokens text)
LANGUAGE plpgsql AS $erasure_page$
DECLARE
  one   erased_conversations;
  of_id bigint;
BEGIN
  SELECT * INTO one FROM erased_conversations e WHERE e.finished_at IS NULL ORDER BY e.erased_at LIMIT 1;
  IF NOT FOUND THEN
    -- Nothing that was accepted until then can come any more: for its time 35 days, and what is looked for after that.
    DELETE FROM erased_conversations e WHERE e.finished_at < now() - interval '66 days';
    RETURN;
  END IF;
  SELECT c.id INTO of_id FROM conversations c WHERE c.key = one.key;
  erasure := quote_literal(one.key);
  conversation := coalesce(of_id::text, '');
  SELECT quote_literal(coalesce(array_agg(p.id), '{}')::text) || '::uuid[]',
    coalesce(string_agg(p.provider || ' ' || p.id, E'\n') FILTER (WHERE p.direction = 'outbound'
      AND (d.final IS NOT TRUE OR d.status = 'failed')), '')
  INTO messages, tokens
  FROM (
    SELECT m.id, m.provider, m.direction
    FROM messages m
    WHERE m.conversation_id = of_id AND m.accepted_at < one.erased_at + interval '1 millisecond'
    ORDER BY m.occurred_at, m.accepted_at, m.id
    LIMIT 200
  ) p
  LEFT JOIN deliveries d ON d.message_id = p.id;
END
$erasure_page$;

-- Deletes these messages of a conversation, whose tokens have ended. finished: there was no other. Behind a full page that
-- isn't looked for: all others wait meanwhile, and whoever looks passes all that has gone.
CREATE FUNCTION pg_temp.erase_page(of_key text, ids uuid[], slot smallint,
  OUT messages bigint, OUT conversations bigint, OUT finished boolean)
LANGUAGE plpgsql AS $erase_page$
BEGIN
  -- No batch is under way that looked before: see batch.sql, step 0.
  PERFORM pg_advisory_xact_lock(hashtext('messaging erasure'));
  SELECT e.messages, e.conversations INTO messages, conversations FROM erase_messages(ids, slot, now()) e;
  UPDATE erased_conversations e SET finished_at = now()
  WHERE e.key = of_key COLLATE "C" AND e.finished_at IS NULL AND cardinality(ids) < 200 AND NOT EXISTS (
    SELECT FROM conversations c JOIN messages m ON m.conversation_id = c.id
    WHERE c.key = e.key AND m.accepted_at < e.erased_at + interval '1 millisecond'
  );
  finished := FOUND;
END
$erase_page$;
