-- The next dead letters of a replay, in the order of their ids.
--   $1, $2  after this one, up to that one   $3 provider, $4 class of reasons ('': any)   $5 the earliest time of failure
--   $6      rows
SELECT id, message_id, generation + 1 AS generation, message
  FROM dead_letter_contents
 WHERE stage = 'dispatch' AND replayed_at IS NULL AND id > $1::bigint AND id <= $2::bigint
   AND ($3 = '' OR provider = $3) AND ($4 = '' OR class = $4) AND failed_at >= $5::timestamptz
 ORDER BY id
 LIMIT $6::bigint
