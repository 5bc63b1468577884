-- Whose one message is and what has become of it, by its id, $1, or by the other that it was given (message_aliases): for
-- who wants it cancelled.
SELECT m.id, m.direction, m.type, m.from_address, coalesce(d.receipt, d.status, 'queued') AS status,
       coalesce(d.final, false) AS final, coalesce(d.generation, 0) AS generation
  FROM messages AS m
  LEFT JOIN deliveries AS d ON d.message_id = m.id
 WHERE m.id = coalesce((SELECT id FROM messages WHERE id = $1::uuid),
                       (SELECT message_id FROM message_aliases WHERE id = $1::uuid))
