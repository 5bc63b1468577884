-- The payloads (shared/message/encode.c) of the messages whose ids come on standard input, for bin/reconcile.sh: id,
-- provider, generation, when it is to be sent in ms since 1970 (0: now), payload. Sender and recipient are the participants of the conversation. Which of them sent is
-- stored, but for the rows of older releases: there it is the one that from looks like, also where its '<' and '>' were
-- encoded since.
CREATE TEMPORARY TABLE lost (message_id uuid PRIMARY KEY);
\copy lost FROM pstdin
SELECT m.id, m.provider, d.generation,
       CASE WHEN d.status = 'scheduled' AND m.send_at > now() THEN (extract(epoch FROM m.send_at) * 1000)::bigint ELSE 0 END,
       json_build_object(
         'type', m.type, 'direction', m.direction, 'from', m.from_address, 'to', m.to_address,
         'sender', CASE WHEN n.sends_a THEN c.participant_a ELSE c.participant_b END,
         'recipient', CASE WHEN n.sends_a THEN c.participant_b ELSE c.participant_a END,
         'subject', m.subject, 'body', m.body,
         'attachments', coalesce((SELECT json_agg(url ORDER BY position) FROM attachments WHERE message_id = m.id), '[]'),
         'occurred_ms', (extract(epoch FROM m.occurred_at) * 1000)::bigint,
         'accepted_ms', floor(extract(epoch FROM m.accepted_at) * 1000)::bigint,
         'send_at', (extract(epoch FROM m.send_at) * 1000)::bigint,
         'request_id', m.request_id)
  FROM lost l
  JOIN messages m ON m.id = l.message_id
  JOIN deliveries d ON d.message_id = m.id
  JOIN conversations c ON c.id = m.conversation_id
 CROSS JOIN LATERAL (
   SELECT lower(regexp_replace(m.from_address, '^([^+@][^+@]*)\+[^@]*@', '\1@')) AS identity
 ) e
 CROSS JOIN LATERAL (
   SELECT CASE WHEN m.sent_by IS NOT NULL THEN m.sent_by = 'a'
            WHEN c.channel = 'email' THEN c.participant_a IN (e.identity, replace(replace(e.identity, '<', '%3C'), '>', '%3E'))
            ELSE regexp_replace(m.from_address, '\D', '', 'g') = regexp_replace(c.participant_a, '\D', '', 'g')
          END AS sends_a
 ) n
 WHERE NOT d.final
   AND NOT EXISTS ( -- to be erased
     SELECT FROM erased_conversations x WHERE x.key = c.key AND m.accepted_at < x.erased_at + interval '1 millisecond'
   )
   AND NOT EXISTS (SELECT FROM receipts r WHERE r.message_id = m.id AND r.status = 'delivered')
 ORDER BY m.id;
