-- One message by its id, $1, or by the other that it was given (message_aliases), with its timeline as a JSON array in
-- the order of time. Of its calls, the last thousand: a provider that says 429 for three days can make far more; of its
-- receipts as well, for anybody may send them where no secret is set.
SELECT m.id, m.conversation_id, m.direction, m.type, m.from_address, m.to_address, m.body, m.provider,
       (extract(epoch FROM m.occurred_at) * 1000000)::bigint AS occurred_us,
       CASE m.direction WHEN 'inbound' THEN 'received' ELSE coalesce(d.receipt, d.status, 'queued') END AS status,
       (SELECT coalesce(json_agg(a.url ORDER BY a.position), '[]')
          FROM attachments AS a
         WHERE a.message_id = m.id)::text AS attachments,
       m.subject,
       (extract(epoch FROM m.accepted_at) * 1000000)::bigint AS accepted_us,
       (SELECT json_build_object('status', r.status, 'code', r.code, 'reason', r.reason, 'at', shown_time(d.receipt_at))
          FROM receipts AS r
         WHERE r.message_id = m.id AND m.direction = 'outbound' AND r.status = d.receipt
         ORDER BY r.occurred_at DESC NULLS LAST, r.arrived_at DESC
         LIMIT 1)::text AS receipt,
       shown_time(m.send_at) AS send_at,
       (extract(epoch FROM m.persisted_at) * 1000000)::bigint AS persisted_us,
       coalesce(m.provider_message_id, d.provider_message_id) AS provider_message_id,
       (SELECT json_agg(t.shown ORDER BY t.happened_at, t.generation, t.call, t.delivery, t.place)
          FROM (SELECT m.accepted_at AS happened_at, 0 AS generation, 0 AS call, 0 AS delivery, 0 AS place,
                       json_build_object('event', 'accepted', 'at', shown_time(m.accepted_at)) AS shown
                UNION ALL
                SELECT r.replayed_at, r.generation, 0, 0, 0,
                       json_build_object('event', 'replayed', 'at', shown_time(r.replayed_at),
                         'generation', r.generation)
                  FROM replays AS r
                 WHERE r.message_id = m.id
                UNION ALL
                -- That it was cancelled is no call, and stands behind the last one.
                SELECT a.started_at, a.generation, a.call,
                       CASE a.outcome WHEN 'cancelled' THEN 2147483647 ELSE a.delivery END, 1,
                       CASE a.outcome WHEN 'cancelled' THEN json_build_object('event', 'cancelled',
                         'at', shown_time(a.started_at), 'generation', a.generation)
                       ELSE json_build_object('event', 'attempt', 'at', shown_time(a.started_at),
                         'generation', a.generation, 'attempt', a.call, 'delivery', a.delivery,
                         'provider', a.provider, 'outcome', a.outcome, 'http_status', nullif(a.http_status, 0),
                         'latency_ms', round(a.latency_us / 1000.0, 3), 'next_attempt_at', shown_time(a.next_attempt_at),
                         'late', a.late, 'error', a.error, 'provider_message_id', a.provider_message_id) END
                  FROM (SELECT *
                          FROM dispatch_attempts
                         WHERE message_id = m.id
                         ORDER BY generation DESC, call DESC, delivery DESC
                         LIMIT 1000) AS a
                UNION ALL
                SELECT l.failed_at, l.generation, l.attempts, 2147483647, 2,
                       json_build_object('event', 'failed', 'at', shown_time(l.failed_at),
                         'generation', l.generation, 'reason', l.reason)
                  FROM dead_letters AS l
                 WHERE l.stage = 'dispatch' AND l.message_id = m.id
                UNION ALL
                -- How it ended, where nothing above says so; of a failure only where its dead letter has gone.
                SELECT d.updated_at, d.generation, d.call, 2147483647, 2,
                       json_build_object('event', d.status, 'at', shown_time(d.updated_at), 'generation', d.generation)
                 WHERE d.final AND d.status <> 'cancelled'
                   AND NOT (d.status = 'failed' AND EXISTS (
                     SELECT FROM dead_letters AS l
                      WHERE l.stage = 'dispatch' AND l.message_id = m.id AND l.generation = d.generation))
                UNION ALL
                -- SendGrid's times are whole seconds, cut off: they would stand before the send itself.
                SELECT least(r.arrived_at, r.occurred_at + interval '999 milliseconds'), 2147483647, 0, 0, 3,
                       json_build_object('event', 'receipt', 'at', shown_time(coalesce(r.occurred_at, r.arrived_at)),
                         'provider', r.provider, 'status', r.status, 'code', r.code, 'reason', r.reason,
                         'provider_message_id', nullif(r.provider_message_id, ''), 'arrived_at', shown_time(r.arrived_at))
                  FROM (SELECT *
                          FROM receipts
                         WHERE message_id = m.id
                         ORDER BY arrived_at DESC
                         LIMIT 1000) AS r
                UNION ALL
                SELECT m.persisted_at, 2147483647, 0, 0, 4,
                       json_build_object('event', 'persisted', 'at', shown_time(m.persisted_at))) AS t)::text AS timeline
  FROM messages AS m
  LEFT JOIN deliveries AS d ON d.message_id = m.id
 WHERE m.id = coalesce((SELECT id FROM messages WHERE id = $1::uuid),
                       (SELECT message_id FROM message_aliases WHERE id = $1::uuid))
