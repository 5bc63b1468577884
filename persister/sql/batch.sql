-- ASCII only, here and in staging.sql: a server of another encoding must be able to read it, to say what it lacks.
--
-- What is staged becomes rows, in one statement and so one transaction: no client stands between its locks.
--
-- It is a function of the session, made at each connect, because PL/pgSQL keeps the plans of its statements: to plan
-- them again took three quarters of the time of a small batch. Each statement sees what others have committed before it.
--
-- Every step is order-free: any redelivery, and any interleaving with the other persisters, gives the same rows.
-- Locks are always taken in the same order, so that persisters wait for one another but don't deadlock: that on erasures, families of ids,
-- conversations by key (known ones, then new ones), messages by id, their aliases by id, deliveries, attempts, dead
-- letters, replays and receipts by message, pairs that opted out, participants, totals. Whatever is recorded of an outbound message, its row of
-- deliveries is locked before: so what a step reads of it is all that others have recorded.
--
-- Takes which session and rows the persister means (the session's token, how many rows it has copied, the sum of their
-- marks), and gives the same as they were found; then what the metrics are told: messages stored, conversations created,
-- dead letters, webhooks that came again with other content; and of the first of these, a line each, the message's id and
-- the id of the request that brought it again; and of each receipt that was new a line: its provider, its status, for how
-- long the message had been sent by then in microseconds ('-': unknown) and its code ('-': none); and what stands by now of each pair that
-- has opted out or in (persister/opt_out_teller.c); and of each send that is not stored, for it was erased, a line: its
-- provider and its id (persister/token_canceller.c).
CREATE FUNCTION pg_temp.store_batch(INOUT session_token text, INOUT entries bigint, INOUT marks numeric,
  OUT stored bigint, OUT created bigint, OUT dead_letters bigint,
  OUT differing bigint, OUT differing_ids text, OUT receipts_told text, OUT opt_outs_told jsonb, OUT erased_told text)
LANGUAGE plpgsql AS $store_batch$
#variable_conflict use_column
DECLARE
  meant text := concat_ws('/', session_token, entries, marks);
  some_erased     boolean;
  staged_receipts bigint;
  new_replays     bigint;
  staged_opt_outs bigint;
  of_erased       uuid[]; -- messages of conversations that were erased since
BEGIN

-- 0. A pooler may have taken the rows to one session and this call to another, whose staging table is empty, or holds
-- another batch: then nothing is stored.
SELECT (SELECT token FROM pg_temp.session), count(*), coalesce(sum(s.mark), 0), count(s.receipt),
  count(s.opt_out)
INTO session_token, entries, marks, staged_receipts, staged_opt_outs
FROM pg_temp.staging s;
IF meant IS DISTINCT FROM concat_ws('/', session_token, entries, marks) THEN
  RAISE EXCEPTION 'this session has not the rows that were copied (% instead of %): is a pooler in between that is not in session mode?',
    concat_ws('/', session_token, entries, marks), meant USING ERRCODE = 'MS002';
END IF;

DELETE FROM fresh;
DELETE FROM aliases;

-- Conversations that were erased (migration 0012): what was accepted until then and comes only now is deleted on its way
-- here. Others may record something of such a message at this moment, an outcome or a receipt: so who deletes has the lock
-- for itself, and who doesn't shares it, and looks again once it has it.
of_erased := pg_temp.staged_of_erased();
IF of_erased IS NULL THEN
  PERFORM pg_advisory_xact_lock_shared(hashtext('messaging erasure'));
  IF pg_temp.staged_of_erased() IS NOT NULL THEN
    RAISE EXCEPTION 'a conversation of this batch was erased meanwhile' USING ERRCODE = 'MS001';
  END IF;
ELSE
  PERFORM pg_advisory_xact_lock(hashtext('messaging erasure'));
  PERFORM erase_messages(of_erased, (SELECT slot FROM staging LIMIT 1), now());
END IF;

