-- One page of a thread, oldest first. No row: no such conversation; a row without a message: the page is empty.
--   $1      conversation
--   $2, $3  where the page before ended (time, id); ('-infinity', the nil UUID) for the start
--   $4      rows, one more than shown   $5 rows to skip
SELECT m.id, m.conversation_id, m.direction, m.type, m.from_address, m.to_address, m.body,
       m.provider, (extract(epoch FROM m.occurred_at) * 1000000)::bigint AS occurred_us,
       CASE m.direction WHEN 'inbound' THEN 'received' ELSE coalesce(d.status, 'queued') END AS status,
       (SELECT coalesce(json_agg(a.url ORDER BY a.position), '[]')
          FROM attachments AS a
         WHERE a.message_id = m.id)::text AS attachments,
       c.message_count AS total
  FROM conversations AS c
  LEFT JOIN LATERAL (SELECT *
                       FROM messages
                      WHERE conversation_id = $1::bigint AND (occurred_at, id) > ($2::timestamptz, $3::uuid)
                      ORDER BY occurred_at, id
                      LIMIT $4::bigint OFFSET $5::bigint) AS m ON true
  LEFT JOIN deliveries AS d ON d.message_id = m.id
 WHERE c.id = $1::bigint
 ORDER BY m.occurred_at, m.id
