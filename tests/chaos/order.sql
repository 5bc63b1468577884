-- Every send, conversation by conversation, in the order in which they came to wait for their turn: as accepted or, where they
-- were to be sent later, when they were due. When each was accepted, by Redis's clock (microseconds), when it was due and
-- when it ended (ms; 0: at once; not), and when else its token may have ended: by a cancel, or by a receipt (0: by none).
SELECT m.id, m.conversation_id, m.sent_by, round(extract(epoch FROM m.accepted_at) * 1000000)::bigint,
  coalesce(round(extract(epoch FROM m.send_at) * 1000)::bigint, 0),
  CASE WHEN d.final THEN round(extract(epoch FROM d.updated_at) * 1000)::bigint ELSE 0 END, d.generation,
  coalesce((SELECT round(extract(epoch FROM min(a.started_at)) * 1000)::bigint
            FROM dispatch_attempts a
            WHERE a.message_id = m.id AND a.outcome IN ('cancelled', 'delivered')), 0)
FROM messages m JOIN deliveries d ON d.message_id = m.id
WHERE m.direction = 'outbound'
ORDER BY m.conversation_id, m.sent_by, greatest(m.accepted_at, coalesce(m.send_at, m.accepted_at)), m.accepted_at, m.id
