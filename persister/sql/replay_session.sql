-- A session in which replays read their pages: run at each connect. It may be idle as long as nobody replays.
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';

-- What is replayed is decided by what is read here: a standby may not know it yet.
DO $$
BEGIN
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this Postgres is a standby, which takes no writes' USING ERRCODE = '25006';
  END IF;
END
$$;
