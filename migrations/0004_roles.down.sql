-- Takes 0004_roles back. The roles themselves stay: they belong to the server, and other databases may use them.
DO $$
DECLARE
  one name;
BEGIN
  FOR one IN SELECT rolname FROM pg_roles WHERE rolname IN ('messaging_reader', 'messaging_persister') LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), one);
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', current_schema(), one);
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), one);
  END LOOP;
END
$$;

DROP FUNCTION grant_messaging_roles();
