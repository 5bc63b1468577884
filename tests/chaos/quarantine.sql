-- The dead letters: what could not be recorded, with its entry, and what could not be delivered.
SELECT stage, coalesce(entry, ''), coalesce(message_id::text, ''), reason FROM dead_letters d
WHERE stage <> 'webhook'
  AND NOT EXISTS (SELECT FROM messages m WHERE m.id = d.message_id AND m.to_address LIKE '+1777%') -- who has opted out
