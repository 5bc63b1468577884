-- Every message as the audit compares it with the ledger, but for those of the loads of opt-outs and bursts.
SELECT m.id, m.type, m.direction, m.from_address, m.to_address, m.body,
  coalesce((SELECT string_agg(a.url || E'\n', '' ORDER BY a.position) FROM attachments a WHERE a.message_id = m.id), ''),
  CASE WHEN m.direction = 'inbound' THEN coalesce(m.provider_message_id, '') ELSE '' END,
  round(extract(epoch FROM m.occurred_at) * 1000)::bigint,
  round(extract(epoch FROM m.persisted_at) * 1000)::bigint
FROM messages m
WHERE m.from_address NOT LIKE '+1777%' AND m.to_address NOT LIKE '+1777%'
  AND m.to_address NOT LIKE '+1888%' AND m.to_address NOT LIKE '%@bursts.example'