INSERT INTO erased_conversations AS e (key, channel, participant_a, participant_b, erased_at)
SELECT DISTINCT ON (s.key) s.key, s.channel, s.participant_a, s.participant_b, s.happened_at
FROM staging s
WHERE s.kind = 'erase'
ORDER BY s.key, s.happened_at DESC
ON CONFLICT (key) DO UPDATE SET erased_at = excluded.erased_at, finished_at = NULL
WHERE excluded.erased_at > e.erased_at;

-- 1. The messages that aren't stored yet. Should the same id come twice with different contents, the first one stands.
-- A webhook with several recipients has an id of one family: the last byte is of the conversation that the message
-- belongs to, and so another one once another recipient is ours. Those conversations have no lock in common, so that the
-- families have one, of 256: batches of them must not fill the server's table of locks.
PERFORM pg_advisory_xact_lock(hashtext('messaging family'), l.number)
FROM (SELECT DISTINCT get_byte(uuid_send(family), 14) AS number FROM staging WHERE family IS NOT NULL ORDER BY number) l;

INSERT INTO fresh (position, message_id, other_id, family, key, occurred_at)
SELECT DISTINCT ON (s.message_id) s.position, s.message_id, s.other_id, s.family, s.key, s.occurred_at
FROM staging s
WHERE s.kind = 'message'
  AND NOT EXISTS (SELECT FROM messages m WHERE m.id = s.message_id)
ORDER BY s.message_id, s.position;

-- What was deleted for good (migration 0011) stays so, and nothing that comes of it is recorded; under another id of its
-- family it is the same. This is looked at after `fresh`: what that finds deleted is in erased_messages by now. Who opts out
-- in a message that was deleted on its way here has done so all the same.
some_erased := (SELECT erased_at FROM erased_messages ORDER BY erased_at DESC LIMIT 1) IS NOT NULL;
IF some_erased THEN
  SELECT string_agg(s.provider || ' ' || s.message_id, E'\n')
  INTO erased_told
  FROM staging s
  WHERE s.kind = 'message' AND s.direction = 'outbound'
    AND (SELECT erased_at FROM erased_messages WHERE id = s.message_id) IS NOT NULL;

  UPDATE staging s
  SET kind = CASE WHEN s.opt_out IS NOT NULL AND s.accepted_at < e.at THEN 'optout' ELSE 'erased' END,
    direction = NULL, receipt = NULL
  FROM (
    SELECT position, coalesce(
      (SELECT erased_at FROM erased_messages WHERE id = message_id),
      (SELECT max(erased_at) FROM erased_messages WHERE id BETWEEN family AND (left(family::text, 34) || 'ff')::uuid)) AS at
    FROM staging
    WHERE message_id IS NOT NULL
  ) e
  WHERE e.position = s.position AND e.at IS NOT NULL AND s.kind <> 'reread'; -- which closes a dead letter of its own
  IF FOUND THEN
    DELETE FROM fresh f USING staging s WHERE s.position = f.position AND s.kind <> 'message';
  END IF;
END IF;

-- What is stored under another id of its family, or stands before it in the batch, is no new message but an alias.
IF EXISTS (SELECT FROM fresh WHERE family IS NOT NULL) THEN
  WITH known AS (
    INSERT INTO aliases (id, message_id)
    SELECT k.message_id, k.known_id
    FROM (
      SELECT f.message_id, coalesce(
        (SELECT m.id FROM messages m WHERE m.id BETWEEN f.family AND (left(f.family::text, 34) || 'ff')::uuid
          ORDER BY m.id LIMIT 1),
        (SELECT o.message_id FROM fresh o WHERE o.family = f.family AND o.position < f.position
          ORDER BY o.position LIMIT 1)) AS known_id
      FROM fresh f
      WHERE f.family IS NOT NULL
    ) k
    WHERE k.known_id IS NOT NULL
    RETURNING id
  )
  DELETE FROM fresh f USING known k WHERE k.id = f.message_id;
END IF;

