-- By which rules a session's rows get their participants (migration 0008): run at each connect of a persister, which has
-- set messaging.rules and messaging.region.

-- Other sessions see it as long as this one lasts: a rekey doesn't begin while persisters go by other rules. The second
-- number is the rules' and the region's two letters.
SELECT pg_advisory_lock_shared(hashtext('identities'), current_setting('messaging.rules')::integer * 65536
  + coalesce(ascii(substr(current_setting('messaging.region'), 1, 1)), 0) * 256
  + coalesce(ascii(substr(current_setting('messaging.region'), 2, 1)), 0));

-- A database in which nothing is stored begins with this session's rules.
INSERT INTO identity_state (rules, region)
SELECT current_setting('messaging.rules')::integer, current_setting('messaging.region')
WHERE NOT EXISTS (SELECT FROM identity_state) AND NOT EXISTS (SELECT FROM conversations)
ON CONFLICT DO NOTHING;

INSERT INTO identity_state (rules, region)
SELECT 1, '' -- somebody older has stored since the migration
WHERE NOT EXISTS (SELECT FROM identity_state)
ON CONFLICT DO NOTHING;

-- What this session stores is made by other rules than the rest: a rekey is due, whatever is set later.
UPDATE identity_state SET mixed = true
WHERE NOT mixed
  AND (rules, region) <> (current_setting('messaging.rules')::integer, current_setting('messaging.region'));
