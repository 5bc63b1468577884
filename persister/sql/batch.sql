-- ASCII only, here and in staging.sql: a server of another encoding must be able to read it, to say what it lacks.
--
-- What is staged becomes rows, in one statement and so one transaction: no client stands between its locks.
--
-- It is a function of the session, made at each connect, because PL/pgSQL keeps the plans of its statements: to plan
-- them again took three quarters of the time of a small batch. Each statement sees what others have committed before it.
--
-- Every step is order-free: any redelivery, and any interleaving with the other persisters, gives the same rows.
-- Locks are always taken in the same order, so that persisters wait for one another but don't deadlock: conversations by
-- key (known ones, then new ones), messages by id, deliveries, attempts, dead letters and replays by message, participants, totals.
--
-- Takes which session and rows the persister means (the session's token, how many rows it has copied, the sum of their
-- marks), and gives the same as they were found; then what the metrics are told: messages stored, conversations created,
-- dead letters.
CREATE FUNCTION pg_temp.store_batch(INOUT session_token text, INOUT entries bigint, INOUT marks numeric,
  OUT stored bigint, OUT created bigint, OUT dead_letters bigint)
LANGUAGE plpgsql AS $store_batch$
#variable_conflict use_column
DECLARE
  meant text := concat_ws('/', session_token, entries, marks);
BEGIN

-- 0. A pooler may have taken the rows to one session and this call to another, whose staging table is empty, or holds
-- another batch: then nothing is stored.
SELECT (SELECT token FROM pg_temp.session), count(*), coalesce(sum(s.mark), 0)
INTO session_token, entries, marks
FROM pg_temp.staging s;
IF meant IS DISTINCT FROM concat_ws('/', session_token, entries, marks) THEN
  RAISE EXCEPTION 'this session has not the rows that were copied (% instead of %): is a pooler in between that is not in session mode?',
    concat_ws('/', session_token, entries, marks), meant USING ERRCODE = 'MS002';
END IF;

DELETE FROM fresh;
DELETE FROM touched;

-- 1. The messages that aren't stored yet. Should the same id come twice with different contents, the first one stands.
INSERT INTO fresh (position, message_id, key, occurred_at)
SELECT DISTINCT ON (s.message_id) s.position, s.message_id, s.key, s.occurred_at
FROM staging s
WHERE s.kind = 'message'
  AND NOT EXISTS (SELECT FROM messages m WHERE m.id = s.message_id)
ORDER BY s.message_id, s.position;

-- 2. Their conversations: the known ones are locked, in the order of their keys ...
INSERT INTO touched (conversation_id, key, channel, participant_a, participant_b, created, added, latest)
SELECT c.id, c.key, c.channel, c.participant_a, c.participant_b, false, f.added, f.latest
FROM (
  SELECT key, count(*) AS added, max(occurred_at) AS latest FROM fresh GROUP BY key ORDER BY key
) f
CROSS JOIN LATERAL (
  SELECT * FROM conversations c WHERE c.key = f.key FOR NO KEY UPDATE
) c;

-- ... and the missing ones are made, in the same order, complete with their counts.
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
INSERT INTO messages (id, conversation_id, direction, type, from_address, to_address, body, provider,
  provider_message_id, occurred_at, accepted_at, request_id)
SELECT s.message_id, t.conversation_id, s.direction, s.type, s.from_address, s.to_address, s.body, s.provider,
  s.provider_message_id, s.occurred_at, s.accepted_at, s.request_id
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

UPDATE conversations c
SET message_count = c.message_count + t.added, last_activity_at = greatest(c.last_activity_at, t.latest)
FROM touched t
WHERE c.id = t.conversation_id AND NOT t.created;

-- 4. The status of outbound messages: sent beats all, else the greater (generation, final, call); the rest of the
-- comparison only makes it total, so that two outcomes of one call end the same in either order.
INSERT INTO deliveries AS d (message_id, status, generation, final, call, provider_message_id, updated_at)
SELECT DISTINCT ON (e.message_id) e.*
FROM (
  SELECT s.message_id,
    CASE WHEN s.kind <> 'outcome' THEN 'queued' WHEN s.verdict = 'retry' THEN 'retrying' ELSE s.verdict END AS status,
    s.generation, s.kind = 'outcome' AND s.verdict <> 'retry' AS final, coalesce(s.call, 0) AS call,
    CASE WHEN s.kind = 'outcome' THEN s.provider_message_id END AS provider_message_id, s.happened_at
  FROM staging s
  WHERE s.kind IN ('outcome', 'replayed') OR s.direction = 'outbound'
) e
ORDER BY e.message_id, (e.status = 'sent') DESC, e.generation DESC, e.final DESC, e.call DESC, e.happened_at DESC,
  coalesce(e.provider_message_id, '') COLLATE "C" DESC
ON CONFLICT (message_id) DO UPDATE
SET status = excluded.status, generation = excluded.generation, final = excluded.final, call = excluded.call,
  provider_message_id = excluded.provider_message_id, updated_at = excluded.updated_at
WHERE (excluded.status = 'sent', excluded.generation, excluded.final, excluded.call, excluded.updated_at,
    coalesce(excluded.provider_message_id, '') COLLATE "C")
  > (d.status = 'sent', d.generation, d.final, d.call, d.updated_at, coalesce(d.provider_message_id, '') COLLATE "C");

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
-- success is still true). What was poison stands beside them with its whole entry.
WITH failed AS (
  INSERT INTO dead_letters (stage, message_id, generation, provider, reason, attempts, failed_at, replayed_at)
  SELECT DISTINCT ON (s.message_id, s.generation) 'dispatch', s.message_id, s.generation, s.provider,
    s.outcome || coalesce(': ' || s.error, ''), s.call,
    greatest(least(s.happened_at, now()), now() - interval '7 days'), -- Redis's clock may have been wrong; 30 days are from here
    (SELECT d.updated_at FROM deliveries d WHERE d.message_id = s.message_id AND d.generation > s.generation)
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

DELETE FROM dead_letters d
USING staging s
WHERE s.kind = 'outcome' AND s.verdict = 'sent'
  AND d.stage = 'dispatch' AND d.message_id = s.message_id AND d.generation >= s.generation;

-- An outcome of a later generation says so as well: a fail-over of Redis may have lost the event of the replay.
UPDATE dead_letters d
SET replayed_at = least(d.replayed_at, r.replayed_at)
FROM (
  SELECT o.id, min(s.happened_at) AS replayed_at
  FROM staging s
  JOIN dead_letters o ON o.stage = 'dispatch' AND o.message_id = s.message_id AND o.generation < s.generation
  WHERE s.kind IN ('replayed', 'outcome') AND s.generation > 0
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

-- 7. The counters behind meta.total, last, because they are what many batches share.
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

END
$store_batch$;
