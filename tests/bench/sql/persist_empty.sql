-- An empty database, before each round.
TRUNCATE conversations, messages, attachments, deliveries, dispatch_attempts, dead_letters, participant_totals
  RESTART IDENTITY CASCADE;
UPDATE totals SET conversations = 0, messages = 0;
