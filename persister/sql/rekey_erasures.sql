-- Conversations that were erased and that a region may complete: one of their phones has no '+'.
SELECT key, participant_a, participant_b
FROM erased_conversations
WHERE channel = 'sms' AND (participant_a ~ '^[0-9]+$' OR participant_b ~ '^[0-9]+$')
ORDER BY key
