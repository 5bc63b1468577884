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
resets() { target db-reset && [ "$(count conversations)" = 0 ]; }
roles_have_rights() {
  [ "$(psql -X -q -A -t "$url" -c "SELECT has_table_privilege('messaging_reader', 'messages', 'SELECT'),
    has_table_privilege('messaging_persister', 'messages', 'INSERT'),
    has_table_privilege('messaging_reader', 'messages', 'INSERT')")" = 't|t|f' ]
}
as_foreign() { DATABASE_URL=$url target "$@"; }
refuses_to_reset() { fails_saying CONFIRM=yes as_foreign db-reset && [ "$(count conversations)" -gt 0 ]; }
resets_when_confirmed() { CONFIRM=yes as_foreign db-reset && [ "$(count conversations)" = 0 ]; }
leaves_foreign_alone() { as_foreign db-down && is_running postgres; }

it 'starts the private Postgres and says so' prints "starting Postgres on port $LOCAL_POSTGRES_PORT" target db-up
it 'applies the migrations' target migrate-apply
it 'shows them' prints 0001 target migrate-status
it 'shows which database it is' prints "server 127.0.0.1:$LOCAL_POSTGRES_PORT" target migrate-status-client
it 'gives the roles of ingest and the persister their rights' roles_have_rights
it 'seeds the demo data' seeds
it 'seeds it once only' seeds_once
it 'counts the messages of each conversation exactly' counts_are_exact
it 'names the DATABASE_URL it acts on, without its password' prints '//messaging_user:***@' as_foreign migrate-status
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
