-- Pairs that a region may complete: one of their phones has no '+'.
--   $1, $2  where the page before ended: our address, theirs   $3 rows
SELECT our_address, their_address
FROM opt_outs
WHERE channel = 'sms' AND (our_address, their_address) > ($1::text COLLATE "C", $2::text COLLATE "C")
  AND (our_address ~ '^[0-9]+$' OR their_address ~ '^[0-9]+$')
ORDER BY our_address, their_address
LIMIT $3::bigint
