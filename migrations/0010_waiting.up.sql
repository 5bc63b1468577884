-- migrate: without a transaction
-- Sends that wait: for their time (`scheduled`), or for the one before them in their conversation (`held`); and those that
-- were cancelled. Each statement may run again. Other programs go on meanwhile: a column without a default costs no
-- rewrite, and the check allows more than before, so that what is there is only looked up, without a lock that keeps them
-- waiting. It takes no rights that the roles don't have: they are for whole tables.

SET lock_timeout = '2s'; -- while one waits for such a lock, all others wait behind it

-- When it was to be sent; NULL: at once. The time that a message shows, and its place in its thread, stays occurred_at.
ALTER TABLE messages ADD COLUMN IF NOT EXISTS send_at timestamptz;

-- `scheduled` and `held` are what `queued` is, until the first outcome.
ALTER TABLE deliveries
  DROP CONSTRAINT IF EXISTS deliveries_status_check,
  ADD CONSTRAINT deliveries_status_check
    CHECK (status IN ('queued', 'scheduled', 'held', 'retrying', 'sent', 'failed', 'cancelled')) NOT VALID;

ALTER TABLE deliveries VALIDATE CONSTRAINT deliveries_status_check;

-- Where this was taken back before, what had been cancelled is so again.
UPDATE deliveries d
SET status = 'cancelled'
FROM dispatch_attempts a
WHERE a.outcome = 'cancelled' AND d.message_id = a.message_id AND d.generation = a.generation AND d.status = 'failed';
