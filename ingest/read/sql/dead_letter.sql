-- One dead letter by its id, $1: the columns of dead_letters.sql, then those that are for its replay.
SELECT id, message_id, provider, reason, attempts, (extract(epoch FROM failed_at) * 1000000)::bigint AS failed_us,
       (extract(epoch FROM replayed_at) * 1000000)::bigint AS replayed_us, payload, 0 AS bytes,
       stage, field, media_type, client_address, request_id, translate(encode(raw, 'base64'), E'\n', '') AS raw,
       EXISTS (SELECT FROM receipts AS r WHERE r.message_id = l.message_id AND r.status = 'delivered')::text AS delivered,
       generation, message, channel, (extract(epoch FROM arrived_at) * 1000)::bigint AS arrived_ms,
       (SELECT hash FROM dead_letters WHERE id = $1::bigint) AS hash
  FROM dead_letter_contents AS l
 WHERE id = $1::bigint
