-- One message by its id, $1.
SELECT m.id, m.conversation_id, m.direction, m.type, m.from_address, m.to_address, m.body, m.provider,
       (extract(epoch FROM m.occurred_at) * 1000000)::bigint AS occurred_us,
       CASE m.direction WHEN 'inbound' THEN 'received' ELSE coalesce(d.status, 'queued') END AS status,
       (SELECT coalesce(json_agg(a.url ORDER BY a.position), '[]')
          FROM attachments AS a
         WHERE a.message_id = m.id)::text AS attachments,
       (extract(epoch FROM m.accepted_at) * 1000000)::bigint AS accepted_us,
       (extract(epoch FROM m.persisted_at) * 1000000)::bigint AS persisted_us
  FROM messages AS m
  LEFT JOIN deliveries AS d ON d.message_id = m.id
 WHERE m.id = $1::uuid
