#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/start.sh [--ephemeral]

Installs what is missing (Debian, Ubuntu), builds, starts a private Redis and a private Postgres unless REDIS_URL or
DATABASE_URL name others, applies the migrations, starts the mock provider, the persister, the dispatcher and ingest,
and waits until the service is ready. After an upgrade, or a change of PHONE_REGION, it makes the conversations of what
is stored anew (persister --rekey), or says the command where that is much. Run again, it starts what has stopped and restarts what was rebuilt; what
runs keeps the settings it was started with, but for those that bin/reload.sh changes.

  --ephemeral   keep the data of the private servers in memory only, gone at bin/stop.sh
                (as API_ENABLE_INMEMORY_FALLBACK=true does); REDIS_URL and DATABASE_URL don't count then

Settings come from the environment, then from .env. The ports: PORT (8080), MOCK_PROVIDER_PORT (8090),
LOCAL_REDIS_PORT (6379), LOCAL_POSTGRES_PORT (55432). RUN_DIR (.run) holds data, logs and process ids: with another one
and other ports, a second copy runs beside the first. BUILD_DIR names a folder of programs that are built already;
then nothing is installed or built.
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

REKEY_AT_ONCE=200000 # messages

decided=(LOG_FILE) # settings that are this script's own

# take_arguments ARGUMENT…: sets `ephemeral`.
take_arguments() {
  ephemeral=
  is_true "$API_ENABLE_INMEMORY_FALLBACK" && ephemeral=yes
  while [ $# -gt 0 ]; do
    case $1 in
    --ephemeral) ephemeral=yes ;;
    *) die "unknown argument '$1'; see bin/start.sh --help" ;;
    esac
    shift
  done
}

# choose_mode: data on disk, or in memory only. Servers that run stay what they are.
choose_mode() {
  if in_memory && ! is_running redis && ! is_running postgres; then drop_memory; fi
  if is_running redis || is_running postgres; then
    if in_memory && [ -z "$ephemeral" ]; then
      die "this copy runs with its data in memory only: stop it first (bin/stop.sh), or give --ephemeral"
    elif ! in_memory && [ -n "$ephemeral" ]; then
      die "this copy's private servers run with their data on disk: stop them first (bin/stop.sh)"
    fi
  elif [ -n "$ephemeral" ]; then
    make_memory
    made_memory=yes
  fi
  prefer_memory
  if in_memory; then decided+=(REDIS_URL DATABASE_URL); fi
}

# shellcheck disable=SC2153 # PORT is set by load_settings
check_ports() {
  require_port ingest "$PORT" PORT
  require_port mock-provider "$MOCK_PROVIDER_PORT" MOCK_PROVIDER_PORT
  if [ -z "${REDIS_URL:-}" ]; then
    require_port redis "$LOCAL_REDIS_PORT" LOCAL_REDIS_PORT ", or REDIS_URL to the Redis to use"
  fi
}

# build_programs: sets `build`, the folder with the four programs.
build_programs() {
  local groups=(build run)
  build=${BUILD_DIR:-build}
  if [ -z "${BUILD_DIR:-}" ]; then
    if [ -z "${REDIS_URL:-}" ]; then groups+=(redis); fi
    if [ -z "${DATABASE_URL:-}" ] && ! port_listens "$LOCAL_POSTGRES_PORT"; then groups+=(postgres); fi
    bin/install-deps.sh "${groups[@]}"
    say "building"
    (umask "$given_umask" && MAKEFLAGS='' MAKELEVEL='' make --no-print-directory --silent -j"$(nproc)" build) || die "the build failed"
  fi
  case $build in /*) ;; *) build=$root/$build ;; esac
  for name in "${programs[@]}"; do
    [ -x "$build/$name" ] || die "there is no program $build/$name"
  done
}

start_servers() {
  if [ -n "${REDIS_URL:-}" ]; then
    use_redis
  else
    start_redis
    REDIS_URL=$(private_redis_url)
    export REDIS_URL
  fi
  choose_postgres
}

# tell_mock: where it reaches ingest, unless that is set.
tell_mock() {
  setting MOCK_WEBHOOK_URL mock_webhook_url ''
  if [ -z "$MOCK_WEBHOOK_URL" ]; then
    MOCK_WEBHOOK_URL=$(local_url "$PORT")
    decided+=(MOCK_WEBHOOK_URL)
  fi
}

# Whether the program that runs is no longer the one on disk.
is_outdated() {
  [[ $(readlink -- "/proc/$(pid_of "$1")/exe") == *' (deleted)' ]]
}

# names_left: prints the settings that a program is to find for itself, in .env and the file of settings, where it sees
# what changes there (bin/reload.sh): all but those that the caller has set, or this script alone knows.
names_left() {
  "$build/ingest" --print-settings=dotenv | sed -n -E 's/^(# )?([A-Z0-9_]+)=.*/\2/p' |
    grep -vxF -e "$given_names" -e "$(printf '%s\n' "${decided[@]}")"
}

