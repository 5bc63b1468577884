-- Takes 0010_waiting back, and with it when messages were to be sent. To the release before it all that waits is queued.
-- What was cancelled has failed, without a dead letter, so that nothing sends it; its attempts still say so.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_status_check;

-- Redis keeps what is scheduled for a release that knows it.
DO $$
DECLARE
  waiting bigint;
BEGIN
  SELECT count(*) INTO waiting FROM deliveries WHERE status = 'scheduled';
  IF waiting > 0 THEN
    RAISE WARNING '% messages are scheduled, or not called since they were: their times go with this migration. A release without them takes such a message for lost, so don''t run its bin/reconcile.sh', waiting;
  END IF;
END
$$;

UPDATE deliveries SET status = 'queued' WHERE status IN ('scheduled', 'held');
UPDATE deliveries SET status = 'failed' WHERE status = 'cancelled';

ALTER TABLE deliveries ADD CONSTRAINT deliveries_status_check CHECK (status IN ('queued', 'retrying', 'sent', 'failed'));
ALTER TABLE messages DROP COLUMN send_at;
