#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Replays messages that Redis has lost: what Postgres holds as not yet sent, failed or cancelled, and what has no token any
# more, neither in `outbound` nor where messages wait: `scheduled`, `held`, `parked`. That is so after a fail-over to a
# replica that had not received everything. What was scheduled for later is scheduled again; all else is sent now, and takes
# no turn in its conversation.
#
# Nothing stands still meanwhile, and Redis can be looked at in one place at a time only. So the order is:
#   1. the rows that are unfinished, each with a mark that changes with every outcome that is recorded;
#   2. the tokens, in the order in which they move on without an event: scheduled, held, parked, then outbound from its
#      beginning to its end, then parked again, where a message goes whose sender is held;
#   3. wait until all events up to now are recorded;
#   4. the rows once more, and the tokens once more.
# A token that was there all the time and was overlooked in 2 must have gone from `outbound` to `parked` meanwhile, which
# leaves an outcome in `events`: after 3 the row's mark is another. A token that ended before 2 ended with an outcome too:
# after 3 the row is final. So a row that is unfinished and unmoved in 4 and has no token in 2 has lost it. The second look
# is for what this reasoning forgot. `make check-protocol` plays these steps among everything else.
#
# A replay is guarded by message and generation: a second run, or one beside it, replays nothing twice.
#
# --restored is for the other store: a Postgres that is older than Redis has lost messages for good, but their idempotency
# keys still answer for them. Here too the order matters: the keys, then what is in `events`, then what Postgres holds. A
# message that is in neither place was in neither when its key was seen, for it goes from the one only to the other.
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/reconcile.sh [--dry-run] [--older-than SECONDS]
       bin/reconcile.sh [--dry-run] --restored=DUMP_TIME

Sends again what Redis lost in a fail-over: messages that Postgres holds as unfinished and that wait nowhere in Redis.
What was scheduled for later is scheduled again, for the same time. Needs running persisters; it may run while everything
else does, and again.

  --dry-run     says which messages those are, and changes nothing
  --older-than  only messages that nothing has happened to for so long (5)
  --restored    after a restore of Postgres, or a fail-over to a replica that was behind: forgets the idempotency keys of
                messages accepted since DUMP_TIME that are neither recorded nor still in `events`, and lists their ids, so
                that a repeat of such a send, and a provider's redelivery, is accepted as new; likewise webhooks that
                were kept as dead letters and are none any more. DUMP_TIME is when the
                dump began, as 2024-11-01T14:00:00Z or in seconds since 1970; too early does no harm

It waits up to RECONCILE_DRAIN_SECS (60) for the events to be recorded. Redis is REDIS_URL's and the database
DATABASE_URL's, else the private ones. Exit status 0: done, also when nothing was lost.
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

export LC_ALL=C # sort and comm compare bytes
page=1000
drain_secs=${RECONCILE_DRAIN_SECS:-60}
dry_run=no
seconds=5
restored='' # ms since 1970

# parse_time TEXT: prints it in ms since 1970.
parse_time() {
  local seconds=$1 zoned='^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$'
  if [[ $1 =~ $zoned ]]; then seconds=$(date -u -d "$1" +%s 2>/dev/null) || seconds=''; fi
  [[ $seconds =~ ^[0-9]{1,11}$ ]] ||
    die "--restored takes when the dump began, as 2024-11-01T14:00:00Z or in seconds since 1970, not '$1'"
  seconds=$((10#$seconds))
  [ "$seconds" -le "$(date +%s)" ] || die "--restored: $1 is still to come"
  printf '%s000\n' "$seconds"
}

parse_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --dry-run) dry_run=yes ;;
    --older-than)
      seconds=${2:-}
      [[ $seconds =~ ^[0-9]{1,9}$ ]] || die "--older-than takes seconds, not '$seconds'"
      shift
      ;;
    --restored=*) restored=$(parse_time "${1#*=}") ;;
    --restored)
      restored=$(parse_time "${2:-}")
      shift
      ;;
    *) die "unknown argument '$1'; see bin/reconcile.sh --help" ;;
    esac
    shift
  done
}

redis() { redis_to "$redis_url" -e "$@"; }
database() { psql_to "$database_url" -X -w -q -A -t -F $'\t' -v ON_ERROR_STOP=1 "$@"; }

connect() {
  redis_url=${REDIS_URL:-$(private_redis_url)}
  database_url=${DATABASE_URL:-$(private_database_url)}
  redis_answers "$redis_url" || die "no Redis answers at $(redact "$redis_url")"
  database -c 'SELECT 1' >/dev/null || die "no database answers at $(redact "$database_url")"
  folder=$(mktemp -d "${TMPDIR:-/tmp}/reconcile.XXXXXX")
  trap 'rm -rf -- "$folder"' EXIT
}

# --- Looking

unfinished() { database -v seconds="$seconds" -f bin/sql/unfinished.sql; }