-- 2. Their conversations: the known ones are locked, in the order of their keys. What is stored there under its other id,
-- is looked for once no other persister can store it any more: it is no new message but an alias, and without it the
-- conversations are counted once more. A webhook's former id was made of the provider's id alone, so that it must also
-- be between the same two: in the same conversation, or, where PHONE_REGION has changed identities, as they were given.
LOOP
DELETE FROM touched;
INSERT INTO touched (conversation_id, key, channel, participant_a, participant_b, created, added, latest)
SELECT c.id, c.key, c.channel, c.participant_a, c.participant_b, false, f.added, f.latest
FROM (
  SELECT key, count(*) AS added, max(occurred_at) AS latest FROM fresh GROUP BY key ORDER BY key
) f
CROSS JOIN LATERAL (
  SELECT * FROM conversations c WHERE c.key = f.key FOR NO KEY UPDATE
) c;

WITH known AS (
  INSERT INTO aliases (id, message_id)
  SELECT f.message_id, f.other_id
  FROM fresh f JOIN staging s USING (position)
  CROSS JOIN LATERAL (SELECT * FROM messages m WHERE m.id = f.other_id LIMIT 1) m
  CROSS JOIN LATERAL (SELECT key FROM conversations c WHERE c.id = m.conversation_id LIMIT 1) c
  WHERE f.other_id IS NOT NULL
    AND (c.key = f.key AND coalesce(m.sent_by = s.sent_by, true)
      OR (m.from_address, m.to_address) = (s.from_address, s.to_address))
  UNION
  SELECT f.message_id, f.other_id
  FROM fresh f JOIN fresh o ON o.message_id = f.other_id AND o.key = f.key AND o.position < f.position
  RETURNING id
)
DELETE FROM fresh f USING known k WHERE k.id = f.message_id;
EXIT WHEN NOT FOUND;
END LOOP;

-- The first of a family may be an alias itself by now.
UPDATE aliases a SET message_id = b.message_id FROM aliases b WHERE b.id = a.message_id;

-- The missing ones are made, in the same order, complete with their counts.
WITH made AS (
  INSERT INTO conversations (key, channel, participant_a, participant_b, message_count, last_activity_at)
  SELECT f.key, min(s.channel), min(s.participant_a), min(s.participant_b), count(*), max(f.occurred_at)
  FROM fresh f JOIN staging s USING (position)
  WHERE NOT EXISTS (SELECT FROM touched t WHERE t.key = f.key)
  GROUP BY f.key
  ORDER BY f.key
  ON CONFLICT (key) DO NOTHING
  RETURNING *
)
INSERT INTO touched (conversation_id, key, channel, participant_a, participant_b, created, added, latest)
SELECT id, key, channel, participant_a, participant_b, true, message_count, last_activity_at
FROM made;

-- 3. The messages. Another persister may have stored one of them, or made one of the conversations, since it was looked
-- for: then all is rolled back and tried again, for the counts would be wrong, and a conversation might be left empty.
INSERT INTO messages (id, conversation_id, sent_by, direction, type, from_address, to_address, subject, body, provider,
  provider_message_id, occurred_at, accepted_at, send_at, request_id)
SELECT s.message_id, t.conversation_id, s.sent_by, s.direction, s.type, s.from_address, s.to_address, s.subject, s.body,
  s.provider, s.provider_message_id, s.occurred_at, s.accepted_at, s.send_at, s.request_id
FROM fresh f JOIN staging s USING (position) JOIN touched t ON t.key = f.key
ORDER BY s.message_id
ON CONFLICT (id) DO NOTHING;
GET DIAGNOSTICS stored = ROW_COUNT;
IF stored <> (SELECT count(*) FROM fresh) THEN
  RAISE EXCEPTION 'another persister stored a part of this batch meanwhile' USING ERRCODE = 'MS001';
END IF;

INSERT INTO attachments (message_id, position, url)
SELECT s.message_id, a.ordinality - 1, a.url
FROM fresh f JOIN staging s USING (position)
CROSS JOIN LATERAL json_array_elements_text(s.attachments) WITH ORDINALITY AS a (url, ordinality)
WHERE s.attachments IS NOT NULL;

INSERT INTO message_aliases (id, message_id)
SELECT id, message_id FROM aliases ORDER BY id
ON CONFLICT (id) DO NOTHING;

