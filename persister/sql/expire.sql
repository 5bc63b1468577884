-- Dead letters are kept for 30 days; a thousand go at a time, so that no lock lasts.
DELETE FROM dead_letters
WHERE id IN (
  SELECT id FROM dead_letters
  WHERE failed_at < now() - interval '30 days'
  ORDER BY failed_at
  LIMIT 1000
  FOR UPDATE SKIP LOCKED
);
