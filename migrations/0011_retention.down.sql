-- Takes 0011_retention back, and with it which messages were deleted: what comes of such a message is recorded once more.
-- What was deleted stays so.
DO $$
DECLARE
  erased bigint;
BEGIN
  SELECT count(*) INTO erased FROM erased_messages WHERE erased_at > now() - interval '30 days';
  IF erased > 0 THEN
    RAISE WARNING '% messages were deleted within 30 days, and nobody knows of that any more: a webhook of such a one that comes again is stored as new', erased;
  END IF;
END
$$;

DROP FUNCTION grant_messaging_roles();
ALTER FUNCTION grant_messaging_roles_until_0010() RENAME TO grant_messaging_roles;
DROP FUNCTION erase_messages(uuid[], smallint, timestamptz);
DROP FUNCTION forget_strays();
DROP TABLE erased_messages, stray_search;
DROP INDEX messages_by_acceptance, message_aliases_of_message, dead_letters_of_no_message;
ALTER TABLE messages RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE attachments RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE deliveries RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE dispatch_attempts RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
ALTER TABLE receipts RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
