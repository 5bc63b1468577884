-- The dead letters: what could not be recorded, with its entry, and what could not be delivered.
SELECT stage, coalesce(entry, ''), coalesce(message_id::text, ''), reason FROM dead_letters
