-- All pairs of a channel that have opted out, as of now, and those that opted in a short while ago: Redis may have lost
-- that they did. While a rekey is due, a pair may be there by two regions' identities: then all that opted in, for of both
-- the later word counts. messaging.channel was set before. sql/opt_outs_next.sql brings them, page by page.
DECLARE opt_outs CURSOR WITH HOLD FOR
SELECT our_address, their_address, state, (extract(epoch FROM at) * 1000)::bigint AS at_ms,
  (extract(epoch FROM came_at) * 1000)::bigint AS came_ms
FROM opt_outs
WHERE channel = current_setting('messaging.channel') AND (
    state = 'out' OR came_at > now() - interval '3 days' OR EXISTS (
      SELECT FROM identity_state
      WHERE mixed OR passed IS NOT NULL
        OR (rules, region) <> (current_setting('messaging.rules')::integer, current_setting('messaging.region'))
    )
  );
