-- One page of a thread, oldest first. No row: no such conversation; a row without a message: the page is empty.
--   $1      conversation
--   $2, $3  where the page before ended (time, id); ('-infinity', the nil UUID) for the start
--   $4      rows, one more than shown   $5 rows to skip
--   $6      bytes that a message's body and attachments may have; of more, only how many they are. That is known
--           without reading the body.
SELECT m.id, m.conversation_id, m.direction, m.type, m.from_address, m.to_address,
       CASE WHEN octet_length(m.body) + octet_length(a.attachments) <= $6::bigint THEN m.body END AS body,
       m.provider, (extract(epoch FROM m.occurred_at) * 1000000)::bigint AS occurred_us,
       CASE m.direction WHEN 'inbound' THEN 'received' ELSE coalesce(d.status, 'queued') END AS status,
       CASE WHEN octet_length(m.body) + octet_length(a.attachments) <= $6::bigint THEN a.attachments END AS attachments,
       c.message_count AS total, octet_length(m.body) + octet_length(a.attachments) AS bytes
  FROM conversations AS c
  LEFT JOIN LATERAL (SELECT *
                       FROM messages
                      WHERE conversation_id = $1::bigint AND (occurred_at, id) > ($2::timestamptz, $3::uuid)
                      ORDER BY occurred_at, id
                      LIMIT $4::bigint OFFSET $5::bigint) AS m ON true
  LEFT JOIN LATERAL (SELECT coalesce(json_agg(url ORDER BY position), '[]')::text AS attachments
                       FROM attachments
                      WHERE message_id = m.id) AS a ON true
  LEFT JOIN deliveries AS d ON d.message_id = m.id
 WHERE c.id = $1::bigint
 ORDER BY m.occurred_at, m.id
