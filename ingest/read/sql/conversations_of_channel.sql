-- conversations.sql for one channel.
--   $1, $2  where the page before ended   $3 rows   $4 rows to skip   $5 channel
SELECT c.id, c.key, c.channel, c.participant_a, c.participant_b, c.message_count,
       (extract(epoch FROM c.last_activity_at) * 1000000)::bigint AS last_activity_us,
       t.total
  FROM (SELECT coalesce(sum(conversations), 0)::bigint AS total FROM totals WHERE channel = $5) AS t
  LEFT JOIN (SELECT *
               FROM conversations
              WHERE channel = $5 AND (last_activity_at, id) < ($1::timestamptz, $2::bigint)
              ORDER BY last_activity_at DESC, id DESC
              LIMIT $3::bigint OFFSET $4::bigint) AS c ON true
 ORDER BY c.last_activity_at DESC, c.id DESC
