-- One dead letter by its id, $1; the last columns are for its replay.
SELECT id, message_id, provider, reason, attempts, (extract(epoch FROM failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM replayed_at) * 1000000)::bigint AS replayed_us, payload, stage, generation, message
  FROM dead_letter_contents
 WHERE id = $1::bigint
