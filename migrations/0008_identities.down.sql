-- Takes 0008_identities back. Conversations that became one stay one, and their old ids are forgotten.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'messaging_persister') THEN
    REVOKE UPDATE (conversation_id, sent_by) ON messages FROM messaging_persister;
    REVOKE UPDATE (key, participant_a, participant_b) ON conversations FROM messaging_persister;
    REVOKE DELETE ON conversations, participant_totals FROM messaging_persister;
  END IF;
END
$$;

DROP FUNCTION grant_messaging_roles();
ALTER FUNCTION grant_messaging_roles_until_0007() RENAME TO grant_messaging_roles;
DROP TABLE conversation_aliases, identity_state;