UPDATE conversations c
SET message_count = c.message_count + t.added, last_activity_at = greatest(c.last_activity_at, t.latest)
FROM touched t
WHERE c.id = t.conversation_id AND NOT t.created;

-- A webhook that came again, when Redis had forgotten the first, and with other content: the first one stands. Releases
-- until 50b4a1b stored no subject.
IF stored < (SELECT count(*) FROM staging s WHERE s.kind = 'message') THEN
  SELECT count(*), string_agg(concat_ws(' ', r.id, r.request_id), E'\n') FILTER (WHERE r.place <= 20)
  INTO differing, differing_ids
  FROM (
    SELECT m.id, s.request_id, row_number() OVER (ORDER BY s.position) AS place
    FROM staging s
    LEFT JOIN aliases a ON a.id = s.message_id
    CROSS JOIN LATERAL (SELECT * FROM messages m WHERE m.id = coalesce(a.message_id, s.message_id) LIMIT 1) m
    WHERE s.kind = 'message' AND s.direction = 'inbound'
      AND ((m.type, m.body) IS DISTINCT FROM (s.type, s.body)
        OR m.subject IS NOT NULL AND m.subject IS DISTINCT FROM s.subject
        OR ARRAY(SELECT url FROM attachments WHERE message_id = m.id ORDER BY position)
          <> ARRAY(SELECT json_array_elements_text(s.attachments)))
  ) r;
END IF;

-- 4. The status of outbound messages: sent beats all, else the greater (generation, final, cancelled, call); the rest of
-- the comparison only makes it total, so that two outcomes of one call end the same in either order. What a message waits
-- for at first (queued, held, scheduled) is less than any outcome of its generation, and stands until there is one. What
-- was cancelled stays so whatever else comes of that generation, but for a success: after a fail-over of Redis there may be
-- calls of it all the same. A receipt says nothing about the status: it only makes the row that step 7 needs, and gives way
-- to whatever else comes.
INSERT INTO deliveries AS d (message_id, status, generation, final, call, provider_message_id, updated_at)
SELECT DISTINCT ON (e.message_id) e.*
FROM (
  SELECT s.message_id,
    CASE WHEN s.kind <> 'outcome' THEN coalesce(s.state, 'queued') WHEN s.verdict = 'retry' THEN 'retrying'
      ELSE s.verdict END AS status,
    s.generation, s.kind = 'outcome' AND s.verdict <> 'retry' AS final, coalesce(s.call, 0) AS call,
    CASE WHEN s.kind = 'outcome' THEN s.provider_message_id END AS provider_message_id,
    CASE WHEN s.receipt IS NULL THEN s.happened_at ELSE '-infinity' END AS happened_at
  FROM staging s
  WHERE s.kind IN ('outcome', 'replayed') OR s.direction = 'outbound' OR s.receipt IS NOT NULL
) e
ORDER BY e.message_id, (e.status = 'sent') DESC, e.generation DESC, e.final DESC, (e.status = 'cancelled') DESC,
  e.call DESC, e.happened_at DESC, coalesce(e.provider_message_id, '') COLLATE "C" DESC, e.status COLLATE "C" DESC
ON CONFLICT (message_id) DO UPDATE
SET status = excluded.status, generation = excluded.generation, final = excluded.final, call = excluded.call,
  provider_message_id = excluded.provider_message_id, updated_at = excluded.updated_at
WHERE (excluded.status = 'sent', excluded.generation, excluded.final, excluded.status = 'cancelled', excluded.call,
    excluded.updated_at, coalesce(excluded.provider_message_id, '') COLLATE "C", excluded.status COLLATE "C")
  > (d.status = 'sent', d.generation, d.final, d.status = 'cancelled', d.call,
    d.updated_at, coalesce(d.provider_message_id, '') COLLATE "C", d.status COLLATE "C");

