-- One page of all dead letters, newest first.
--   $1, $2  where the page before ended (time of failure, id); ('infinity', greatest bigint) for the start
--   $3      the earliest time; '-infinity' for all   $4 rows, one more than shown   $5 rows to skip
SELECT id, message_id, provider, reason, attempts, (extract(epoch FROM failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM replayed_at) * 1000000)::bigint AS replayed_us, payload
  FROM dead_letter_contents
 WHERE (failed_at, id) < ($1::timestamptz, $2::bigint) AND failed_at >= $3::timestamptz
 ORDER BY failed_at DESC, id DESC
 LIMIT $4::bigint OFFSET $5::bigint
