-- A persister's session: run at each connect, batch.sql after it, then session.sql.

-- Nothing could be stored here, now or ever: better said at once, in words, than by the first batch.
DO $$
BEGIN
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this Postgres is a standby, which takes no writes: name the primary, or list all servers (postgres://user@host1,host2/database)'
      USING ERRCODE = '25006';
  ELSIF current_setting('transaction_read_only')::boolean THEN
    RAISE EXCEPTION 'this Postgres is read-only (default_transaction_read_only)' USING ERRCODE = '25006';
  ELSIF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'the database has the encoding %, not UTF8: make one with ENCODING ''UTF8'' TEMPLATE template0',
      current_setting('server_encoding') USING ERRCODE = '0A000';
  ELSIF to_regclass('messages') IS NULL THEN
    RAISE EXCEPTION 'there is no table messages, as the search_path % has it', current_setting('search_path')
      USING ERRCODE = '42P01';
  ELSIF to_regclass('pg_temp.staging') IS NOT NULL THEN
    RAISE EXCEPTION 'this session has served another client and was not reset: a pooler must be in session mode, with server_reset_query = DISCARD ALL'
      USING ERRCODE = '55000';
  END IF;
END
$$;

SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET default_transaction_isolation = 'read committed'; -- each statement of the batch must see what others committed
SET idle_in_transaction_session_timeout = '5s';       -- a persister that is stopped must not hold locks
SET lock_timeout = '3s';
-- Time-outs that the role or the database brings: a batch takes what it takes, and an idle session is none too many.
SET statement_timeout = 0;
SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout');

-- A session that a pooler hands on has had temporary tables before, after which this can't be set any more: then it is
-- slower, and no worse.
DO $$
BEGIN
  SET temp_buffers = '32MB';
EXCEPTION WHEN invalid_parameter_value THEN NULL;
END
$$;

-- A 202 was given and the stream entry is deleted once COMMIT has returned, so COMMIT must mean "on disk".
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';

-- The staging tables have no statistics, and every join with a real table is a few thousand look-ups by key in pages
-- that are in memory. With the usual cost of a random page, the planner hashes the whole of messages instead as long as
-- that is of middle size (measured: from 20,000 to 700,000 rows).
SET random_page_cost = 0.1;
SET jit = off;

-- What COPY fills: one row a stream entry, a group of columns a kind (persister/staging.c writes them in this order).
CREATE TEMPORARY TABLE staging (
  position            integer NOT NULL, -- of the entry in its batch
  slot                smallint NOT NULL, -- of the persister, in totals
  kind                text NOT NULL, -- message | outcome | replayed | poison | unread | reread | receipt | optout | erase; erased: batch.sql
  message_id          uuid,
  generation          integer NOT NULL,
  happened_at         timestamptz NOT NULL,
  provider            text,
  provider_message_id text,
  -- message
  channel             text COLLATE "C",
  key                 text COLLATE "C",
  participant_a       text COLLATE "C",
  participant_b       text COLLATE "C",
  sent_by             text COLLATE "C", -- a | b: which participant
  direction           text,
  type                text,
  from_address        text,
  to_address          text,
  subject             text,
  body                text,
  attachments         json,
  occurred_at         timestamptz,
  accepted_at         timestamptz,
  request_id          text,
  other_id            uuid, -- that the same message has where another release's ingest took it; NULL: none
  family              uuid, -- of several recipients: message_id with a last byte of 0; NULL: it has one
  -- outcome
  verdict             text, -- sent | failed | retry | cancelled
  call                integer,
  delivery            integer,
  due_at              timestamptz,
  late                boolean,
  outcome             text,
  http_status         integer,
  latency_us          bigint,
  started_at          timestamptz,
  error               text,
  -- message of ours, replayed
  state               text, -- queued | held | scheduled: what it waits for
  send_at             timestamptz, -- of a message: when it was to be sent; NULL: at once
  -- poison
  stream              text,
  entry_id            text,
  reason              text,
  entry               text,
  -- unread: a webhook that can't become a message
  route               text,
  hash                text,
  field               text,
  problem             text,
  media_type          text,
  client_address      text,
  webhook_request_id  text,
  raw                 text, -- base64
  -- reread: such a one that is a message now
  letter              text, -- its hash: a restored Postgres gives ids once more
  -- receipt: what the provider says became of a message; happened_at is when it came in
  receipt             text, -- delivered | undelivered
  code                text,
  why                 text,
  said_at             timestamptz, -- when it happened, by the provider
  -- optout, and a message that says so: who has opted out or in (shared/message/opt_out.h)
  opt_out             jsonb,
  -- all
  mark                bigint NOT NULL -- random: how many rows there are and the sum of their marks say which they are
);

-- Which session this is.
CREATE TEMPORARY TABLE session AS SELECT gen_random_uuid()::text AS token;

-- The messages of the batch that aren't stored yet, each once. (ON COMMIT DELETE ROWS would cost each transaction 1 ms.)
CREATE TEMPORARY TABLE fresh (
  position    integer NOT NULL, -- of the staged row
  message_id  uuid NOT NULL,
  other_id    uuid,
  family      uuid,
  key         text COLLATE "C" NOT NULL,
  occurred_at timestamptz NOT NULL
);

-- Those of them that are stored already, or come earlier in the batch, under another id.
CREATE TEMPORARY TABLE aliases (
  id         uuid NOT NULL,
  message_id uuid NOT NULL
);

-- What the batch says of pairs that opt out or in.
CREATE TEMPORARY TABLE words (
  channel  text COLLATE "C" NOT NULL,
  our      text COLLATE "C" NOT NULL,
  their    text COLLATE "C" NOT NULL,
  provider text NOT NULL,
  state    text NOT NULL,
  at       timestamptz NOT NULL, -- when it was said
  came_at  timestamptz NOT NULL,
  by       text NOT NULL,
  place    text NOT NULL, -- as redis/messaging.lua has it
  is_new   boolean NOT NULL -- else its webhook came before
);

-- Their conversations, locked or new.
CREATE TEMPORARY TABLE touched (
  conversation_id bigint NOT NULL,
  key             text COLLATE "C" NOT NULL,
  channel         text COLLATE "C" NOT NULL,
  participant_a   text COLLATE "C" NOT NULL,
  participant_b   text COLLATE "C" NOT NULL,
  created         boolean NOT NULL, -- by this transaction
  added           bigint NOT NULL,
  latest          timestamptz NOT NULL
);
