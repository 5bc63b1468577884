-- One page of all conversations, newest activity first. The total is in every row, and in a row of its own where the
-- page is empty, so that one statement gives both.
--   $1, $2  where the page before ended (last activity, id); ('infinity', greatest bigint) for the start
--   $3      rows, one more than shown   $4 rows to skip
SELECT c.id, c.key, c.channel, c.participant_a, c.participant_b, c.message_count,
       (extract(epoch FROM c.last_activity_at) * 1000000)::bigint AS last_activity_us,
       t.total
  FROM (SELECT sum(conversations)::bigint AS total FROM totals) AS t
  LEFT JOIN (SELECT *
               FROM conversations
              WHERE (last_activity_at, id) < ($1::timestamptz, $2::bigint)
              ORDER BY last_activity_at DESC, id DESC
              LIMIT $3::bigint OFFSET $4::bigint) AS c ON true
 ORDER BY c.last_activity_at DESC, c.id DESC
