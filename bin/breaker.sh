#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/breaker.sh status
       bin/breaker.sh open | close | auto PROVIDER

The circuit breaker of a provider, sms-mms or email: one for all dispatchers, kept in Redis (the one that REDIS_URL
names, where that is set; else the private one). The same as redis-cli shows with HGETALL breaker:{PROVIDER}.

  status   both providers: mode, state, reason, failures, when it reopens, pause, probes
  open     by hand: within a second no dispatcher calls the provider; its messages wait and spend no attempt
  close    by hand: calls flow whatever they come to; a pause that a 429 asked for still holds
  auto     back to what the calls' outcomes say
END
}

here=$(dirname -- "${BASH_SOURCE[0]}")
# shellcheck source=bin/lib.sh
. "$here/lib.sh"
# shellcheck source=bin/lib-process.sh
. bin/lib-process.sh
# shellcheck source=bin/lib-memory.sh
. bin/lib-memory.sh
# shellcheck source=bin/lib-redis.sh
. bin/lib-redis.sh

providers=(sms-mms email)

redis() { redis_to "$REDIS_URL" -e "$@"; }

open_redis() {
  local setting=REDIS_URL
  bin/install-deps.sh run
  if [ -z "${REDIS_URL:-}" ]; then
    REDIS_URL=$(private_redis_url)
    setting=LOCAL_REDIS_PORT
  fi
  redis_answers "$REDIS_URL" || die "no Redis answers at $(redact "$REDIS_URL") (setting $setting)"
}

# at MS NOW_MS: a time, and how far away it is.
at() {
  printf '%s (%s s from now)' "$(date -u -d "@$(($1 / 1000))" +%Y-%m-%dT%H:%M:%SZ)" "$((($1 - $2 + 999) / 1000))"
}

# show PROVIDER NOW_MS
show() {
  local provider=$1 now=$2 field value live=0 reopens=- paused=no
  local -A b=([mode]=auto [state]=closed [reason]=- [fails]=0 [ok]=0 [until]=0 [paused]=0 [transitions]=0)
  while IFS= read -r field && IFS= read -r value; do
    b[$field]=$value
    if [[ $field == lease:* ]] && [ "$value" -gt "$now" ]; then live=$((live + 1)); fi
  done < <(redis HGETALL "breaker:{$provider}")
  if [ "${b[state]}" = open ]; then reopens=$(at "${b[until]}" "$now"); fi
  if [ "${b[paused]}" -gt "$now" ]; then paused="until $(at "${b[paused]}" "$now")"; fi
  printf '%s\n' "$provider"
  printf '  %-12s %s\n' mode "${b[mode]}" state "${b[state]}" reason "${b[reason]}" failures "${b[fails]} in a row" \
    reopens "$reopens" paused "$paused" probes "$live under way, ${b[ok]} succeeded" transitions "${b[transitions]}"
}

status() {
  local provider now
  now=$(redis TIME | awk 'NR == 1 { s = $1 } NR == 2 { printf "%d%03d", s, $1 / 1000 }')
  for provider in "${providers[@]}"; do show "$provider" "$now"; done
}

# The name of the function that sets the mode: of this copy's library where that is loaded, else of any; all set alike.
mode_function() {
  local loaded own
  loaded=$(redis FUNCTION LIST LIBRARYNAME 'messaging_*' | grep -E '^breaker_mode_[0-9a-z]+$' || true)
  own=breaker_mode_$(sha256sum redis/messaging.lua | cut -c1-12)
  if grep -qx "$own" <<<"$loaded"; then loaded=$own; fi
  [ -n "$loaded" ] || die "the function library isn't loaded in $(redact "$REDIS_URL"): start the service first"
  head -n 1 <<<"$loaded"
}

set_mode() { # MODE PROVIDER
  local name
  name=$(mode_function)
  redis FCALL "$name" 1 "breaker:{$2}" "$1" >/dev/null || die "Redis refused it"
  say "the breaker of $2 is now: $1"
}

check_provider() {
  local provider
  [ -n "$1" ] || die "which provider: ${providers[*]}? See bin/breaker.sh --help"
  for provider in "${providers[@]}"; do
    if [ "$provider" = "$1" ]; then return; fi
  done
  die "there is no provider '$1', only: ${providers[*]}"
}

main() {
  local command=${1:-} provider=${2:-}
  case $command in
  -h | --help) usage && exit 0 ;;
  status) [ $# = 1 ] || die "status takes no argument; see bin/breaker.sh --help" ;;
  open | close | auto)
    check_provider "$provider"
    [ $# = 2 ] || die "one provider at a time; see bin/breaker.sh --help"
    ;;
  *) die "unknown command '$command'; see bin/breaker.sh --help" ;;
  esac
  load_settings
  prefer_memory
  open_redis
  case $command in
  status) status ;;
  open) set_mode open "$provider" ;;
  close) set_mode closed "$provider" ;;
  auto) set_mode auto "$provider" ;;
  esac
}

main "$@"
