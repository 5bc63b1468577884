#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The db- and migrate- targets on a database of the test's own.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports
unset MAKEFLAGS MAKELEVEL

target() { make --no-print-directory "$@"; }
url=postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service
count() { psql -X -q -A -t "$url" -c "SELECT count(*) FROM $1"; }
rows() { for table in conversations messages deliveries customers providers; do count "$table"; done; }

seeds() { target db-seed && [ "$(count conversations)" -gt 0 ] && [ "$(count messages)" -gt 0 ]; }
seeds_once() {
  local before
  before=$(rows)
  target db-seed && [ "$(rows)" = "$before" ]
}
counts_are_exact() {
  [ "$(count "conversations c WHERE message_count <> (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id)")" = 0 ]
}
answers_alone() {
  local said
  said=$(bin/db.sh shell -X -At -c 'SELECT 1 + 1')
  [ "$said" = 2 ]
}
resets() { target db-reset && [ "$(count conversations)" = 0 ]; }
roles_have_rights() {
  [ "$(psql -X -q -A -t "$url" -c "SELECT has_table_privilege('messaging_reader', 'messages', 'SELECT'),
    has_table_privilege('messaging_persister', 'messages', 'INSERT'),
    has_table_privilege('messaging_reader', 'messages', 'INSERT')")" = 't|t|f' ]
}
# What an interrupted build leaves behind is an index of that name that is not valid.
heals_the_index_of_threads() {
  local said=
  while [[ $said != *'undid 0006_'* ]]; do said=$(DATABASE_URL=$url bin/migrate.sh down) || return 1; done
  ! psql -X -q "$url" -c 'CREATE UNIQUE INDEX CONCURRENTLY messages_thread_next ON messages (type)' || return 1
  DATABASE_URL=$url bin/migrate.sh up
  [ "$(psql -X -q -A -t "$url" -c "SELECT indisvalid, pg_get_indexdef(indexrelid) LIKE '%occurred_at, accepted_at, id)'
    FROM pg_index WHERE indexrelid = 'messages_thread'::regclass")" = 't|t' ]
}
# Back to before messages could wait or be cancelled, and again: what was cancelled isn't sent by the release before, and is
# cancelled again afterwards.
statuses() { psql -X -q -A -t "$url" -c "SELECT string_agg(status, ' ' ORDER BY call) FROM deliveries WHERE message_id::text LIKE '0193%'"; }
leaves_waiting() {
  psql -X -q -v ON_ERROR_STOP=1 "$url" <<'SQL'
INSERT INTO deliveries (message_id, status, generation, final, call, updated_at)
SELECT ('01930000-0000-7000-8000-00000000000' || n)::uuid, status, 0, status IN ('cancelled', 'failed', 'sent'), n, now()
FROM unnest(ARRAY ['scheduled', 'held', 'cancelled', 'failed', 'retrying', 'sent']) WITH ORDINALITY AS s (status, n);
INSERT INTO dispatch_attempts (message_id, generation, call, delivery, provider, outcome, http_status, latency_us, started_at, late)
VALUES ('01930000-0000-7000-8000-000000000003', 0, 3, 0, 'sms-mms', 'cancelled', 0, 0, now(), false),
  ('01930000-0000-7000-8000-000000000004', 0, 4, 1, 'sms-mms', 'rejected', 400, 0, now(), false);
SQL
  [ "$(statuses)" = 'scheduled held cancelled failed retrying sent' ]
}
takes_waiting_back() {
  local said=
  while [[ $said != *'undid 0010_'* ]]; do
    said=$(DATABASE_URL=$url bin/migrate.sh down 2>&1) || return 1
    printf '%s\n' "$said" >>"$folder/undone"
  done
  grep -F '1 messages are scheduled' "$folder/undone"
  [ "$(statuses)" = 'queued queued failed failed retrying sent' ]
  ! psql -X -q -v ON_ERROR_STOP=1 "$url" -c "UPDATE deliveries SET status = 'held' WHERE message_id::text LIKE '0193%'"
}
cancels_again() {
  DATABASE_URL=$url bin/migrate.sh up
  [ "$(statuses)" = 'queued queued cancelled failed retrying sent' ]
}
forgets_waiting() { psql -X -q -v ON_ERROR_STOP=1 "$url" -c "DELETE FROM deliveries WHERE message_id::text LIKE '0193%'; DELETE FROM dispatch_attempts WHERE message_id::text LIKE '0193%'"; }
as_foreign() { DATABASE_URL=$url target "$@"; }
refuses_to_reset() { fails_saying CONFIRM=yes as_foreign db-reset && [ "$(count conversations)" -gt 0 ]; }
resets_when_confirmed() { CONFIRM=yes as_foreign db-reset && [ "$(count conversations)" = 0 ]; }
listed=postgres://messaging_user:messaging_password@127.0.0.1:1,127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service
migrates_the_second() { prints 'nothing to apply' env DATABASE_URL="$listed" bin/migrate.sh up; }
finds_the_second() { prints "server 127.0.0.1:$LOCAL_POSTGRES_PORT" env DATABASE_URL="$listed" bin/db.sh which; }
# One that can't be written to is none of the listed: libpq says so for each.
wants_writes() {
  local as=postgres://messaging_user:messaging_password status=0
  psql -X -q "$url" -c "ALTER ROLE messaging_user SET default_transaction_read_only = on"
  fails_saying 'session is read-only' env DATABASE_URL="$listed" bin/migrate.sh status || status=1
  prints 42 env DATABASE_URL="$listed?target_session_attrs=any" bin/db.sh shell -X -At -c 'SELECT 6 * 7' || status=1
  psql -X -q "$as@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service" -c 'SET default_transaction_read_only = off' \
    -c 'ALTER ROLE messaging_user RESET default_transaction_read_only'
  return "$status"
}
leaves_foreign_alone() { as_foreign db-down && is_running postgres; }

