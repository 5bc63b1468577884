-- The bodies of the webhooks that can't become messages.
SELECT convert_from(raw, 'UTF8') FROM dead_letters WHERE stage = 'webhook'