-- Who deletes a message has its row of deliveries locked. Where this waited for that, it has made the row anew.
IF (some_erased OR (SELECT erased_at FROM erased_messages ORDER BY erased_at DESC LIMIT 1) IS NOT NULL) AND EXISTS (
  SELECT FROM staging
  WHERE (kind IN ('outcome', 'replayed') OR direction = 'outbound' OR receipt IS NOT NULL)
    AND (SELECT erased_at FROM erased_messages WHERE id = message_id) IS NOT NULL
) THEN
  RAISE EXCEPTION 'a message of this batch was deleted meanwhile' USING ERRCODE = 'MS001';
END IF;

-- 5. The calls of the providers. Two rows of one key are the same row delivered twice, but for a group recreated, which
-- counts deliveries from 1 again: then the success stands, which step 6 relies on.
INSERT INTO dispatch_attempts AS a (message_id, generation, call, delivery, provider, outcome, http_status, latency_us,
  started_at, error, provider_message_id, next_attempt_at, late)
SELECT DISTINCT ON (s.message_id, s.generation, s.call, s.delivery) s.message_id, s.generation, s.call, s.delivery,
  s.provider, CASE WHEN s.verdict = 'sent' THEN 'sent' ELSE s.outcome END, s.http_status, s.latency_us, s.started_at,
  s.error, s.provider_message_id, s.due_at, s.late
FROM staging s
WHERE s.kind = 'outcome'
ORDER BY s.message_id, s.generation, s.call, s.delivery, (s.verdict = 'sent') DESC, s.started_at DESC, s.late DESC
ON CONFLICT (message_id, generation, call, delivery) DO UPDATE
SET provider = excluded.provider, outcome = excluded.outcome, http_status = excluded.http_status,
  latency_us = excluded.latency_us, started_at = excluded.started_at, error = excluded.error,
  provider_message_id = excluded.provider_message_id, next_attempt_at = excluded.next_attempt_at, late = excluded.late
WHERE (excluded.outcome = 'sent', excluded.started_at, excluded.late) > (a.outcome = 'sent', a.started_at, a.late);

-- 6. The dead letters: one of generation g exists when g failed and no generation up to g was sent after all (a late
-- success is still true). It is closed once a later generation began, or the message was delivered or cancelled: so a
-- replay that is cancelled leaves it closed, and nothing sends the message again. What was poison stands beside them with
-- its whole entry.
WITH failed AS (
  INSERT INTO dead_letters (stage, message_id, generation, provider, reason, attempts, failed_at, replayed_at)
  SELECT DISTINCT ON (s.message_id, s.generation) 'dispatch', s.message_id, s.generation, s.provider,
    s.outcome || coalesce(': ' || s.error, ''), s.call,
    greatest(least(s.happened_at, now()), now() - interval '7 days'), -- Redis's clock may have been wrong; 30 days are from here
    least((SELECT d.updated_at FROM deliveries d WHERE d.message_id = s.message_id AND d.generation > s.generation),
      (SELECT min(p.replayed_at) FROM replays p WHERE p.message_id = s.message_id AND p.generation > s.generation),
      (SELECT min(a.started_at) FROM dispatch_attempts a
        WHERE a.message_id = s.message_id AND a.generation >= s.generation AND a.outcome = 'cancelled'),
      (SELECT min(r.arrived_at) FROM receipts r WHERE r.message_id = s.message_id AND r.status = 'delivered'))
  FROM staging s
  WHERE s.kind = 'outcome' AND s.verdict = 'failed'
    AND NOT EXISTS (
      SELECT FROM dispatch_attempts a
      WHERE a.message_id = s.message_id AND a.generation <= s.generation AND a.outcome = 'sent'
    )
  ORDER BY s.message_id, s.generation, s.call DESC, s.position
  ON CONFLICT DO NOTHING
  RETURNING 1
), quarantined AS (
  INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, stream, entry_id, entry)
  SELECT 'persist', s.generation, s.provider, s.reason, 0, s.happened_at, s.stream, s.entry_id, s.entry
  FROM staging s
  WHERE s.kind = 'poison'
  ON CONFLICT DO NOTHING
  RETURNING 1
)
SELECT (SELECT count(*) FROM failed) + (SELECT count(*) FROM quarantined) INTO dead_letters;

