-- The pass is over. The oldest message that is left, in ms since 1970; no row: there is none.
SELECT pg_advisory_unlock(hashtext('retention'));
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout';
SELECT floor(extract(epoch FROM accepted_at) * 1000)::bigint FROM messages ORDER BY accepted_at LIMIT 1;
