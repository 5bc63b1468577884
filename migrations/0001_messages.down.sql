DROP TABLE participant_totals, totals, dead_letters, dispatch_attempts, deliveries, attachments, messages, conversations;
