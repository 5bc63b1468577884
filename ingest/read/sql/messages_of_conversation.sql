-- One page of a thread, oldest first, those of one time as they were accepted. No row: no such conversation; a row
-- without a message: the page is empty.
--   $1      conversation, or one that became one with another: its aliases are looked at only where it is no conversation
--   $2, $3, $4  where the page before ended (time, accepted, id); ('-infinity', '-infinity', the nil UUID) for the start
--   $5      rows, one more than shown   $6 rows to skip
--   $7      bytes that what may be large of a message may have: subject, body, attachments; of more, only how many they
--           are. That is known without reading them.
--   $8      the nil UUID; or, where $3 and $4 are as for the start, the id that the page before ended with at that time,
--           in the order of releases that knew no other than time and id
SELECT m.id, m.conversation_id, m.direction, m.type, m.from_address, m.to_address,
       CASE WHEN b.bytes <= $7::bigint THEN m.body END AS body,
       m.provider, (extract(epoch FROM m.occurred_at) * 1000000)::bigint AS occurred_us,
       CASE m.direction WHEN 'inbound' THEN 'received' ELSE coalesce(d.receipt, d.status, 'queued') END AS status,
       CASE WHEN b.bytes <= $7::bigint THEN a.attachments END AS attachments,
       CASE WHEN b.bytes <= $7::bigint THEN m.subject END AS subject,
       (extract(epoch FROM m.accepted_at) * 1000000)::bigint AS accepted_us,
       (SELECT json_build_object('status', r.status, 'code', r.code, 'reason', r.reason, 'at', shown_time(d.receipt_at))
          FROM receipts AS r
         WHERE r.message_id = m.id AND m.direction = 'outbound' AND r.status = d.receipt
         ORDER BY r.occurred_at DESC NULLS LAST, r.arrived_at DESC
         LIMIT 1)::text AS receipt,
       shown_time(m.send_at) AS send_at,
       c.message_count AS total, b.bytes
  FROM conversations AS c
  LEFT JOIN LATERAL (SELECT *
                       FROM messages
                      WHERE conversation_id = c.id
                        AND (occurred_at, accepted_at, id) > ($2::timestamptz, $3::timestamptz, $4::uuid)
                        AND (occurred_at > $2::timestamptz OR id > $8::uuid)
                      ORDER BY occurred_at, accepted_at, id
                      LIMIT $5::bigint OFFSET $6::bigint) AS m ON true
  LEFT JOIN LATERAL (SELECT coalesce(json_agg(url ORDER BY position), '[]')::text AS attachments
                       FROM attachments
                      WHERE message_id = m.id) AS a ON true
 CROSS JOIN LATERAL (SELECT octet_length(m.body) + coalesce(octet_length(m.subject), 0) + octet_length(a.attachments)
                              AS bytes) AS b
  LEFT JOIN deliveries AS d ON d.message_id = m.id
 WHERE c.id = coalesce((SELECT id FROM conversations WHERE id = $1::bigint),
                       (SELECT conversation_id FROM conversation_aliases WHERE id = $1::bigint))
 ORDER BY m.occurred_at, m.accepted_at, m.id