-- Webhooks that can't become messages: one of each hash. One that is to be deleted soon (expire.sql) makes room for it.
IF EXISTS (SELECT FROM staging WHERE kind IN ('unread', 'reread')) THEN
  DELETE FROM dead_letters d
  USING staging s
  WHERE s.kind = 'unread' AND d.stage = 'webhook' AND d.channel = s.route AND d.hash = s.hash
    AND d.failed_at < now() - interval '30 days';

  INSERT INTO dead_letters (stage, generation, provider, reason, attempts, failed_at, channel, hash, field, media_type,
    client_address, request_id, arrived_at, raw)
  SELECT DISTINCT ON (s.route, s.hash) 'webhook', 0, s.provider, 'unread: ' || s.problem, 0,
    greatest(least(s.happened_at, now()), now() - interval '7 days'), s.route, s.hash, s.field, s.media_type,
    s.client_address, s.webhook_request_id, s.happened_at, decode(s.raw, 'base64')
  FROM staging s
  WHERE s.kind = 'unread'
  ORDER BY s.route, s.hash, s.position
  ON CONFLICT DO NOTHING;

  UPDATE dead_letters d
  SET replayed_at = least(d.replayed_at, r.replayed_at)
  FROM (SELECT letter, min(happened_at) AS replayed_at FROM staging WHERE kind = 'reread' GROUP BY letter) r
  WHERE d.stage = 'webhook' AND d.channel IN ('sms', 'email') AND d.hash = r.letter;
END IF;

DELETE FROM dead_letters d
USING staging s
WHERE s.kind = 'outcome' AND s.verdict = 'sent'
  AND d.stage = 'dispatch' AND d.message_id = s.message_id AND d.generation >= s.generation;

-- An outcome of a later generation says so as well, for a fail-over of Redis may have lost the event of the replay; and so
-- does what cancelled the generation itself.
UPDATE dead_letters d
SET replayed_at = least(d.replayed_at, r.replayed_at)
FROM (
  SELECT o.id, min(s.happened_at) AS replayed_at
  FROM staging s
  JOIN dead_letters o ON o.stage = 'dispatch' AND o.message_id = s.message_id
    AND o.generation < s.generation + (s.verdict IS NOT DISTINCT FROM 'cancelled')::integer
  WHERE s.kind IN ('replayed', 'outcome') AND (s.generation > 0 OR s.verdict = 'cancelled')
  GROUP BY o.id
) r
WHERE d.id = r.id;

INSERT INTO replays AS r (message_id, generation, replayed_at)
SELECT s.message_id, s.generation, min(s.happened_at)
FROM staging s
WHERE s.kind = 'replayed'
GROUP BY s.message_id, s.generation
ORDER BY s.message_id, s.generation
ON CONFLICT (message_id, generation) DO UPDATE SET replayed_at = excluded.replayed_at
WHERE excluded.replayed_at < r.replayed_at;
GET DIAGNOSTICS new_replays = ROW_COUNT;

