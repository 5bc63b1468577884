-- dead_letters.sql for one class of reasons, $7.
SELECT l.id, l.message_id, l.provider, l.reason, l.attempts,
       (extract(epoch FROM l.failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM l.replayed_at) * 1000000)::bigint AS replayed_us,
       CASE WHEN l.bytes_so_far <= $6::bigint THEN l.payload END AS payload, l.bytes
  FROM (SELECT s.*, sum(s.bytes) OVER (ORDER BY s.failed_at DESC, s.id DESC ROWS UNBOUNDED PRECEDING) AS bytes_so_far
          FROM (SELECT p.*, coalesce(octet_length(p.payload), 0) AS bytes
                  FROM (SELECT id, message_id, provider, reason, attempts, failed_at, replayed_at, payload
                          FROM dead_letter_contents
                         WHERE class = $7 AND (failed_at, id) < ($1::timestamptz, $2::bigint)
                           AND failed_at >= $3::timestamptz
                         ORDER BY failed_at DESC, id DESC
                         LIMIT $4::bigint OFFSET $5::bigint) AS p) AS s) AS l
 ORDER BY l.failed_at DESC, l.id DESC
