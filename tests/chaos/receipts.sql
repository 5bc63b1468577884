-- Every receipt, and which of its message's stands and should: the latest, of two of one time `delivered`.
SELECT r.message_id, r.provider_message_id, r.status, round(extract(epoch FROM r.arrived_at) * 1000)::bigint,
  coalesce(d.receipt, 'none'), l.status
FROM receipts r LEFT JOIN deliveries d USING (message_id)
CROSS JOIN LATERAL (
  SELECT o.status
  FROM receipts o
  WHERE o.message_id = r.message_id
  ORDER BY least(coalesce(o.occurred_at, o.arrived_at), o.arrived_at + interval '1 day') DESC, o.status = 'delivered' DESC
  LIMIT 1
) l
