-- SPDX-License-Identifier: MIT
-- What bin/status.sh shows of Postgres; each row is two columns. Nothing here counts the rows of a large table.
SET statement_timeout = '3s'; -- a screen that waits for somebody's lock shows nothing
SELECT 'conversations', coalesce(sum(conversations), 0)::text FROM totals
UNION ALL
SELECT 'messages', coalesce(sum(messages), 0)::text FROM totals
UNION ALL
SELECT 'last activity', coalesce(max(last_activity_at)::timestamptz(0)::text, 'never') FROM conversations
UNION ALL
SELECT 'oldest message', coalesce((
  SELECT accepted_at::timestamptz(0)::text FROM messages ORDER BY accepted_at LIMIT 1), 'none')
UNION ALL
SELECT 'dead letters, last 100',
  format('%s, of them not replayed %s, the last %s', count(*), count(*) FILTER (WHERE replayed_at IS NULL),
    coalesce((clock_timestamp() - max(failed_at))::interval(0)::text || ' ago', 'never'))
FROM (SELECT replayed_at, failed_at FROM dead_letters ORDER BY failed_at DESC, id DESC LIMIT 100) AS newest;
