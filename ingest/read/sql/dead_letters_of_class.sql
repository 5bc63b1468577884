-- dead_letters.sql for one class of reasons, $7.
SELECT p.id, p.message_id, p.provider, p.reason, p.attempts,
       (extract(epoch FROM p.failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM p.replayed_at) * 1000000)::bigint AS replayed_us,
       CASE WHEN octet_length(p.payload) <= $6::bigint THEN p.payload END AS payload,
       coalesce(octet_length(p.payload), 4 * ((octet_length(p.raw) + 2) / 3), 0) AS bytes,
       p.stage, p.field, p.media_type, p.client_address, p.request_id,
       CASE WHEN 4 * ((octet_length(p.raw) + 2) / 3) <= $6
         THEN translate(encode(p.raw, 'base64'), E'\n', '') END AS raw,
       EXISTS (SELECT FROM receipts WHERE message_id = p.message_id AND status = 'delivered')::text AS delivered
  FROM (SELECT id, message_id, provider, reason, attempts, failed_at, replayed_at, payload, stage, field, media_type,
               client_address, request_id, raw
          FROM dead_letter_contents
         WHERE class = $7 AND (failed_at, id) < ($1::timestamptz, $2::bigint) AND failed_at >= $3::timestamptz
         ORDER BY failed_at DESC, id DESC
         LIMIT $4::bigint OFFSET $5::bigint) AS p
 ORDER BY p.failed_at DESC, p.id DESC
