-- The payloads (shared/message/encode.c) of the messages whose ids come on standard input, for bin/reconcile.sh: id,
-- provider, generation, payload. Sender and recipient are the participants of the conversation; from is one of them; one of
-- before its '<' and '>' were encoded is still known by them.
CREATE TEMPORARY TABLE lost (message_id uuid PRIMARY KEY);
\copy lost FROM pstdin
SELECT m.id, m.provider, d.generation, json_build_object(
         'type', m.type, 'direction', m.direction, 'from', m.from_address, 'to', m.to_address,
         'sender', CASE WHEN n.sends_a THEN c.participant_a ELSE c.participant_b END,
         'recipient', CASE WHEN n.sends_a THEN c.participant_b ELSE c.participant_a END,
         'body', m.body,
         'attachments', coalesce((SELECT json_agg(url ORDER BY position) FROM attachments WHERE message_id = m.id), '[]'),
         'occurred_ms', (extract(epoch FROM m.occurred_at) * 1000)::bigint,
         'accepted_ms', (extract(epoch FROM m.accepted_at) * 1000)::bigint,
         'request_id', m.request_id)
  FROM lost l
  JOIN messages m ON m.id = l.message_id
  JOIN deliveries d ON d.message_id = m.id
  JOIN conversations c ON c.id = m.conversation_id
 CROSS JOIN LATERAL (
   SELECT lower(regexp_replace(m.from_address, '^([^+@][^+@]*)\+[^@]*@', '\1@')) AS identity
 ) e
 CROSS JOIN LATERAL (
   SELECT CASE c.channel
            WHEN 'email' THEN c.participant_a IN (e.identity, replace(replace(e.identity, '<', '%3C'), '>', '%3E'))
            ELSE regexp_replace(m.from_address, '\D', '', 'g') = regexp_replace(c.participant_a, '\D', '', 'g')
          END AS sends_a
 ) n
 WHERE NOT d.final
 ORDER BY m.id;
