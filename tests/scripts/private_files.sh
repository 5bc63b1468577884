#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the scripts and the programs write is readable by its owner only, whatever the umask is, and what an earlier
# run left open is closed.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports
export LOG_MAX_BYTES=65536

# Whom else it is open to: what anybody but its owner may do, but for Postgres's user passing root's RUN_DIR.
opened() {
  find -L "$run_dir" -perm /077 ! \( -type d -perm 710 -group postgres \) ! -path '/proc/*' -printf '%m %p\n'
}
nothing_is_open() {
  [ -d "$run_dir/redis/appendonlydir" ] || [ -L "$run_dir/memory" ]
  [ -z "$(opened)" ] || { opened && return 1; }
}
starts_with() { # UMASK ARGUMENT…
  (umask "$1" && MOCK_LEDGER_FILE=$folder/ledger bin/start.sh "${@:2}")
}
ledger_is_closed() { [ "$(stat -c %a "$folder/ledger")" = 600 ]; }

# As a release before this one left it.
leaves_all_open() {
  bin/stop.sh
  if [ "$EUID" = 0 ]; then chgrp root "$run_dir"; fi
  chmod 755 "$run_dir"
  find "$run_dir" -mindepth 1 ! -path "$run_dir/postgres*" ! -type l -exec chmod go+rwX {} +
  printf 'old\n' >"$run_dir/ingest.log.1"
  chmod 644 "$run_dir/ingest.log.1" "$folder/ledger"
}
rewrites_its_data() {
  redis-cli -p "$LOCAL_REDIS_PORT" bgsave
  redis-cli -p "$LOCAL_REDIS_PORT" bgrewriteaof
  wait_for 20 is_rewritten
}
is_rewritten() { [ -f "$run_dir/redis/dump.rdb" ] && [ -f "$run_dir/redis/appendonlydir/appendonly.aof.2.incr.aof" ]; }
fills_the_log() {
  printf 'url = "http://127.0.0.1:%s/api/conversations"\noutput = /dev/null\n' "$PORT" >"$folder/call"
  for ((i = 0; i < 300; i++)); do cat "$folder/call"; done >"$folder/calls"
  wait_for 30 rotates
}
rotates() { curl -sS --noproxy '*' -K "$folder/calls" && [ -f "$run_dir/ingest.log.1" ]; }

# Somebody else's file in the folder: it may be there for others to read, and so may the folder.
leaves_others_alone() {
  bin/stop.sh
  chmod 755 "$run_dir"
  printf 'x\n' >"$run_dir/readme"
  chmod 644 "$run_dir/readme"
  starts_with 022
  [ "$(stat -c %a "$run_dir/readme")" = 644 ] && [ "$(stat -c %a "$run_dir/redis")" = 700 ]
}

makes_a_private_file_of_keys() {
  (umask 000 && bin/api-key.sh one read >"$folder/keys")
  [ "$(stat -c %a "$folder/keys")" = 600 ]
  chmod 646 "$folder/keys"
  bin/api-key.sh two read >>"$folder/keys"
  [ "$(stat -c %a "$folder/keys")" = 644 ] && [ "$(wc -l <"$folder/keys")" = 2 ]
}

installs_for_everybody() { # what dpkg and its scripts make
  [ "$(bash -c 'umask 077 && . bin/install-deps.sh --check build && umask')" = 0022 ]
}

it 'starts with a umask that closes nothing' starts_with 000
it 'delivers a message' send_sms 'private'
it 'closes all that it has made' nothing_is_open
it 'closes the ledger of the mock' ledger_is_closed
it 'keeps what Redis rewrites closed' rewrites_its_data
it 'moves a full log aside' fills_the_log
it 'has closed these, too' nothing_is_open
it 'stops, and leaves all as open as an earlier release did' leaves_all_open
it 'starts again' starts_with 022
it 'closes what was open' nothing_is_open
it 'closes the ledger that was open' ledger_is_closed
it "leaves others' files as they are" leaves_others_alone
it 'stops' bin/stop.sh
rm -rf -- "$run_dir"
it 'starts with its data in memory only' starts_with 000 --ephemeral
it 'closes that, too' nothing_is_open
it 'stops that' bin/stop.sh
it 'makes files of keys that nobody else may write' makes_a_private_file_of_keys
it 'installs packages with the usual umask' installs_for_everybody
it 'leaves nothing running' nothing_runs
finish
