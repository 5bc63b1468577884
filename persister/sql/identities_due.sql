-- Whether what is stored was made by other rules or another region than this session's, or a rekey is half done.
SELECT EXISTS (
  SELECT FROM identity_state
  WHERE mixed OR passed IS NOT NULL
    OR (rules, region) <> (current_setting('messaging.rules')::integer, current_setting('messaging.region'))
);
