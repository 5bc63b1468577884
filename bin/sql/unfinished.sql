-- Outbound messages without a final status that nothing has happened to for :seconds, for bin/reconcile.sh: id, provider,
-- generation, what changes with every outcome that is recorded, and 1 where nothing is to happen yet: it is scheduled for later. An outcome always adds an attempt or makes one newer,
-- also where the status stays because Postgres knows of a later call, as after a fail-over of Redis. What its provider says
-- was delivered isn't sent again.
SELECT d.message_id, m.provider, d.generation,
       md5(concat_ws('/', d.status, d.generation, d.call, d.updated_at, a.count, a.latest)),
       CASE WHEN d.status = 'scheduled' AND m.send_at > now() THEN '1' ELSE '' END
  FROM deliveries d
  JOIN messages m ON m.id = d.message_id AND m.direction = 'outbound'
 CROSS JOIN LATERAL (
   SELECT count(*), max(started_at) AS latest FROM dispatch_attempts WHERE message_id = d.message_id
 ) a
 WHERE NOT d.final
   AND NOT EXISTS (SELECT FROM receipts r WHERE r.message_id = d.message_id AND r.status = 'delivered')
   -- what is still to come was written by a clock that was wrong
   AND (d.updated_at < now() - make_interval(secs => :seconds) OR d.updated_at > now() + interval '1 minute')
 ORDER BY d.message_id::text COLLATE "C";
