#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/status.sh [--watch]

One screen about the whole service: what waits in each stream and for how long, who works on it, the breakers, the
counters, and what is in Postgres. Everything comes from XINFO, XPENDING, HGETALL, a few counts, and psql; the command
behind each part stands beside it, to be typed by hand.

Exit status 1 when something is stuck, with the reason in the last lines, so that cron can use it. What is stuck says
`ingest --check-flow`, by the same judgement as /readyz, /metrics and the console, whether an ingest runs or not:
  - work has waited for more than STATUS_MAX_AGE_SECS (60) in a stream, past its retry's time, or in a replay
  - a provider isn't called: its breaker is open, an operator has opened it, or a 429 has asked for a pause
  - no ingest, dispatcher or persister lives, or one of them reports what keeps it from its work
  - sends are refused: the backlog is full, or Redis's memory; Redis or Postgres doesn't answer; anything is unknown

  --watch   every 2 seconds, until it is interrupted

Which Redis and Postgres: as for bin/start.sh (REDIS_URL, DATABASE_URL, else the private ones).
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

stuck=() # reasons, each one line
notes=() # what is worth a word and keeps nothing from flowing
readonly none=-

# ask COMMAND…: a command's answer as JSON; null where Redis refuses it (no such key or group yet).
ask() {
  local answer
  answer=$(redis_to "$REDIS_URL" --json "$@" 2>/dev/null) || answer=
  case $answer in '[' | '[]' | '['* | '{'* | '"'* | [0-9]*) printf '%s' "$answer" ;; *) printf 'null' ;; esac
}

now_ms() { date +%s%3N; }

# shown_age MS: 350 ms, 12 s, 3 min, 2 h.
shown_age() {
  if [ "$1" = "$none" ]; then printf '%s' "$none"
  elif (($1 < 1000)); then printf '%d ms' "$1"
  elif (($1 < 120000)); then printf '%d s' "$(($1 / 1000))"
  elif (($1 < 7200000)); then printf '%d min' "$(($1 / 60000))"
  else printf '%d h' "$(($1 / 3600000))"; fi
}

# checker: prints the program that knows what is stuck: the one that was built here, else an installed one.
checker() {
  local program=${BUILD_DIR:-build}/ingest
  if [ -x "$program" ]; then printf '%s' "$program"; else command -v ingest; fi
}

