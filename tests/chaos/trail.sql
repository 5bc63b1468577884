-- All that Postgres knows of one message ($1), one line a row.
SELECT 'message ' || to_jsonb(m)::text FROM messages m WHERE m.id = $1
UNION ALL
SELECT 'delivery ' || to_jsonb(d)::text FROM deliveries d WHERE d.message_id = $1
UNION ALL
SELECT 'attempt ' || to_jsonb(a)::text FROM dispatch_attempts a WHERE a.message_id = $1
UNION ALL
SELECT 'receipt ' || to_jsonb(r)::text FROM receipts r WHERE r.message_id = $1
UNION ALL
SELECT 'dead letter ' || to_jsonb(l)::text FROM dead_letters l WHERE l.message_id = $1
