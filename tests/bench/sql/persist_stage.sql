-- What the ceiling of persisting COPYs into.
CREATE TEMPORARY TABLE stage (
  id             uuid        NOT NULL,
  key            text        COLLATE "C" NOT NULL,
  participant_a  text        COLLATE "C" NOT NULL,
  participant_b  text        COLLATE "C" NOT NULL,
  from_address   text        NOT NULL,
  to_address     text        NOT NULL,
  body           text        NOT NULL,
  occurred_at    timestamptz NOT NULL,
  accepted_at    timestamptz NOT NULL,
  request_id     text        NOT NULL
) ON COMMIT DELETE ROWS;
