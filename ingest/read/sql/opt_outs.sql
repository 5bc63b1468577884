-- Who has opted out, the latest first, in the order of their index. A pair has no number of its own: what stands for one
-- where a page ends is its place among those of its time.
--   $1, $2  where the page before ended   $3 rows   $4 rows to skip
--   $5 channel, $6 our address, $7 theirs, normalized; NULL: any
SELECT o.number, o.channel, o.our_address, o.their_address,
       (extract(epoch FROM o.at) * 1000000)::bigint AS at_us,
       o.by
  FROM (SELECT row_number() OVER (ORDER BY at DESC, channel, our_address, their_address)
               - rank() OVER (ORDER BY at DESC) + 1 AS number, *
          FROM opt_outs
         WHERE state = 'out' AND at <= $1::timestamptz
           AND ($5::text IS NULL OR channel = $5) AND ($6::text IS NULL OR our_address = $6)
           AND ($7::text IS NULL OR their_address = $7)) AS o
 WHERE o.at < $1::timestamptz OR o.number > $2::bigint
 ORDER BY o.at DESC, o.channel, o.our_address, o.their_address
 LIMIT $3::bigint OFFSET $4::bigint
