#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/status.sh [--watch | --json]

One screen about the whole service: what waits in each stream and for how long, who works on it, the breakers, the
counters, and what is in Postgres. Everything comes from XINFO, XPENDING, HGETALL, a few counts, and psql; the command
behind each part stands beside it, to be typed by hand.

Exit status 1 when something is stuck, with the reason in the last lines, so that cron can use it. What is stuck says
`ingest --check-flow`, by the same judgement as /readyz, /metrics and the console, whether an ingest runs or not:
  - work has waited for more than STATUS_MAX_AGE_SECS (60) in a stream, in a replay, or past its time: a retry's, a
    turn's, or the one that it was scheduled for
  - a provider isn't called: its breaker is open, an operator has opened it, or a 429 has asked for a pause
  - no ingest, dispatcher or persister lives, or one of them reports what keeps it from its work
  - sends are refused: the backlog is full, what may be scheduled, or Redis's memory; Redis or Postgres doesn't answer; anything is unknown

  --watch   every 2 seconds, until it is interrupted
  --json    what waits, the breakers, what is stuck and what is worth a word, as one JSON object

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

# stream_facts STREAM GROUP: its entries, and how long ago the message in the first one was accepted, queued or due.
stream_facts() {
  local info pending
  info=$(ask XINFO STREAM "$1")
  pending=$(ask XPENDING "$1" "$2" | jq '.[0]? // 0')
  jq -n --argjson info "$info" --argjson pending "$pending" --argjson now "$(now_ms)" '
    def time($fields): ($fields | index("at")) as $at | ($fields | index("m")) as $m
      | if $at then $fields[$at + 1] elif $m then $fields[$m + 1] / " " | if .[0] | test("^[a-z]") then .[2] else .[3] end
        else null end | try tonumber catch null;
    $info."first-entry"? as $first
    | {entries: ($info.length? // 0), lag: (($info.length? // 0) - $pending), pending: $pending,
       oldest_ms: (if $first then [$now - (time($first[1]) // ($first[0] / "-" | .[0] | tonumber)), 0] | max else null end)}'
}

stream_row() {
  local consumers entries lag pending age
  consumers=$(ask XINFO CONSUMERS "$1" "$2" |
    jq -r '[.[]? | select(.name | startswith(".") | not) | "\(.name): \(.pending)"] | join(", ")')
  IFS=$'\t' read -r entries lag pending age < <(stream_facts "$1" "$2" |
    jq -r '[.entries, .lag, .pending, .oldest_ms // "-"] | @tsv')
  printf '%-24s %8s %8s %8s %9s   %s\n' "$1" "$entries" "$lag" "$pending" "$(shown_age "$age")" "${consumers:-nobody yet}"
}

streams() {
  heading 'Streams' 'XINFO STREAM outbound:{sms-mms:0} · XPENDING … dispatchers · XINFO CONSUMERS … dispatchers'
  printf '%-24s %8s %8s %8s %9s   %s\n' '' entries lag pending oldest 'held by'
  for tag in "${partitions[@]}"; do stream_row "outbound:{$tag}" dispatchers; done
  for tag in "${partitions[@]}"; do stream_row "events:{$tag}" persisters; done
}

# until_first SET NOW: ms until its first member is due, below 0 where that is past; - where it has none.
until_first() {
  ask ZRANGE "$1" 0 0 WITHSCORES | jq -r --argjson now "$2" \
    '[.. | numbers, (strings | tonumber?)] | if length > 0 then (last - $now | floor) else "-" end'
}

# shown_wait MS: what until_first printed, as words.
shown_wait() {
  if [ "$1" = "$none" ]; then return
  elif (($1 >= 0)); then printf '   the next in %s' "$(shown_age "$1")"
  else printf '   the next has been due for %s' "$(shown_age "$((-$1))")"; fi
}

parked() {
  heading 'Parked until a retry' 'HLEN parked:{sms-mms:0} · ZRANGE parked-due:{sms-mms:0} 0 0 WITHSCORES'
  for tag in "${partitions[@]}"; do
    printf '%-24s %8s%s\n' "$tag" "$(ask HLEN "parked:{$tag}")" "$(shown_wait "$(until_first "parked-due:{$tag}" "$(now_ms)")")"
  done
}

# open_ms TAG: the clock of its turns, which stands still while the provider isn't called.
open_ms() { ask HGET "open-ms:{$1}" ms | jq -r '. // 0'; }

# Behind the earlier one of a conversation, which is called or tried again; it lets the next one go when it is through, or
# when that has waited for ORDER_MAX_WAIT_SECS.
held() {
  local count
  heading 'Held behind an earlier one' 'HLEN held:{sms-mms:0} · ZCARD held-due:{…} · ZRANGE held-due:{…} 0 0 WITHSCORES - HGET open-ms:{…} ms'
  for tag in "${partitions[@]}"; do
    count=$(ask HLEN "held:{$tag}")
    printf '%-24s %8s' "$tag" "$count"
    if [ "$count" != 0 ]; then
      printf '   conversations: %s%s at the latest' "$(ask ZCARD "held-due:{$tag}")" \
        "$(shown_wait "$(until_first "held-due:{$tag}" "$(open_ms "$tag")")")"
    fi
    printf '\n'
  done
}

scheduled() {
  local bytes
  heading 'Scheduled' 'HLEN scheduled:{sms-mms:0} · GET scheduled-bytes:{…} · ZRANGE scheduled-due:{…} 0 0 WITHSCORES'
  for tag in "${partitions[@]}"; do
    bytes=$(ask GET "scheduled-bytes:{$tag}" | jq -r '. // 0')
    printf '%-24s %8s %12s bytes%s\n' "$tag" "$(ask HLEN "scheduled:{$tag}")" "$bytes" \
      "$(shown_wait "$(until_first "scheduled-due:{$tag}" "$(now_ms)")")"
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

# What providers say became of messages: "receipts{sms-mms,undelivered,30003}" as a line.
receipts() {
  heading 'Receipts' 'HGETALL metrics'
  ask HGETALL metrics | jq -r '
    (. // {}) | to_entries | sort_by(.key) | .[]
    | (.key | capture("^receipts\\{(?<provider>[a-z-]+),(?<status>[a-z]+),(?<code>[0-9A-Za-z._-]*)\\}$")) + {value}
    | [.provider, .status, .code, .value] | @tsv' |
    while IFS= read -r line; do
      IFS=$'\x1f' read -r provider status code count <<<"${line//$'\t'/$'\x1f'}"
      printf '%-10s %-13s %-10s %s\n' "$provider" "$status" "$code" "$count"
    done
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
    held
    scheduled
    breakers
    counters
    receipts
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

# in_ms SET NOW: as until_first, in JSON.
in_ms() { until_first "$1" "$2" | jq -R 'tonumber? // null'; }

partition_facts() { # TAG
  jq -n --argjson outbound "$(stream_facts "outbound:{$1}" dispatchers)" \
    --argjson events "$(stream_facts "events:{$1}" persisters)" \
    --argjson parked "$(ask HLEN "parked:{$1}")" --argjson parked_in "$(in_ms "parked-due:{$1}" "$(now_ms)")" \
    --argjson held "$(ask HLEN "held:{$1}")" --argjson waiting "$(ask ZCARD "held-due:{$1}")" \
    --argjson held_in "$(in_ms "held-due:{$1}" "$(open_ms "$1")")" \
    --argjson scheduled "$(ask HLEN "scheduled:{$1}")" --argjson bytes "$(ask GET "scheduled-bytes:{$1}" | jq '. // 0 | tonumber')" \
    --argjson scheduled_in "$(in_ms "scheduled-due:{$1}" "$(now_ms)")" --arg tag "$1" '
    {($tag): {outbound: $outbound, events: $events, parked: {messages: $parked, next_in_ms: $parked_in},
      held: {messages: $held, conversations: $waiting, next_in_ms: $held_in},
      scheduled: {messages: $scheduled, bytes: $bytes, next_in_ms: $scheduled_in}}}'
}

# lines_as_json LINE…: an array of them.
lines_as_json() { printf '%s\n' "$@" | jq -nR '[inputs | select(. != "")]'; }

# What isn't known, because Redis doesn't answer, is {}; then `stuck` says so.
show_json() {
  local facts={} breakers={}
  judge
  if redis_answers "$REDIS_URL"; then
    facts=$(ask SMEMBERS partitions | jq -r '.[]?' | sort | while IFS= read -r tag; do partition_facts "$tag"; done |
      jq -s 'add // {}')
    breakers=$(for provider in sms-mms email; do
      ask HGETALL "breaker:{$provider}" | jq --arg provider "$provider" '{($provider): (. // {})}'
    done | jq -s add)
  fi
  jq -n --arg at "$(date -u +%FT%TZ)" --argjson partitions "$facts" --argjson breakers "$breakers" \
    --argjson stuck "$(lines_as_json "${stuck[@]}")" --argjson notes "$(lines_as_json "${notes[@]}")" \
    '{at: $at, partitions: $partitions, breakers: $breakers, stuck: $stuck, notes: $notes}'
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
  '' | --watch | --json) ;;
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
  if [ "${1:-}" = --json ]; then show_json; else show; fi
  [ ${#stuck[@]} = 0 ]
}

main "$@"
