-- Every message of the bursts' load; when it was to be sent, how often it was cancelled, and when it was stored.
SELECT m.id, m.body, m.from_address, m.to_address, coalesce(round(extract(epoch FROM m.send_at) * 1000)::bigint, 0),
  (SELECT count(*) FROM dispatch_attempts a WHERE a.message_id = m.id AND a.outcome = 'cancelled'),
  round(extract(epoch FROM m.persisted_at) * 1000)::bigint
FROM messages m
WHERE m.to_address LIKE '+1888%' OR m.to_address LIKE '%@bursts.example'