it 'starts the private Postgres and says so' prints "starting Postgres on port $LOCAL_POSTGRES_PORT" target db-up
it 'applies the migrations' target migrate-apply
it 'shows them' prints 0001 target migrate-status
it 'shows which database it is' prints "server 127.0.0.1:$LOCAL_POSTGRES_PORT" target migrate-status-client
it 'prints what psql answers, and nothing else' answers_alone
it 'gives the roles of ingest and the persister their rights' roles_have_rights
it 'seeds the demo data' seeds
it 'seeds it once only' seeds_once
it 'makes an index anew that an interrupted build left invalid' heals_the_index_of_threads
it 'has messages in every status' leaves_waiting
it 'takes back that messages wait or are cancelled: none is lost, and none that was cancelled waits' takes_waiting_back
it 'applies it once more: what was cancelled is so again' cancels_again
it 'removes them' forgets_waiting
it 'counts the messages of each conversation exactly' counts_are_exact
it 'names the DATABASE_URL it acts on, without its password' prints '//messaging_user:***@' as_foreign migrate-status
it 'migrates the second of two servers where the first is down' migrates_the_second
it 'shows the second likewise' finds_the_second
it 'takes of several the one that takes writes, unless the URL says otherwise' wants_writes
it 'refuses to reset a database that is not private' refuses_to_reset
it 'resets it with CONFIRM=yes' resets_when_confirmed
it 'seeds again' seeds
it 'resets the private one' resets
it 'gives the roles their rights again' roles_have_rights
it 'shows the log' prints 'ready to accept connections' target db-logs
it 'stops the private one' target db-down
it 'keeps its data' prints 'PostgreSQL' target migrate-status-client
it 'does not stop what DATABASE_URL names' leaves_foreign_alone
it 'stops it again' target db-down
it 'leaves nothing running' nothing_runs
finish
