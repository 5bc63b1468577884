-- A session in which replays read their pages: run at each connect. It may be idle as long as nobody replays.
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
