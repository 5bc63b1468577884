-- dead_letters.sql for one provider, $6.
SELECT id, message_id, provider, reason, attempts, (extract(epoch FROM failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM replayed_at) * 1000000)::bigint AS replayed_us, payload
  FROM dead_letter_contents
 WHERE provider = $6 AND (failed_at, id) < ($1::timestamptz, $2::bigint) AND failed_at >= $3::timestamptz
 ORDER BY failed_at DESC, id DESC
 LIMIT $4::bigint OFFSET $5::bigint
