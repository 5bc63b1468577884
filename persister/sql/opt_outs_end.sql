-- Forgets what sql/opt_outs_begin.sql has found.
CLOSE opt_outs;
