#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two copies side by side, with a RUN_DIR and ports each; and one copy that uses the other's servers by their URLs.
# shellcheck disable=SC2031 # each copy's names live in a subshell
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

first() { (. "$folder/first" && "$@"); }
second() { (. "$folder/second" && "$@"); }

describe() { # NAME: keeps the ports and the RUN_DIR of a copy
  claim_ports
  RUN_DIR=$folder/run-$1
  declare -px PORT MOCK_PROVIDER_PORT LOCAL_REDIS_PORT LOCAL_POSTGRES_PORT RUN_DIR >"$folder/$1"
  printf 'run_dir=%q\n' "$RUN_DIR" >>"$folder/$1"
}
export API_PROVIDER_RECEIPTS_PCT=''
describe first
describe second

refuses_another_port() { first env PORT="$PORT" bin/start.sh; }
borrows_the_database() {
  second env DATABASE_URL="postgres://messaging_user:messaging_password@127.0.0.1:$borrowed/messaging_service" \
    bin/start.sh
}
runs_no_postgres() { ! second is_running postgres; }
finds_the_database() { second env LOCAL_POSTGRES_PORT="$borrowed" bin/start.sh; }

it 'starts the first' first bin/start.sh --ephemeral
it 'starts the second beside it' second bin/start.sh --ephemeral
it 'stores in the first' first send_sms 'to the first'
it 'hears from its own mock that it has arrived' first wait_for 20 prints '"status":"delivered"' get /api/conversations/1/messages
it 'stores in the second' second send_sms 'to the second'
it 'hears of that one in the second' second wait_for 20 prints '"status":"delivered"' get /api/conversations/1/messages
it 'keeps them apart' first holds_messages 1
it 'says that a running copy has another port' fails_saying 'stop it first' refuses_another_port
it 'stops the second' second bin/stop.sh
it 'has not touched the first' first get /readyz
borrowed=$(first printenv LOCAL_POSTGRES_PORT)
it 'uses the database that DATABASE_URL names' borrows_the_database
it 'starts no Postgres of its own then' runs_no_postgres
it 'sees what is in it' second holds_messages 1
it 'stops again' second bin/stop.sh
it 'uses a Postgres that answers on LOCAL_POSTGRES_PORT' finds_the_database
it 'sees what is in that one' second holds_messages 1
it 'stops once more' second bin/stop.sh
it 'has left that Postgres alone' first is_running postgres
it 'stops the first' first bin/stop.sh
it 'leaves nothing of the first' first nothing_runs
it 'leaves nothing of the second' second nothing_runs
finish
