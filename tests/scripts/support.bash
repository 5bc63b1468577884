# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For the tests of the scripts. A test has a folder, a RUN_DIR and ports of its own, so that several can run at once,
# and stops what it started. Sourced first; `finish` comes last.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

folder=$(mktemp -d "${TMPDIR:-/tmp}/messaging-test.XXXXXX")
chmod 711 "$folder"
passed=0
failed=0

# What a developer's environment and .env say must not reach a test; an empty value counts as none.
export DATABASE_URL='' REDIS_URL='' API_ENABLE_INMEMORY_FALLBACK='' BIND_ADDRESS=127.0.0.1 CONFIRM=''
# The mock's receipts are off, so that what is sent stays so; a test that wants them clears this. Whoever PUTs the
# mock's configuration says it again: what a PUT leaves out is as by default.
export API_PROVIDER_RECEIPTS_PCT=0
export BUILD_DIR=${BUILD_DIR:-build} RUN_DIR=$folder/run

# shellcheck source=bin/lib/common.sh
. bin/lib/common.sh
# shellcheck source=bin/lib/process.sh
. bin/lib/process.sh
# shellcheck source=tests/support/ports.bash
. tests/support/ports.bash
run_dir=$RUN_DIR
umask "$given_umask" # the tests' own files, and how the scripts are called

# wait_for SECONDS COMMAND…: until it succeeds. It is tried 20 times at least: on a machine that is busy with other tests
# one look may take seconds.
wait_for() {
  local deadline=$((SECONDS + $1)) tries=0
  shift
  until "$@"; do
    tries=$((tries + 1))
    [ "$SECONDS" -lt "$deadline" ] || [ "$tries" -lt 20 ] || return 1
    sleep 0.1
  done
}

clean_up() {
  local status=${1:-$?}
  trap - EXIT
  for run in "$folder"/run*; do
    if [ -d "$run" ]; then RUN_DIR=$run bin/stop.sh >/dev/null 2>&1 || true; fi
  done
  if [ "$failed" != 0 ] || [ "$status" != 0 ]; then
    for log in "$folder"/run*/*.log "$folder"/run*/*.err; do
      if [ -s "$log" ]; then
        echo "--- the end of ${log##*/}" && tail -n 10 -- "$log" | cut -c1-300
      fi
    done
  fi
  rm -rf -- "$folder"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# it SENTENCE COMMAND…: a test, in a subshell; what the command prints is shown when it fails.
it() {
  local sentence=$1 status
  shift
  # Not in an `if`, where a failure in the middle of a function would go unnoticed.
  set +e
  (set -e && "$@") >"$folder/output" 2>&1
  status=$?
  set -e
  if [ "$status" = 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAILED: %s\n' "$sentence"
    tail -n 40 -- "$folder/output" | sed 's/^/    /'
  fi
}

# prints TEXT COMMAND…: whether the command's output holds the text.
prints() {
  local text=$1 output
  shift
  output=$("$@" 2>&1) || true
  printf '%s\n' "$output"
  [[ $output == *"$text"* ]]
}

# fails_saying TEXT COMMAND…: whether the command fails and its output holds the text.
fails_saying() {
  local text=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'it succeeded:\n%s\n' "$output"
    return 1
  fi
  printf '%s\n' "$output"
  [[ $output == *"$text"* ]]
}

nothing_runs() {
  local name
  for name in ingest dispatcher persister mock-provider redis postgres; do
    if is_running "$name"; then
      echo "$name still runs" && return 1
    fi
  done
  # shellcheck disable=SC2153 # claim_ports sets them by name
  for port in "$PORT" "$MOCK_PROVIDER_PORT" "$LOCAL_REDIS_PORT" "$LOCAL_POSTGRES_PORT"; do
    if port_listens "$port"; then
      echo "port $port is still in use" && return 1
    fi
  done
}

get() { curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT$1"; }

# send_sms BODY: sends a message and waits until it is stored and sent, or even delivered.
send_sms() {
  local id
  id=$(curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/messages/sms" -H 'Content-Type: application/json' \
    -d "{\"from\":\"+12016661234\",\"to\":\"+18045551234\",\"type\":\"sms\",\"body\":\"$1\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" |
    sed 's/.*"id":"\([^"]*\)".*/\1/')
  wait_for 20 is_sent "$id"
}
is_sent() { get "/api/messages/$1" 2>/dev/null | grep -Eq '"status": *"(sent|delivered)"'; }

# holds_messages COUNT: whether the first conversation has exactly so many.
holds_messages() { get /api/conversations | grep -Eq "\"message_count\": *$1[,}]"; }

finish() {
  printf '%s: %s passed, %s failed\n' "$(basename "$0" .sh)" "$passed" "$failed"
  [ "$failed" = 0 ]
}
