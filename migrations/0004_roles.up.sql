-- Two roles that may do what ingest's reads and the persister's writes need, and nothing else. They can't log in: who
-- runs the service makes users that are members of them, with passwords that no migration knows (SECURITY.md).

-- Makes the roles where they are missing, and gives them their rights; again: changes nothing. A role belongs to the
-- whole server and not everybody may make one. Where one is missing in the end, a warning says so, and how to go on.
CREATE FUNCTION grant_messaging_roles() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reader    CONSTANT name := 'messaging_reader';
  persister CONSTANT name := 'messaging_persister';
  one       name;
BEGIN
  FOREACH one IN ARRAY ARRAY [reader, persister] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', one);
    EXCEPTION
      WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
    END;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = one) THEN
      RAISE WARNING 'the roles % and % are left out, for % may not make roles: let a superuser make them, then run SELECT grant_messaging_roles()',
        reader, persister, current_user;
      RETURN;
    END IF;
  END LOOP;

  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I, %I', current_schema(), reader, persister);
  EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), persister); -- its staging tables

  -- Every table that is read is read by both: the persister looks at what is there before it writes.
  EXECUTE format('GRANT SELECT ON conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters,
    dead_letter_contents, replays, totals, participant_totals TO %I, %I', reader, persister);
  EXECUTE format('GRANT INSERT ON conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters,
    replays, totals, participant_totals TO %I', persister);

  -- What may change once it is written, by column; messages and attachments never do.
  EXECUTE format('GRANT UPDATE (message_count, last_activity_at) ON conversations TO %I', persister);
  EXECUTE format('GRANT UPDATE (status, generation, final, call, provider_message_id, updated_at) ON deliveries TO %I',
    persister);
  EXECUTE format('GRANT UPDATE (provider, outcome, http_status, latency_us, started_at, error, provider_message_id,
    next_attempt_at, late) ON dispatch_attempts TO %I', persister);
  EXECUTE format('GRANT UPDATE (replayed_at) ON dead_letters, replays TO %I', persister);
  EXECUTE format('GRANT UPDATE (conversations, messages) ON totals TO %I', persister);
  EXECUTE format('GRANT UPDATE (conversations) ON participant_totals TO %I', persister);

  -- Dead letters go after 30 days, and when a message was sent after all.
  EXECUTE format('GRANT DELETE ON dead_letters TO %I', persister);
END
$$;

REVOKE EXECUTE ON FUNCTION grant_messaging_roles() FROM PUBLIC;

DO $$
BEGIN
  PERFORM grant_messaging_roles();
END
$$;