# Redis names the partitions in use; each process renews what it serves every second.
names_partitions() { [ "$(redis --raw EXISTS partitions)" = 1 ]; }

# Those that hold something, even where the set has forgotten them.
partitions_by_keys() {
  local kind
  for kind in outbound scheduled held parked events; do
    redis --scan --pattern "$kind:{*:*}" | sed -n "s/^$kind:{\\(.*\\)}\$/\\1/p"
  done
}

# read_tags: sets tags to the partitions in use. Where there are none, looking for tokens would find none either.
read_tags() {
  wait_for 5 names_partitions ||
    die "Redis names no partition in use, and no process does: bin/start.sh starts what serves them"
  mapfile -t tags < <({ redis --raw SMEMBERS partitions && partitions_by_keys; } | sort -u)
}

# ids SCRIPT KEY START [ARGUMENT]: the message ids that a script of redis/ finds, page by page.
ids() {
  local at=$3 lines
  while [ -n "$at" ]; do
    mapfile -t lines < <(redis --raw --eval "$1" ${2:+"$2"} , "$at" "$page" "${@:4}")
    [ "${#lines[@]}" -gt 0 ] || die "Redis doesn't answer $1"
    at=${lines[0]}
    printf '%s\n' "${lines[@]:1}"
  done
}

# The ids of all tokens, sorted. The order matters: see above.
tokens() {
  local tag kind
  {
    for kind in scheduled held parked; do
      for tag in "${tags[@]}"; do ids redis/tokens_of_waiting.lua "$kind:{$tag}" 0; done
    done
    for tag in "${tags[@]}"; do ids redis/tokens_of_outbound.lua "outbound:{$tag}" -; done
    for tag in "${tags[@]}"; do ids redis/tokens_of_waiting.lua "parked:{$tag}" 0; done
  } | sed '/^$/d' | sort -u
}

# is_recorded STREAM ENTRY: whether all events up to that one are.
is_recorded() {
  local said
  said=$(redis --raw XRANGE "$1" - "$2" COUNT 1) && [ -z "$said" ]
}

drain_events() {
  local tag said last
  for tag in "${tags[@]}"; do
    said=$(redis --raw XREVRANGE "events:{$tag}" + - COUNT 1)
    last=${said%%$'\n'*}
    [ -n "$last" ] || continue
    wait_for "$drain_secs" is_recorded "events:{$tag}" "$last" ||
      die "events:{$tag} isn't recorded up to $last after $drain_secs s: does a persister run?"
  done
}

# find_lost: leaves the ids that have lost their token, sorted, in the file `lost`, and those that are scheduled for later,
# whatever they have, in `later`.
find_lost() {
  unfinished >"$folder/rows"
  sed -n 's/\t.*\t1$//p' "$folder/rows" >"$folder/later"
  tokens >"$folder/tokens"
  cut -f 1 "$folder/rows" | comm -23 - "$folder/tokens" >"$folder/suspects"
  : >"$folder/lost"
  [ -s "$folder/suspects" ] || return 0
  drain_events
  unfinished >"$folder/rows-again"
  tokens >"$folder/tokens"
  comm -12 "$folder/rows" "$folder/rows-again" | cut -f 1 | comm -12 - "$folder/suspects" |
    comm -23 - "$folder/tokens" >"$folder/lost"
}

lines_in() { wc -l <"$folder/$1"; }

# What is scheduled for next week is unfinished, and not overdue.
say_lost() {
  local of_later
  of_later=$(comm -12 "$folder/lost" "$folder/later" | wc -l)
  say "$(($(lines_in rows) - $(lines_in later))) unfinished for more than $seconds s, $(($(lines_in lost) - of_later)) of them without a token"
  [ ! -s "$folder/later" ] || say "$(lines_in later) scheduled for later, $of_later of them without a token"
}

# --- After a restore

# find_forgotten: leaves "id key" of the keys whose messages are nowhere, sorted, in the file `forgotten`.
find_forgotten() {
  local tag
  ids redis/idempotency_ids.lua '' 0 "$restored" | sed '/^$/d' | sort >"$folder/keys"
  for tag in "${tags[@]}"; do ids redis/tokens_of_outbound.lua "events:{$tag}" -; done | sort -u >"$folder/events"
  cut -d ' ' -f 1 "$folder/keys" | sort -u | comm -23 - "$folder/events" >"$folder/asked"
  database -f bin/sql/recorded.sql <"$folder/asked" >"$folder/recorded"
  comm -23 "$folder/asked" "$folder/recorded" >"$folder/gone"
  join "$folder/keys" "$folder/gone" >"$folder/forgotten"
}

forget() {
  local ids keys count=0 said
  while mapfile -t -n 500 ids <&3 && [ "${#ids[@]}" -gt 0 ]; do
    keys=("${ids[@]#* }")
    said=$(redis --raw --eval redis/idempotency_forget.lua "${keys[@]}" , "${ids[@]%% *}")
    [[ $said =~ ^[0-9]+$ ]] || die "the keys can't be forgotten: ${said:-no answer}"
    count=$((count + said))
  done 3<"$folder/forgotten"
  say "forgot $count idempotency keys"
}

