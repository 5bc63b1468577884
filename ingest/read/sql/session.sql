-- A session of ingest's: run at each connect.

-- It may be idle as long as nobody reads.
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';

-- Every list is a page of an index, read in the index's order. How long the list is the planner can only guess once it
-- plans for all parameters alike: it takes a conversation for one of average length, and would rather fetch such a one
-- whole by a bitmap and sort it, which for a page of one with a million messages is a million rows.
SET enable_bitmapscan = off;

-- Each filter has its own statement, so the plan is the same whatever the parameters are: plan once.
SET plan_cache_mode = force_generic_plan;

-- What is asked for often is in memory, where one page costs as much as another.
SET random_page_cost = 1.1;
