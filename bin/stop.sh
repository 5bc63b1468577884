#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/stop.sh [--all | --programs]

Stops what bin/start.sh started with this RUN_DIR: the four programs, each of which first finishes what it has in
flight, then the private Redis and Postgres. Their data stays for the next bin/start.sh, unless it was started with
--ephemeral.

  --all        the programs and the private servers (the default)
  --programs   the programs only
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

stop_if_running() { # NAME COMMAND…
  local name=$1
  shift
  if is_running "$name"; then say "stopping $name"; fi
  "$@"
}

main() {
  case ${1:---all} in
  -h | --help) usage && exit 0 ;;
  --all | --programs) ;;
  *) die "unknown argument '$1'; see bin/stop.sh --help" ;;
  esac
  load_settings
  if [ ! -d "$run_dir" ]; then
    say "nothing runs in $run_dir"
    return
  fi
  take_lock
  # In the order in which messages flow, so that each finds its successor still there; the mock after its caller.
  for name in ingest dispatcher persister mock-provider; do
    stop_if_running "$name" stop_program "$name"
  done
  if [ "${1:-}" != --programs ]; then
    stop_if_running redis stop_process redis TERM 15
    stop_if_running postgres stop_postgres
    drop_memory
  fi
  say "stopped"
}

main "$@"
