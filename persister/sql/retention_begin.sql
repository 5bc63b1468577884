-- One session at a time deletes. Should its process stand still, the server ends the session after 10 s, and another's may.
SELECT set_config(name, '10s', false) FROM pg_settings WHERE name = 'idle_session_timeout';
SELECT pg_try_advisory_lock(hashtext('retention'));
