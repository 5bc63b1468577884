-- Takes 0009_receipts back, and with it what providers said about messages and who opted out.
DROP FUNCTION grant_messaging_roles();
ALTER FUNCTION grant_messaging_roles_until_0008() RENAME TO grant_messaging_roles;
DROP FUNCTION forget_early_receipts();
DROP FUNCTION complete_opt_outs(text[], text[], text[], text[]);
DROP TABLE receipts, opt_outs;
DELETE FROM deliveries WHERE updated_at = '-infinity'; -- only receipts told of these
ALTER TABLE deliveries DROP COLUMN receipt, DROP COLUMN receipt_at;
