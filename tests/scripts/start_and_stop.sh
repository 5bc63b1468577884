#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/start.sh and bin/stop.sh through a whole life: start, second run, deaths, stop, start again.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

pids() { for name in "${programs[@]}" redis postgres; do pid_of "$name"; done; }

second_run_changes_nothing() {
  local before
  before=$(pids)
  bin/start.sh
  [ "$(pids)" = "$before" ]
}

start_revives() { # NAME
  local ingest
  ingest=$(pid_of ingest)
  kill -KILL "$(pid_of "$1")"
  wait_for 5 is_stopped "$1"
  bin/start.sh
  is_running "$1" && [ "$(pid_of ingest)" = "$ingest" ]
}

foreign_process_is_left_alone() {
  local bystander
  sleep 300 &
  bystander=$!
  printf '%s\n' "$bystander" >"$run_dir/ingest.pid"
  bin/stop.sh
  kill "$bystander"
}

# A sanitizer's report, or any other last words, would stand there.
programs_printed_nothing() { ! grep . "$run_dir"/*.err 2>/dev/null; }

bad_setting_stops_it() {
  export API_WORKER_BATCH_SIZE=0
  fails_saying API_WORKER_BATCH_SIZE bin/start.sh && nothing_runs
}

it 'starts everything and exits 0' bin/start.sh
it 'serves /readyz' get /readyz
it 'delivers and stores a message' send_sms 'first'
it 'changes nothing in a second run' second_run_changes_nothing
it 'revives a dispatcher that was killed' start_revives dispatcher
it 'revives a Redis that was killed' start_revives redis
it 'revives a Postgres that was killed' start_revives postgres
it 'works after that' send_sms 'second'
it 'stops everything and exits 0' bin/stop.sh
it 'leaves nothing running' nothing_runs
it 'stops again without complaint' bin/stop.sh
it 'starts again' bin/start.sh
it 'has kept what was stored' wait_for 10 holds_messages 2
it 'stops the programs alone when told so' bin/stop.sh --programs
it 'leaves the servers then' is_running postgres
it 'stops the rest' bin/stop.sh --all
it 'never ends a process that only has the id of one of ours' foreign_process_is_left_alone
it 'has had nothing on standard error' programs_printed_nothing
it 'names a setting that a program refuses, and leaves nothing behind' bad_setting_stops_it
finish
