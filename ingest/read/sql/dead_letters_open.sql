-- How many dead letters a replay would take, and the last of them. One of the four branches is taken; each has its index.
--   $1 provider, $2 class of reasons (NULL: any)   $3 the earliest time of failure
SELECT count(*) AS matched, coalesce(max(id), 0) AS last
  FROM (SELECT id FROM dead_letters
         WHERE $1::text IS NULL AND $2::text IS NULL
           AND failed_at >= $3::timestamptz AND stage = 'dispatch' AND replayed_at IS NULL
        UNION ALL
        SELECT id FROM dead_letters
         WHERE provider = $1 AND $2 IS NULL
           AND failed_at >= $3 AND stage = 'dispatch' AND replayed_at IS NULL
        UNION ALL
        SELECT id FROM dead_letters
         WHERE $1 IS NULL AND class = $2
           AND failed_at >= $3 AND stage = 'dispatch' AND replayed_at IS NULL
        UNION ALL
        SELECT id FROM dead_letters
         WHERE provider = $1 AND class = $2
           AND failed_at >= $3 AND stage = 'dispatch' AND replayed_at IS NULL) AS open
