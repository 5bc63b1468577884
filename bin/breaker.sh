#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/breaker.sh status
       bin/breaker.sh open | close | auto | resume PROVIDER

The circuit breaker of a provider, sms-mms or email: one for all dispatchers, kept in Redis (the one that REDIS_URL
names, where that is set; else the private one). The same as redis-cli shows with HGETALL breaker:{PROVIDER}.

  status   both providers: mode, state, reason, failures, when it reopens, pause, probes, senders that are held
  open     by hand: within a second no dispatcher calls the provider; its messages wait and spend no attempt
  close    by hand: calls flow whatever they come to; a pause that a 429 asked for still holds, see resume
  auto     back to what the calls' outcomes say
  resume   lifts a pause that a 429 asked for: within a second calls flow again. What was answered so waits on, for at
           most API_PROVIDER_MAX_PAUSE_SECS
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

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

# held_senders PROVIDER: how many there are in all of its partitions, and the first few.
held_senders() {
  local partition senders=()
  while IFS= read -r partition; do
    if [[ $partition != "$1:"* ]]; then continue; fi
    mapfile -t -O "${#senders[@]}" senders < <(redis HKEYS "held-senders:{$partition}" | grep .)
  done < <(redis SMEMBERS partitions)
  case ${#senders[@]} in
  0) echo 'no sender' ;;
  [1-5]) echo "${#senders[@]} of the senders: ${senders[*]}" ;;
  *) echo "${#senders[@]} of the senders: ${senders[*]:0:5} ..." ;;
  esac
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
  if [ -n "${b[cut]:-}" ]; then paused+="; $((b[cut] / 1000)) s were asked for, so one probe follows"; fi
  printf '%s\n' "$provider"
  printf '  %-12s %s\n' mode "${b[mode]}" state "${b[state]}" reason "${b[reason]}" failures "${b[fails]} in a row" \
    reopens "$reopens" paused "$paused" probes "$live under way, ${b[ok]} succeeded" transitions "${b[transitions]}" \
    held "$(held_senders "$provider")"
}

now_ms() { redis TIME | awk 'NR == 1 { s = $1 } NR == 2 { printf "%d%03d", s, $1 / 1000 }'; }

status() {
  local provider now
  now=$(now_ms)
  for provider in "${providers[@]}"; do show "$provider" "$now"; done
}

# loaded_function NAME: of this copy's library where that is loaded, else of any; all do alike.
loaded_function() {
  local loaded own
  loaded=$(redis FUNCTION LIST LIBRARYNAME 'messaging_*' | grep -E "^$1_[0-9a-z]+\$" || true)
  own=$1_$(sha256sum redis/messaging.lua | cut -c1-12)
  if grep -qx "$own" <<<"$loaded"; then loaded=$own; fi
  [ -n "$loaded" ] || die "the function library isn't loaded in $(redact "$REDIS_URL"): start the service first"
  head -n 1 <<<"$loaded"
}

set_mode() { # MODE PROVIDER
  local name
  name=$(loaded_function breaker_mode)
  redis FCALL "$name" 1 "breaker:{$2}" "$1" >/dev/null || die "Redis refused it"
  say "the breaker of $2 is now: $1"
}

# close PROVIDER
close() {
  local paused now
  set_mode closed "$1"
  paused=$(redis HGET "breaker:{$1}" paused)
  now=$(now_ms)
  if [ "${paused:-0}" -gt "$now" ]; then
    say "but a 429 has paused it until $(at "$paused" "$now"): bin/breaker.sh resume $1 lifts that"
  fi
}

# resume PROVIDER
resume() {
  local name left
  name=$(loaded_function breaker_resume)
  left=$(redis FCALL "$name" 1 "breaker:{$1}") || die "Redis refused it"
  if [ "$left" -gt 0 ]; then
    say "the pause of $1 is lifted; $(((left + 999) / 1000)) s of it were left"
  else
    say "$1 was not paused"
  fi
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
  open | close | auto | resume)
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
  close) close "$provider" ;;
  auto) set_mode auto "$provider" ;;
  resume) resume "$provider" ;;
  esac
}

main "$@"
