-- migrate: without a transaction
-- What a provider says about a message after its call: whether it arrived. And who wants none any more. Each statement may
-- run again. Other programs go on meanwhile: columns without a default cost no rewrite, and the check is true of all that
-- is there, so it is only looked up, without a lock that keeps them waiting.

SET lock_timeout = '2s'; -- while one waits for such a lock, all others wait behind it

-- A row for each status that a provider's message was said to have: what repeats it is the same row. It refers to no
-- message, for it may come before that is stored.
CREATE TABLE IF NOT EXISTS receipts (
  message_id          uuid        NOT NULL,
  provider_message_id text        NOT NULL, -- '': the receipt names none
  status              text        NOT NULL CHECK (status IN ('delivered', 'undelivered')),
  provider            text        NOT NULL,
  code                text,                 -- the vendor's, of what went wrong
  reason              text,
  occurred_at         timestamptz,          -- by the vendor, the latest of those that say the same; NULL: it gives no time
  arrived_at          timestamptz NOT NULL, -- at ingest, by Redis's clock, the first of them
  recorded_at         timestamptz NOT NULL DEFAULT now(),
  early               boolean     NOT NULL DEFAULT false, -- no row of its message was there when it was recorded
  PRIMARY KEY (message_id, provider_message_id, status)
);

-- What the janitor looks at.
CREATE INDEX IF NOT EXISTS receipts_early ON receipts (recorded_at) WHERE early;

-- The receipt that stands: the latest, but for an `undelivered` from before a replay. What a message is shown as is
-- coalesce(receipt, status). receipt_at: when it happened. A row that only
-- receipts have told of is `queued`, and was updated at '-infinity'.
ALTER TABLE deliveries
  ADD COLUMN IF NOT EXISTS receipt    text,
  ADD COLUMN IF NOT EXISTS receipt_at timestamptz;

ALTER TABLE deliveries
  DROP CONSTRAINT IF EXISTS deliveries_receipt_check,
  ADD CONSTRAINT deliveries_receipt_check CHECK (receipt IN ('delivered', 'undelivered')) NOT VALID;

ALTER TABLE deliveries VALIDATE CONSTRAINT deliveries_receipt_check;

-- Who has opted out of messages from one of our addresses, or in again: the latest word of each pair, as identities.
CREATE TABLE IF NOT EXISTS opt_outs (
  channel       text        COLLATE "C" NOT NULL CHECK (channel IN ('sms', 'email')),
  our_address   text        COLLATE "C" NOT NULL,
  their_address text        COLLATE "C" NOT NULL,
  state         text        NOT NULL CHECK (state IN ('out', 'in')),
  at            timestamptz NOT NULL, -- when that was said
  came_at       timestamptz NOT NULL, -- when it came: of two that were said at one time, the later one counts
  by            text        NOT NULL CHECK (by IN ('recipient', 'provider', 'operator')),
  PRIMARY KEY (channel, our_address, their_address)
);

CREATE INDEX IF NOT EXISTS opt_outs_by_time ON opt_outs (at DESC, channel, our_address, their_address) WHERE state = 'out';

-- Deletes receipts whose message hasn't come for a day, and what they alone have told of it; looks at a thousand. A
-- function that runs as its owner, for the persister may delete nothing else of these tables. seen: how many were old
-- enough, 0: that is all; deleted: those of them whose message never came.
CREATE OR REPLACE FUNCTION forget_early_receipts(OUT seen bigint, OUT deleted bigint)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  old  uuid[];
  gone uuid[];
BEGIN
  SELECT coalesce(array_agg(r.message_id), '{}'), count(*) INTO old, seen
  FROM (
    SELECT message_id FROM receipts
    WHERE early AND recorded_at < now() - interval '24 hours'
    ORDER BY recorded_at
    LIMIT 1000
  ) r;

  -- Who records something of a message has its row of deliveries locked, in this order.
  PERFORM FROM deliveries d WHERE d.message_id = ANY (old) ORDER BY d.message_id FOR UPDATE;

  SELECT coalesce(array_agg(o.id), '{}') INTO gone
  FROM unnest(old) AS o (id)
  WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = o.id);

  UPDATE receipts SET early = false WHERE message_id = ANY (old) AND NOT message_id = ANY (gone);
  DELETE FROM receipts WHERE message_id = ANY (gone);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  DELETE FROM deliveries WHERE message_id = ANY (gone) AND updated_at = '-infinity';