# forget_webhooks FORGET: of each provider's that were kept because they can't become messages (1: forgets, 0: counts).
forget_webhooks() {
  local provider tag said count=0 hashes
  for provider in sms-mms email; do
    tag="{$provider:0}"
    mapfile -t hashes < <(database -v provider="$provider" \
      <<<"SELECT hash FROM dead_letters WHERE stage = 'webhook' AND provider = :'provider'")
    said=$(redis --raw --eval redis/unread_forget.lua "unread:$tag" "unread-sizes:$tag" , "$1" "$restored" "${hashes[@]}")
    [[ $said =~ ^[0-9]+$ ]] || die "the webhooks that were kept can't be looked at: ${said:-no answer}"
    count=$((count + said))
  done
  say "$count webhooks that were kept are not recorded"
}

forget_lost() {
  find_forgotten
  tokens >"$folder/tokens"
  comm -23 "$folder/gone" "$folder/tokens" | sed 's/.*/message & is not recorded/'
  comm -12 "$folder/gone" "$folder/tokens" | sed 's/.*/message & is not recorded, but waits to be sent: a repeat is sent besides/'
  say "$(wc -l <"$folder/keys") keys looked at, $(wc -l <"$folder/gone") messages not recorded"
  if [ "$dry_run" = no ]; then
    forget
    forget_webhooks 1
  else
    forget_webhooks 0
  fi
}

# --- Replaying

load_library() {
  local said
  version=$(sha256sum redis/messaging.lua | cut -c 1-12)
  said=$(sed "s/_dev\\b/_$version/g" redis/messaging.lua | redis_to "$redis_url" -x FUNCTION LOAD 2>&1)
  case $said in
  messaging_* | *'already exists'*) ;;
  *) die "the function library can't be loaded: $said" ;;
  esac
}

# reads_format FORMAT: whether every process that lives and reads entries has announced that it reads that one
# (shared/redis/heartbeat.c), not silent for 5 s. Who lives is asked first.
reads_format() {
  local since member announced
  since=$(($(redis --raw TIME | head -n 1) * 1000 - 5000))
  redis --raw ZRANGEBYSCORE processes "$since" +inf | sed '/^$/d;/^mock-provider:/d' >"$folder/readers"
  redis --raw ZRANGEBYSCORE formats "$since" +inf >"$folder/formats"
  while read -r member; do
    announced=$(awk -F : -v member="$member" 'substr($0, length($1) + 2) == member { print $1 }' "$folder/formats" | sort -n | head -n 1)
    [ "${announced:-1}" -ge "$1" ] || return 1
  done <"$folder/readers"
}

# replay_one ID PROVIDER GENERATION DUE PAYLOAD: prints OK or ALREADY. DUE: ms since 1970, 0: now. The provider's first
# partition is always served. No backlog is too large for it: what is lost was accepted under the cap, once. Nor does it ask
# whether the recipient has opted out: the dispatcher does, and the message fails before its call.
replay_one() {
  local tag="{$2:0}" no_cap=9007199254740991 function=replay_$version
  if [ "$4" != 0 ]; then function+=_f2; fi
  printf '%s' "$5" | redis --raw -X payload FCALL "$function" 5 "outbound:$tag" "events:$tag" "parked:$tag" \
    "replayed:$tag:$1:$3" "idem:$tag:" "$1" "$3" payload "$no_cap" 0 0 '' '' "$4"
}

replay_lost() {
  local id provider generation due payload said left=0
  load_library
  database -f bin/sql/lost.sql <"$folder/lost" >"$folder/payloads"
  while IFS=$'\t' read -r id provider generation due payload <&3; do
    generation=$((generation + 1))
    if [ "$due" != 0 ] && ! reads_format 2; then
      say "message $id is scheduled for later, which a program that runs can't read"
      left=$((left + 1))
      continue
    fi
    said=$(replay_one "$id" "$provider" "$generation" "$due" "$payload") || die "message $id: ${said:-no answer}"
    say "message $id, generation $generation: $said"
    if [ "$said" = OK ]; then replayed=$((replayed + 1)); fi
  done 3<"$folder/payloads"
  say "replayed $replayed"
  [ "$left" = 0 ] || die "$left scheduled messages are left: run this again once no program of an older release runs"
}

main() {
  replayed=0
  parse_arguments "$@"
  load_settings
  connect
  read_tags
  if [ -n "$restored" ]; then
    forget_lost
    return
  fi
  find_lost
  say_lost
  if [ "$dry_run" = yes ]; then
    sed 's/.*/message & has no token/' "$folder/lost"
  elif [ -s "$folder/lost" ]; then
    replay_lost
  fi
}

main "$@"
