-- migrate: without a transaction
-- A thread is read by time, then as it was accepted, then by id. The new index is there before the old one goes; one
-- that an interrupted build left invalid is made anew.
SELECT 'DROP INDEX CONCURRENTLY ' || indexrelid::regclass
FROM pg_index
WHERE indexrelid = to_regclass('messages_thread_next') AND NOT indisvalid
\gexec
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_thread_next ON messages (conversation_id, occurred_at, accepted_at, id);
DROP INDEX CONCURRENTLY IF EXISTS messages_thread;
ALTER INDEX messages_thread_next RENAME TO messages_thread;

ALTER TABLE messages VALIDATE CONSTRAINT messages_sent_by_check;
