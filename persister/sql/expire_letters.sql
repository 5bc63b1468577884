-- Dead letters that are of no message (stages persist and webhook) go when they are as old as a message may get:
-- messaging.retention_days. A thousand at a time, so that no lock lasts.
DELETE FROM dead_letters
WHERE id IN (
  SELECT id FROM dead_letters
  WHERE stage <> 'dispatch'
    AND failed_at < now() - make_interval(days => current_setting('messaging.retention_days')::integer)
  ORDER BY failed_at
  LIMIT 1000
  FOR UPDATE SKIP LOCKED
);
