-- Of the ids that come on standard input, those of messages that are recorded, be it under their other id, that were set
-- aside with all that they hold, or that were deleted for good, for bin/reconcile.sh --restored.
CREATE TEMPORARY TABLE asked (id uuid PRIMARY KEY);
\copy asked FROM pstdin
SELECT a.id
  FROM asked a
 WHERE EXISTS (SELECT FROM messages m WHERE m.id = a.id)
    OR EXISTS (SELECT FROM message_aliases m WHERE m.id = a.id)
    OR EXISTS (SELECT FROM erased_messages e WHERE e.id = a.id)
    OR EXISTS (SELECT FROM dead_letters d WHERE d.stage = 'persist' AND strpos(d.entry, a.id::text) > 0)
 ORDER BY a.id::text COLLATE "C";
