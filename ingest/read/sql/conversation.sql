-- Who one conversation is between, by its id, $1, or by that of one that became one with it: for who wants it erased.
SELECT c.id, c.channel, c.participant_a, c.participant_b
  FROM conversations AS c
 WHERE c.id = coalesce((SELECT id FROM conversations WHERE id = $1::bigint),
                       (SELECT conversation_id FROM conversation_aliases WHERE id = $1::bigint))