END
$$;

REVOKE EXECUTE ON FUNCTION forget_early_receipts() FROM PUBLIC;

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION forget_early_receipts() SET search_path = %I, pg_temp', current_schema());
END
$$;

-- A rekey (persister/rekey_opt_outs.c): pairs whose phones had no '+', and which a region has completed. Of those that are
-- one by now the word counts that was said later, as sql/batch.sql has it. A function that runs as its owner, for the
-- persister may delete nothing of the table; it takes nothing else.
--   the arrays: one element a pair, as it is and as it shall be
CREATE OR REPLACE FUNCTION complete_opt_outs(ours text[], theirs text[], new_ours text[], new_theirs text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM FROM opt_outs o
  WHERE o.channel = 'sms' AND (o.our_address, o.their_address) IN (
    SELECT n.our, n.their FROM unnest(ours || new_ours, theirs || new_theirs) AS n (our, their)
  )
  ORDER BY o.our_address, o.their_address
  FOR UPDATE;

  WITH former AS (
    DELETE FROM opt_outs o
    USING unnest(ours, theirs, new_ours, new_theirs) AS n (our, their, new_our, new_their)
    WHERE o.channel = 'sms' AND o.our_address = n.our AND o.their_address = n.their
      AND (n.our, n.their) <> (n.new_our, n.new_their)
      AND (n.our = n.new_our OR (n.our ~ '^[0-9]+$' AND n.new_our ~ '^[+][0-9]+$'))
      AND (n.their = n.new_their OR (n.their ~ '^[0-9]+$' AND n.new_their ~ '^[+][0-9]+$'))
    RETURNING n.new_our, n.new_their, o.state, o.at, o.came_at, o.by
  )
  INSERT INTO opt_outs AS o (channel, our_address, their_address, state, at, came_at, by)
  SELECT DISTINCT ON (f.new_our, f.new_their) 'sms', f.new_our, f.new_their, f.state, f.at, f.came_at, f.by
  FROM former f
  ORDER BY f.new_our, f.new_their, f.at DESC, f.came_at DESC, f.state DESC, f.by
  ON CONFLICT (channel, our_address, their_address) DO UPDATE
  SET state = excluded.state, at = excluded.at, came_at = excluded.came_at, by = excluded.by
  WHERE (excluded.at, excluded.came_at, excluded.state) > (o.at, o.came_at, o.state);
END
$$;

REVOKE EXECUTE ON FUNCTION complete_opt_outs(text[], text[], text[], text[]) FROM PUBLIC;

DO $$
BEGIN
  EXECUTE format('ALTER FUNCTION complete_opt_outs(text[], text[], text[], text[]) SET search_path = %I, pg_temp',
    current_schema());
END
$$;

-- What the roles may do besides. It keeps what earlier migrations give them under a name of its own.
DO $$
BEGIN
  IF to_regprocedure('grant_messaging_roles_until_0008()') IS NULL THEN
    ALTER FUNCTION grant_messaging_roles() RENAME TO grant_messaging_roles_until_0008;
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION grant_messaging_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reader    CONSTANT name := 'messaging_reader';
  persister CONSTANT name := 'messaging_persister';
BEGIN
  PERFORM grant_messaging_roles_until_0008();
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN (reader, persister)) < 2 THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT SELECT ON receipts, opt_outs TO %I, %I', reader, persister);
  EXECUTE format('GRANT INSERT ON receipts, opt_outs TO %I', persister);
  EXECUTE format('GRANT UPDATE (code, reason, occurred_at, arrived_at, early) ON receipts TO %I', persister);
  EXECUTE format('GRANT UPDATE (receipt, receipt_at) ON deliveries TO %I', persister);
  EXECUTE format('GRANT UPDATE (state, at, came_at, by) ON opt_outs TO %I', persister);
  EXECUTE format('GRANT EXECUTE ON FUNCTION forget_early_receipts(),
    complete_opt_outs(text[], text[], text[], text[]) TO %I', persister);
END
$$;

REVOKE EXECUTE ON FUNCTION grant_messaging_roles() FROM PUBLIC;

DO $$
BEGIN
  IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('messaging_reader', 'messaging_persister')) = 2 THEN
    PERFORM grant_messaging_roles(); -- else 0004_roles has said already what is to be done
  END IF;
END
$$;
