-- migrate: without a transaction
-- Takes 0006_thread_order back.
SELECT 'DROP INDEX CONCURRENTLY ' || indexrelid::regclass
FROM pg_index
WHERE indexrelid = to_regclass('messages_thread_former') AND NOT indisvalid
\gexec
CREATE INDEX CONCURRENTLY IF NOT EXISTS messages_thread_former ON messages (conversation_id, occurred_at, id);
DROP INDEX CONCURRENTLY IF EXISTS messages_thread;
ALTER INDEX messages_thread_former RENAME TO messages_thread;
