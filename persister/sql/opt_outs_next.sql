-- The next page of sql/opt_outs_begin.sql; fewer rows than that: it was the last.
FETCH 500 FROM opt_outs;