start_program() {
  local name=$1 port=$2 pid left=() setting
  if is_running "$name" && is_outdated "$name"; then
    say "$name was rebuilt: restarting it"
    stop_program "$name"
  fi
  if pid=$(pid_of "$name"); then
    say "$name runs already (process $pid)"
    return
  fi
  while IFS= read -r setting; do left+=(-u "$setting"); done < <(names_left)
  : >"$run_dir/$name.err"
  LOG_FILE=$run_dir/$name.log spawn "$name" "$port" "$run_dir/$name.err" env "${left[@]}" "$build/$name"
  say "starting $name (process $(cat -- "$run_dir/$name.pid"))"
}

# local_url PORT: where a program that listens on BIND_ADDRESS is reached from here.
local_url() {
  local address=$BIND_ADDRESS
  case $address in 0.0.0.0) address=127.0.0.1 ;; ::) address=::1 ;; esac
  case $address in *:*) address="[$address]" ;; esac
  printf 'http://%s:%s' "$address" "$1"
}

first_dead() {
  for name in "${programs[@]}"; do
    is_running "$name" || { printf '%s\n' "$name" && return; }
  done
  return 1
}

# The service takes sends before it has Postgres; a person who was told that it is ready reads, too.
is_ready() {
  local state
  port_listens "$MOCK_PROVIDER_PORT" &&
    state=$(curl -fsS --noproxy '*' --max-time 2 "$(local_url "$PORT")/readyz" 2>/dev/null) &&
    [[ $state == *'"postgres":"up"'* ]]
}
ready_or_dead() { first_dead >/dev/null || is_ready; }

wait_until_ready() {
  local dead troubles=''
  if wait_for 60 ready_or_dead && ! dead=$(first_dead); then return; fi
  if [ -n "${dead:-}" ]; then
    show_log "$run_dir/$dead.err"
    show_log "$run_dir/$dead.log"
    die "$dead ended at its start"
  fi
  warn "the answer of $(local_url "$PORT")/readyz:"
  curl -sS --noproxy '*' --max-time 5 "$(local_url "$PORT")/readyz" >&2 || true
  for name in "${programs[@]}"; do show_log "$run_dir/$name.log"; done
  flows || true
  troubles=$(grep -v '^note: ' <<<"$troubles") || true
  die "not ready after 60 s${troubles:+: ${troubles%%$'\n'*}}"
}

flows() { troubles=$("$build/ingest" --check-flow 2>/dev/null); }

# It runs; what stands all the same (a breaker that is still open, an old backlog) is said.
tell_of_troubles() {
  local troubles line
  if ! wait_for 10 flows; then
    while IFS= read -r line; do warn "not all of it flows: $line"; done < <(grep -v "^note: " <<<"$troubles")
  fi
}

# Stored conversations that were made by other rules, or another PHONE_REGION, are made anew: at once where that takes
# a minute at most. It goes on beside all else, and the service is ready without it.
rekey() {
  local said status=0
  said=$("$build/persister" --rekey=ask 2>&1) || status=$?
  if [ "$status" = 0 ]; then return; fi
  if [ "$status" != 3 ]; then
    warn "whether stored conversations are to be made anew is not known: $said"
  elif [[ $said =~ ([0-9]+)\ messages$ ]] && ((BASH_REMATCH[1] <= REKEY_AT_ONCE)); then
    say "making the conversations of ${BASH_REMATCH[1]} stored messages anew"
    "$build/persister" --rekey || warn "not all was made anew: run $build/persister --rekey once that is mended"
  else
    warn "conversations are $said; make them anew beside all else: $build/persister --rekey"
  fi
}

print_summary() {
  local url
  url=$(local_url "$PORT")
  cat <<END

The messaging service is ready.
  API            $url   (what it answers: $url/openapi.yaml)
  mock provider  $(local_url "$MOCK_PROVIDER_PORT")
  Redis          $(redact "$REDIS_URL")
  Postgres       $(redact "$DATABASE_URL")
  logs, data     $run_dir$(in_memory && printf ' (data in memory only: gone at bin/stop.sh)')

Try it:
  curl -sS $url/api/messages/sms -H 'Content-Type: application/json' \\
    -d '{"from":"+12016661234","to":"+18045551234","type":"sms","body":"Hello","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}'
  curl -sS $url/api/conversations
Test it with bin/test.sh, stop it with bin/stop.sh.
END
}

# What this run has started is stopped again when it fails: either all of it runs, or what ran before.
undo() {
  local status=$? name
  trap - EXIT
  [ "$status" = 0 ] && exit 0
  for name in ingest dispatcher persister mock-provider redis postgres; do
    case " ${started[*]:-} " in
    *" $name "*)
      case $name in
      postgres) stop_postgres ;;
      redis) stop_process redis TERM 15 ;;
      *) stop_program "$name" ;;
      esac
      ;;
    esac
  done
  if [ -n "${made_memory:-}" ]; then drop_memory; fi
  exit "$status"
}

main() {
  case ${1:-} in -h | --help) usage && exit 0 ;; esac
  load_settings
  take_arguments "$@"
  tell_mock
  make_run_dir
  take_lock
  trap undo EXIT
  trap 'exit 130' INT TERM HUP
  choose_mode
  check_ports
  build_programs
  start_servers
  say "applying the migrations"
  bin/migrate.sh up
  start_program mock-provider "$MOCK_PROVIDER_PORT"
  start_program persister 0
  start_program dispatcher 0
  start_program ingest "$PORT"
  wait_until_ready
  rekey
  tell_of_troubles
  print_summary
}

main "$@"
