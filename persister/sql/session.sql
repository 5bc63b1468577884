-- The last statement of a session's set-up: what the session is called from now on.
SELECT token FROM pg_temp.session;