-- 7. The receipts: a row for each status that a message of the provider's was said to have. What says the same once more
-- adds to the row what makes it the same in any order: the latest time by the provider, with its code and reason, and the
-- first arrival. Where the provider gives no time, the first arrival is when it happened, so that a repeat is no news.
IF staged_receipts > 0 THEN
  WITH told AS (
    INSERT INTO receipts AS r (message_id, provider_message_id, status, provider, code, reason, occurred_at, arrived_at,
      early)
    SELECT DISTINCT ON (s.message_id, s.of_provider, s.receipt) s.message_id, s.of_provider, s.receipt, s.provider, s.code,
      s.why, s.said_at, min(s.happened_at) OVER (PARTITION BY s.message_id, s.of_provider, s.receipt),
      NOT EXISTS (SELECT FROM messages m WHERE m.id = s.message_id)
    FROM (
      SELECT *, coalesce(provider_message_id, '') AS of_provider FROM staging WHERE receipt IS NOT NULL
    ) s
    ORDER BY s.message_id, s.of_provider, s.receipt, coalesce(s.said_at, '-infinity') DESC, coalesce(s.code, '') DESC,
      coalesce(s.why, '') DESC
    ON CONFLICT (message_id, provider_message_id, status) DO UPDATE
    SET arrived_at = least(r.arrived_at, excluded.arrived_at),
      (occurred_at, code, reason) = (
        SELECT one.occurred_at, one.code, one.reason
        FROM (VALUES (r.occurred_at, r.code, r.reason), (excluded.occurred_at, excluded.code, excluded.reason))
          AS one (occurred_at, code, reason)
        ORDER BY coalesce(one.occurred_at, '-infinity') DESC, coalesce(one.code, '') DESC, coalesce(one.reason, '') DESC
        LIMIT 1
      )
    RETURNING r.message_id, r.provider, r.status, r.code, r.occurred_at, r.arrived_at, r.xmax = 0 AS is_new
  )
  -- greatest() passes over NULL.
  SELECT string_agg(concat_ws(' ', t.provider, t.status,
    CASE WHEN d.message_id IS NULL THEN '-' ELSE greatest(
      (extract(epoch FROM coalesce(t.occurred_at, t.arrived_at) - d.updated_at) * 1000000)::bigint, 0)::text END,
    coalesce(t.code, '-')), E'\n')
  INTO receipts_told
  FROM told t
  LEFT JOIN deliveries d ON d.message_id = t.message_id AND d.status = 'sent'
  WHERE t.is_new;

  UPDATE dead_letters d
  SET replayed_at = least(d.replayed_at, r.arrived_at)
  FROM (
    SELECT message_id, min(happened_at) AS arrived_at FROM staging WHERE receipt = 'delivered' GROUP BY message_id
  ) r
  WHERE d.stage = 'dispatch' AND d.message_id = r.message_id;
END IF;

-- Which of them stands: the latest; of two of one time, `delivered`. No provider's clock is believed to be ahead by more
-- than a day. A replay that began after an `undelivered` takes it back; a provider's time may be cut off to whole seconds.
IF staged_receipts > 0 OR new_replays > 0 THEN
  UPDATE deliveries d
  SET receipt = w.status, receipt_at = w.at
  FROM (
    SELECT t.message_id, l.status, l.at
    FROM (SELECT DISTINCT message_id FROM staging WHERE receipt IS NOT NULL OR kind = 'replayed') t
    LEFT JOIN LATERAL (
      SELECT r.status, least(coalesce(r.occurred_at, r.arrived_at), r.arrived_at + interval '1 day') AS at,
        least(r.occurred_at + interval '999 milliseconds', r.arrived_at) AS at_most
      FROM receipts r
      WHERE r.message_id = t.message_id
      ORDER BY at DESC, r.status = 'delivered' DESC
      LIMIT 1
    ) l ON l.status = 'delivered' OR NOT EXISTS (
      SELECT FROM replays p WHERE p.message_id = t.message_id AND p.replayed_at > l.at_most
    )
  ) w
  WHERE d.message_id = w.message_id AND (d.receipt, d.receipt_at) IS DISTINCT FROM (w.status, w.at);
END IF;

