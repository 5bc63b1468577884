-- What became of every outbound message, and how many of its calls are recorded: a receipt that ended its wait is none.
SELECT d.message_id, d.status, d.final, round(extract(epoch FROM d.updated_at) * 1000)::bigint,
  (SELECT count(*) FROM dispatch_attempts a WHERE a.message_id = d.message_id AND a.delivery > 0)
FROM deliveries d
