-- The conversations of a database of archive.conversations conversations; archive_chunk.sql and archive_end.sql follow.
SET session_replication_role = replica;
SET synchronous_commit = off;
INSERT INTO conversations (key, channel, participant_a, participant_b, message_count, last_activity_at)
SELECT 'sms:+1' || (2000000000 + g) || '<->+18045551234', 'sms', '+1' || (2000000000 + g), '+18045551234', 0, 'epoch'
FROM generate_series(1, current_setting('archive.conversations')::bigint) AS g
ORDER BY g;
