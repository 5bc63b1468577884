-- One page of all dead letters, newest first.
--   $1, $2  where the page before ended (time of failure, id); ('infinity', greatest bigint) for the start
--   $3      the earliest time; '-infinity' for all   $4 rows, one more than shown   $5 rows to skip
--   $6      bytes that the payloads of the page may have: the rows from which on they have more come without them
SELECT l.id, l.message_id, l.provider, l.reason, l.attempts,
       (extract(epoch FROM l.failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM l.replayed_at) * 1000000)::bigint AS replayed_us,
       CASE WHEN l.bytes_so_far <= $6::bigint THEN l.payload END AS payload, l.bytes
  FROM (SELECT s.*, sum(s.bytes) OVER (ORDER BY s.failed_at DESC, s.id DESC ROWS UNBOUNDED PRECEDING) AS bytes_so_far
          FROM (SELECT p.*, coalesce(octet_length(p.payload), 0) AS bytes
                  FROM (SELECT id, message_id, provider, reason, attempts, failed_at, replayed_at, payload
                          FROM dead_letter_contents
                         WHERE (failed_at, id) < ($1::timestamptz, $2::bigint)
                           AND failed_at >= $3::timestamptz
                         ORDER BY failed_at DESC, id DESC
                         LIMIT $4::bigint OFFSET $5::bigint) AS p) AS s) AS l
 ORDER BY l.failed_at DESC, l.id DESC