# judge: fills stuck. A judgement that can't be had is no good one.
judge() {
  local program status=0 lines
  stuck=() notes=()
  if ! program=$(checker); then
    stuck=('nobody can tell: there is no program build/ingest (make build) and none in PATH')
    return
  fi
  lines=$(REDIS_URL=$REDIS_URL DATABASE_URL=$DATABASE_URL STATUS_MAX_AGE_SECS=$STATUS_MAX_AGE_SECS \
    "$program" --check-flow 2>"$errors") || status=$?
  mapfile -t stuck < <(grep -v '^note: ' <<<"$lines" | grep .)
  mapfile -t notes < <(sed -n 's/^note: //p' <<<"$lines")
  if [ "$status" != 0 ] && [ ${#stuck[@]} = 0 ]; then
    stuck=("nobody can tell: $program --check-flow ended with status $status: $(tail -n 1 -- "$errors")")
  fi
}

# --- The parts

heading() { printf '\n%-30s %s\n' "$1" "$2"; }

# stream_row STREAM GROUP: its entries, and how long ago the message in the first one was accepted or queued.
stream_row() {
  local stream=$1 group=$2 info length pending age consumers
  info=$(ask XINFO STREAM "$stream")
  length=$(jq -r '.length? // 0' <<<"$info")
  pending=$(ask XPENDING "$stream" "$group" | jq -r '.[0]? // 0')
  age=$(jq -r --argjson now "$(now_ms)" '
    .["first-entry"]? | if . == null then "-"
    else (.[0] | split("-")[0] | tonumber) as $entered | .[1] | (index("at") as $i | if $i then .[$i + 1] | tonumber
      else $entered end) | $now - . | if . < 0 then 0 else . end end' <<<"$info")
  consumers=$(ask XINFO CONSUMERS "$stream" "$group" |
    jq -r '[.[]? | select(.name | startswith(".") | not) | "\(.name): \(.pending)"] | join(", ")')
  printf '%-24s %8s %8s %8s %9s   %s\n' "$stream" "$length" "$((length - pending))" "$pending" "$(shown_age "$age")" \
    "${consumers:-nobody yet}"
}

streams() {
  heading 'Streams' 'XINFO STREAM outbound:{sms-mms:0} · XPENDING … dispatchers · XINFO CONSUMERS … dispatchers'
  printf '%-24s %8s %8s %8s %9s   %s\n' '' entries lag pending oldest 'held by'
  for tag in "${partitions[@]}"; do stream_row "outbound:{$tag}" dispatchers; done
  for tag in "${partitions[@]}"; do stream_row "events:{$tag}" persisters; done
}

parked() {
  local count first
  heading 'Parked until a retry' 'HLEN parked:{sms-mms:0} · ZRANGE parked-due:{sms-mms:0} 0 0 WITHSCORES'
  for tag in "${partitions[@]}"; do
    count=$(ask HLEN "parked:{$tag}")
    first=$(ask ZRANGE "parked-due:{$tag}" 0 0 WITHSCORES | jq -r --argjson now "$(now_ms)" \
      '[.. | numbers, (strings | tonumber?)] | if length > 0 then (last - $now | floor) else "-" end')
    if [ "$first" = "$none" ]; then
      printf '%-24s %8s\n' "$tag" "$count"
    elif ((first >= 0)); then
      printf '%-24s %8s   the next in %s\n' "$tag" "$count" "$(shown_age "$first")"
    else
      printf '%-24s %8s   the next has been due for %s\n' "$tag" "$count" "$(shown_age "$((-first))")"
    fi
  done
}

breakers() {
  local hash state reason since paused
  heading 'Breakers' 'HGETALL breaker:{sms-mms}'
  for provider in sms-mms email; do
    hash=$(ask HGETALL "breaker:{$provider}")
    IFS=$'\t' read -r state reason since paused < <(jq -r --argjson now "$(now_ms)" '
      (. // {}) | def number(n): .[n] // "0" | tonumber;
      [if (.mode // "auto") == "auto" then .state // "closed" else "\(.state // "closed"), by hand \(.mode)" end,
       .reason // "-", if .since then $now - number("since") else "-" end,
       if number("paused") > $now then number("paused") - $now else "-" end] | @tsv' <<<"$hash")
    printf '%-24s %-10s' "$provider" "$state"
    if [ "$since" != "$none" ]; then printf '   for %s (%s)' "$(shown_age "$since")" "$reason"; fi
    if [ "$paused" != "$none" ]; then printf '   paused by a 429 for another %s' "$(shown_age "$paused")"; fi
    printf '\n'
  done
}

counters() {
  heading 'Counters' 'HGETALL metrics'
  ask HGETALL metrics | jq -r '
    (. // {}) | [to_entries[] | select(.key | test("[:{]|^(sms_mms|email)_") | not)] | sort_by(.key)
    | [.[] | "\(.key) \(.value)"] | _nwise(3) | @tsv' |
    while IFS=$'\t' read -r one two three; do printf '%-34s%-34s%s\n' "$one" "${two:-}" "${three:-}"; done
}

database() {
  heading 'Postgres' "psql -f bin/sql/status.sql"
  if ! PGCONNECT_TIMEOUT=3 psql_to "$DATABASE_URL" -X -w -q -A -t -F $'\t' -f bin/sql/status.sql 2>"$errors" |
    while IFS=$'\t' read -r name value; do printf '%-24s %s\n' "$name" "$value"; done; then
    printf 'no answer: %s\n' "$(head -n 1 -- "$errors")"
  fi
}

# --- The screen

show() {
  judge
  printf 'messaging service, %s   Redis %s   Postgres %s\n' "$(date -u +%FT%TZ)" "$(redact "$REDIS_URL")" \
    "$(redact "$DATABASE_URL")"
  if redis_answers "$REDIS_URL"; then
    mapfile -t partitions < <(ask SMEMBERS partitions | jq -r '.[]?' | sort)
    streams
    parked
    breakers
    counters
  fi
  database
  printf '\n'
  if [ ${#notes[@]} != 0 ]; then printf 'Note: %s\n' "${notes[@]}"; fi
  if [ ${#stuck[@]} = 0 ]; then
    say 'Nothing is stuck.'
  else
    printf 'STUCK: %s\n' "${stuck[@]}"
  fi
}

# A whole screen at once, so that it doesn't flicker.
watch_it() {
  local screen
  trap 'exit 0' INT TERM
  while :; do
    screen=$(show)
    printf '\033[H\033[2J%s\n' "$screen"
    sleep 2
  done
}

main() {
  case ${1:-} in
  -h | --help) usage && exit 0 ;;
  '' | --watch) ;;
  *) die "unknown argument '$1'; see bin/status.sh --help" ;;
  esac
  load_settings
  setting STATUS_MAX_AGE_SECS status_max_age_secs 60
  [[ $STATUS_MAX_AGE_SECS =~ ^[0-9]{1,8}$ ]] || die "STATUS_MAX_AGE_SECS is '$STATUS_MAX_AGE_SECS': it must be seconds"
  REDIS_URL=${REDIS_URL:-$(private_redis_url)}
  DATABASE_URL=${DATABASE_URL:-$(private_database_url)}
  errors=$(mktemp)
  trap 'rm -f -- "$errors"' EXIT
  if [ "${1:-}" = --watch ]; then watch_it; fi
  show
  [ ${#stuck[@]} = 0 ]
}

main "$@"
