-- What was recorded of messages that are not stored; looks at the next thousand deliveries.
SELECT seen, deleted FROM forget_strays();
