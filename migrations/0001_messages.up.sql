-- Conversations and their messages: what the persister writes and ingest reads.

-- Addresses and keys are compared bytewise (COLLATE "C"), as the participants of a key are ordered.
CREATE TABLE conversations (
  id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key              text        COLLATE "C" NOT NULL UNIQUE,
  channel          text        COLLATE "C" NOT NULL CHECK (channel IN ('sms', 'email')),
  participant_a    text        COLLATE "C" NOT NULL,
  participant_b    text        COLLATE "C" NOT NULL,
  message_count    bigint      NOT NULL DEFAULT 0,
  last_activity_at timestamptz NOT NULL,
  CHECK (participant_a <= participant_b)
) WITH (fillfactor = 80);

CREATE INDEX conversations_by_activity      ON conversations (last_activity_at DESC, id DESC);
CREATE INDEX conversations_by_channel       ON conversations (channel, last_activity_at DESC, id DESC);
CREATE INDEX conversations_by_participant_a ON conversations (participant_a, last_activity_at DESC, id DESC);
CREATE INDEX conversations_by_participant_b ON conversations (participant_b, last_activity_at DESC, id DESC);

-- A row is written once and never again: what changes is in deliveries.
CREATE TABLE messages (
  id                  uuid        PRIMARY KEY,
  conversation_id     bigint      NOT NULL REFERENCES conversations (id),
  direction           text        NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  type                text        NOT NULL CHECK (type IN ('sms', 'mms', 'email')),
  from_address        text        NOT NULL,
  to_address          text        NOT NULL,
  body                text        NOT NULL,
  provider            text        NOT NULL,
  provider_message_id text,
  occurred_at         timestamptz NOT NULL,
  accepted_at         timestamptz NOT NULL,
  persisted_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  request_id          text        NOT NULL
);

CREATE INDEX messages_thread ON messages (conversation_id, occurred_at, id);

CREATE TABLE attachments (
  message_id uuid     NOT NULL REFERENCES messages (id),
  position   smallint NOT NULL,
  url        text     NOT NULL,
  PRIMARY KEY (message_id, position)
);

-- The status of an outbound message, one narrow row. Upserted by the accepted event and by the outcomes in whatever
-- order they come, so it refers to no message.
CREATE TABLE deliveries (
  message_id          uuid        PRIMARY KEY,
  status              text        NOT NULL CHECK (status IN ('queued', 'retrying', 'sent', 'failed')),
  generation          integer     NOT NULL,
  final               boolean     NOT NULL,
  call                integer     NOT NULL,
  provider_message_id text,
  updated_at          timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE dispatch_attempts (
  message_id          uuid        NOT NULL,
  generation          integer     NOT NULL,
  call                integer     NOT NULL,
  delivery            integer     NOT NULL,
  provider            text        NOT NULL,
  outcome             text        NOT NULL,
  http_status         integer     NOT NULL,
  latency_us          bigint      NOT NULL,
  started_at          timestamptz NOT NULL,
  error               text,
  provider_message_id text,
  next_attempt_at     timestamptz,
  late                boolean     NOT NULL,
  PRIMARY KEY (message_id, generation, call, delivery)
);

-- What could not be delivered (stage dispatch) and what could not be recorded (stage persist: poison, with its entry).
CREATE TABLE dead_letters (
  id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  stage       text        NOT NULL CHECK (stage IN ('dispatch', 'persist')),
  message_id  uuid,
  generation  integer     NOT NULL,
  provider    text        NOT NULL,
  reason      text        NOT NULL,
  attempts    integer     NOT NULL,
  failed_at   timestamptz NOT NULL,
  replayed_at timestamptz,
  stream      text,
  entry_id    text,
  entry       text
);

-- An entry id can be given out anew after a fail-over, so the entry itself belongs to the key.
CREATE UNIQUE INDEX dead_letters_dispatch ON dead_letters (message_id, generation) WHERE stage = 'dispatch';
CREATE UNIQUE INDEX dead_letters_persist  ON dead_letters (stream, entry_id, md5(entry)) WHERE stage = 'persist';
CREATE INDEX dead_letters_by_time         ON dead_letters (failed_at DESC, id DESC);

-- Totals, so that no list counts rows. A persister adds to the rows of its own slot; a reader sums the sixteen.
CREATE TABLE totals (
  slot          smallint NOT NULL CHECK (slot BETWEEN 0 AND 15),
  channel       text     NOT NULL,
  conversations bigint   NOT NULL DEFAULT 0,
  messages      bigint   NOT NULL DEFAULT 0,
  PRIMARY KEY (slot, channel)
) WITH (fillfactor = 10);

INSERT INTO totals (slot, channel)
SELECT slot, channel FROM generate_series(0, 15) AS slot, unnest(ARRAY ['sms', 'email']) AS channel;

CREATE TABLE participant_totals (
  participant   text   COLLATE "C" NOT NULL,
  channel       text   NOT NULL,
  conversations bigint NOT NULL,
  PRIMARY KEY (participant, channel)
) WITH (fillfactor = 80);
