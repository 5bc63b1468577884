-- A session of ingest's: run at each connect.

-- Every list is a page of an index, read in the index's order. How long the list is the planner can only guess once it
-- plans for all parameters alike: it takes a conversation for one of average length, and would rather fetch such a one
-- whole by a bitmap and sort it, which for a page of one with a million messages is a million rows.
SET enable_bitmapscan = off;
