-- Messages in the order of the threads, one conversation after the other.
--   $1 … $4  where the page before ended: conversation, occurred_at, accepted_at, message
--   $5       the last conversation to look at   $6 rows
SELECT m.id, c.id AS conversation_id, c.key, c.message_count, c.participant_a, c.participant_b, m.type,
       m.from_address, m.to_address, m.sent_by, m.occurred_at, m.accepted_at
  FROM (SELECT *
          FROM messages
         WHERE (conversation_id, occurred_at, accepted_at, id) > ($1::bigint, $2::timestamptz, $3::timestamptz, $4::uuid)
           AND conversation_id <= $5::bigint
         ORDER BY conversation_id, occurred_at, accepted_at, id
         LIMIT $6::bigint) AS m
  JOIN conversations AS c ON c.id = m.conversation_id
 ORDER BY m.conversation_id, m.occurred_at, m.accepted_at, m.id
