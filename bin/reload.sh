#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/reload.sh [PROGRAM…]

Has the programs that bin/start.sh started read their settings again (SIGHUP), one after the other: all of them, or those
named (mock-provider, persister, dispatcher, ingest). Of each it says what it has taken, or why it has refused: then
nothing was changed there, those after it are not asked, and the exit status is 1.

The settings are those of .env and of the file that API_CONFIG_FILE names. What a program was given by the environment of
bin/start.sh stays as it was then. Which settings count at once README's table says (↻); others wait for a restart.
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

REPLY_SECS=30 # a change is tried first: Redis, Postgres

# news NAME BYTES: what was logged since the file had so many bytes, of a reload.
news() {
  local log=$run_dir/$1.log size
  size=$(stat -c %s -- "$log" 2>/dev/null || echo 0)
  tail -c "+$(($2 > size ? 1 : $2 + 1))" -- "$log" 2>/dev/null | grep -E '\b(reloaded|reload_refused|reload_waits)\b' || true
}

has_answered() { # NAME BYTES
  [[ $(news "$@") =~ reloaded|reload_refused ]] || is_stopped "$1"
}

# said EVENT TEXT: prints the messages of the lines of that event, JSON or text.
said() {
  sed -n -E "/\\b$1\\b/{s/.*\"message\":\"(([^\"\\\\]|\\\\.)*)\".*/\\1/;s/\\\\(.)/\\1/g;s/.*\\b$1 +//;p}" <<<"$2"
}

reload() { # NAME
  local name=$1 pid before lines
  if ! pid=$(pid_of "$name"); then
    say "$name doesn't run"
    return
  fi
  before=$(stat -c %s -- "$run_dir/$name.log" 2>/dev/null || echo 0)
  kill -HUP "$pid"
  if ! wait_for "$REPLY_SECS" has_answered "$name" "$before"; then
    die "$name has not said in $REPLY_SECS s what it has taken (its log: $run_dir/$name.log; LOG_LEVEL must be info or debug)"
  fi
  lines=$(news "$name" "$before")
  if [[ $lines == *reload_refused* ]]; then die "$name: $(said reload_refused "$lines")"; fi
  [[ $lines == *reloaded* ]] || die "$name has ended meanwhile: see $run_dir/$name.log"
  if [[ $lines == *reload_waits* ]]; then warn "$name: $(said reload_waits "$lines")"; fi
  say "$name: $(said reloaded "$lines")"
}

check_program() {
  local name
  for name in "${programs[@]}"; do
    if [ "$name" = "$1" ]; then return; fi
  done
  die "there is no program '$1', only: ${programs[*]}"
}

main() {
  local name
  case ${1:-} in -h | --help) usage && exit 0 ;; esac
  if [ $# = 0 ]; then set -- "${programs[@]}"; fi
  for name in "$@"; do check_program "$name"; done
  load_settings
  if [ ! -d "$run_dir" ]; then
    say "nothing runs in $run_dir"
    return
  fi
  take_lock
  for name in "$@"; do reload "$name"; done
}

main "$@"
