-- Takes 0012_erasures back, and with it which conversations were erased: what was accepted of them and comes only now is
-- stored as new. What was erased stays so.
DO $$
DECLARE
  unfinished bigint;
BEGIN
  SELECT count(*) INTO unfinished FROM erased_conversations WHERE finished_at IS NULL;
  IF unfinished > 0 THEN
    RAISE WARNING '% conversations were to be erased, and are not yet: they stay', unfinished;
  END IF;
END
$$;

DROP FUNCTION grant_messaging_roles();
ALTER FUNCTION grant_messaging_roles_until_0011() RENAME TO grant_messaging_roles;
DROP FUNCTION complete_erasures(text[], text[], text[], text[]);
DROP TABLE erased_conversations;
