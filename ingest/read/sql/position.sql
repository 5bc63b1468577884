-- How far a server has come: all transactions that have ended are below it; and whether it follows another one.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS position, pg_is_in_recovery()::text AS follows
