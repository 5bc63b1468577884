-- How many dead letters a replay would take, and the last of them.
--   $1 provider, $2 class of reasons (NULL: any)   $3 the earliest time of failure
SELECT count(*) AS matched, coalesce(max(id), 0) AS last
  FROM dead_letters
 WHERE stage = 'dispatch' AND replayed_at IS NULL
   AND ($1::text IS NULL OR provider = $1) AND ($2::text IS NULL OR class = $2) AND failed_at >= $3::timestamptz