-- 8. Who has opted out, or in again: the word on each pair that was said last, of two of one time the one that came last.
-- A webhook that came again, when Redis had forgotten the first, is no new word, but where nothing is known of its pair.
-- What stands by now is handed back for each, with the place of what was no new word.
IF staged_opt_outs > 0 THEN
  DELETE FROM words;
  INSERT INTO words
  SELECT CASE s.provider WHEN 'email' THEN 'email' ELSE 'sms' END, s.opt_out->>'our', s.opt_out->>'their', s.provider,
    s.opt_out->>'state', to_timestamp((s.opt_out->>'at')::bigint / 1000.0),
    to_timestamp((s.opt_out->>'came')::bigint / 1000.0), s.opt_out->>'by', concat_ws(' ', s.opt_out->>'at', s.opt_out->>'came'),
    s.kind = 'optout' OR EXISTS (SELECT FROM fresh f WHERE f.position = s.position)
  FROM staging s
  WHERE s.opt_out IS NOT NULL;

  INSERT INTO opt_outs AS o (channel, our_address, their_address, state, at, came_at, by)
  SELECT DISTINCT ON (w.channel, w.our, w.their) w.channel, w.our, w.their, w.state, w.at, w.came_at, w.by
  FROM words w
  WHERE w.is_new OR NOT EXISTS (
    SELECT FROM opt_outs k WHERE (k.channel, k.our_address, k.their_address) = (w.channel, w.our, w.their)
  )
  ORDER BY w.channel, w.our, w.their, w.at DESC, w.came_at DESC, w.state DESC, w.by
  ON CONFLICT (channel, our_address, their_address) DO UPDATE
  SET state = excluded.state, at = excluded.at, came_at = excluded.came_at, by = excluded.by
  WHERE (excluded.at, excluded.came_at, excluded.state) > (o.at, o.came_at, o.state);

  SELECT jsonb_agg(jsonb_build_object('provider', w.provider, 'our', o.our_address, 'their', o.their_address,
    'state', o.state, 'at', round(extract(epoch FROM o.at) * 1000), 'came', round(extract(epoch FROM o.came_at) * 1000),
    'by', o.by, 'instead_of', CASE WHEN (w.at, w.came_at, w.state) > (o.at, o.came_at, o.state) THEN w.place END))
  INTO opt_outs_told
  FROM words w JOIN opt_outs o ON (o.channel, o.our_address, o.their_address) = (w.channel, w.our, w.their);
END IF;

-- 9. The counters behind meta.total, last, because they are what many batches share.
INSERT INTO participant_totals AS p (participant, channel, conversations)
SELECT n.participant, n.channel, count(*)
FROM (
  SELECT participant_a AS participant, channel FROM touched WHERE created
  UNION ALL
  SELECT participant_b, channel FROM touched WHERE created AND participant_b <> participant_a
) n
GROUP BY n.participant, n.channel
ORDER BY n.participant, n.channel
ON CONFLICT (participant, channel) DO UPDATE SET conversations = p.conversations + excluded.conversations;

INSERT INTO totals AS t (slot, channel, conversations, messages)
SELECT (SELECT slot FROM staging LIMIT 1), channel, count(*) FILTER (WHERE created), sum(added)
FROM touched
GROUP BY channel
ORDER BY channel
ON CONFLICT (slot, channel) DO UPDATE
SET conversations = t.conversations + excluded.conversations, messages = t.messages + excluded.messages;

SELECT count(*) FILTER (WHERE t.created) FROM touched t INTO created;

-- 10. What is acknowledged by this commit, a synchronous standby must have. A commit that has written to temporary tables
-- alone waits for nobody, and that is all that a repeat writes which finds everything stored, maybe on the primary alone:
-- by a persister whose session was ended while its commit waited. So each writes a record to the log.
PERFORM pg_logical_emit_message(true, 'messaging', ''::text);

END
$store_batch$;

-- The staged messages whose conversation was erased since they were accepted, by this batch, too; NULL: there are none.
CREATE FUNCTION pg_temp.staged_of_erased(OUT ids uuid[]) LANGUAGE plpgsql AS $staged_of_erased$
BEGIN
  IF (SELECT e.key FROM erased_conversations e ORDER BY e.key LIMIT 1) IS NOT NULL
    OR EXISTS (SELECT FROM pg_temp.staging s WHERE s.kind = 'erase') THEN
    SELECT array_agg(DISTINCT s.message_id)
    INTO ids
    FROM pg_temp.staging s
    LEFT JOIN (
      SELECT key, max(happened_at) AS erased_at FROM pg_temp.staging WHERE kind = 'erase' GROUP BY key
    ) n ON n.key = s.key
    WHERE s.kind = 'message' AND s.accepted_at < interval '1 millisecond'
      + greatest((SELECT e.erased_at FROM erased_conversations e WHERE e.key = s.key), n.erased_at);
  END IF;
END
$staged_of_erased$;
