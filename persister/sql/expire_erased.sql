-- The ids of deleted messages are forgotten after 30 days, a thousand at a time.
DELETE FROM erased_messages
WHERE id IN (
  SELECT id FROM erased_messages WHERE erased_at < now() - interval '30 days' ORDER BY erased_at LIMIT 1000
);
