#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/reconcile.sh: what has lost its token is sent again, once; what has one is left alone.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports
# A wait is a random part of this; how long the message stays parked is then set by hand, within it.
export API_WORKER_BACKOFF_BASE_MS=3600000 API_WORKER_BACKOFF_CAP_MS=3600000

redis() { redis-cli -p "$LOCAL_REDIS_PORT" "$@"; }
post() { curl -fsS --noproxy '*' --max-time 15 -X "$1" "http://127.0.0.1:$PORT$2" -H 'Content-Type: application/json' -d "$3"; }
# mock_errors PERCENT: returns once the mock goes by it, which looks every 50 ms.
mock_changes() { grep -c '"mock_config_changed"' "$run_dir/mock-provider.log" || true; }
mock_changed_since() { [ "$(mock_changes)" -gt "$1" ]; }
mock_errors() {
  local before
  before=$(mock_changes)
  post PUT /api/provider/mock/config "{\"timeout_pct\":0,\"error_pct\":$1,\"ratelimit_pct\":0,\"receipts_pct\":0}"
  wait_for 5 mock_changed_since "$before"
}
hold_breaker() { redis HSET 'breaker:{sms-mms}' mode "$1"; }

has_status() { get "/api/messages/$1" 2>/dev/null | grep -q "\"status\": *\"$2\""; }

# accept BODY FILE TO [SEND_AT]: sends one and keeps its id in a file.
accept() {
  post POST /api/messages/sms "{\"from\":\"+12016661234\",\"to\":\"$3\",\"type\":\"sms\",\"body\":\"$1\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"${4:+,\"send_at\":\"$4\"}}" |
    sed 's/.*"id":"\([^"]*\)".*/\1/' >"$folder/$2"
}
accept_email() {
  post POST /api/messages/email "{\"from\":\"$1\",\"to\":\"zz@example.com\",\"body\":\"x\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" |
    sed 's/.*"id":"\([^"]*\)".*/\1/' >"$folder/$2"
}
id_of() { cat -- "$folder/$1"; }

parks_one() {
  mock_errors 100
  accept 'parked, with a \"quote\" and a \\ in it' parked +18045551234
  wait_for 10 has_status "$(id_of parked)" retrying
  [ "$(redis ZADD 'parked-due:{sms-mms:0}' XX CH "$(($(date +%s%3N) + 1800000))" "$(id_of parked):0")" = 1 ]
  [ "$(redis HLEN 'parked:{sms-mms:0}')" = 1 ]
}
# Somebody else has opted out: then Redis asks for the pair of a replay, where one is given. The first that says so waits until
# all programs are known to read it.
opts_out() {
  curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/webhooks/sms" -H 'Content-Type: application/json' -d '{"from":"+12015550123","to":"+12016661234","type":"sms","messaging_provider_id":"stop-1","body":"STOP","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}'
  [ "$(redis HLEN 'optouts:{sms-mms:0}')" = 2 ]
}
queues_two() {
  hold_breaker open
  mock_errors 0
  accept 'waiting' waiting +18045551235
  accept 'kept' kept +18045551236
  wait_for 10 has_status "$(id_of waiting)" queued && wait_for 10 has_status "$(id_of kept)" queued
}
entry_of() { redis --raw XRANGE 'outbound:{sms-mms:0}' - + | grep -B 4 -- "$1" | head -n 1; }
loses_tokens() {
  redis HDEL 'parked:{sms-mms:0}' "$(id_of parked):0"
  redis ZREM 'parked-due:{sms-mms:0}' "$(id_of parked):0"
  [ "$(redis XDEL 'outbound:{sms-mms:0}' "$(entry_of "$(id_of waiting)")")" = 1 ]
}
waiting_tokens() { redis XLEN 'outbound:{sms-mms:0}'; }
# Its token is lost as well, but its provider says that it was delivered.
delivers_one() {
  accept 'arrived' arrived +18045551237
  wait_for 10 has_status "$(id_of arrived)" queued
  [ "$(redis XDEL 'outbound:{sms-mms:0}' "$(entry_of "$(id_of arrived)")")" = 1 ]
  redis XADD 'events:{sms-mms:0}' '*' v 2 k receipt id "$(id_of arrived)" gen 0 at "$(date +%s%3N)" p \
    '{"provider":"sms-mms","status":"delivered"}'
  wait_for 10 has_status "$(id_of arrived)" delivered
}
dry_run_changes_nothing() {
  prints '3 unfinished for more than 0 s, 2 of them without a token' bin/reconcile.sh --older-than 0 --dry-run &&
    prints "message $(id_of parked) has no token" bin/reconcile.sh --older-than 0 --dry-run &&
    [ "$(waiting_tokens)" = 1 ]
}
replays_both() { prints 'replayed 2' bin/reconcile.sh --older-than 0 && [ "$(waiting_tokens)" = 3 ]; }
replays_nothing_more() {
  prints '3 unfinished for more than 0 s, 0 of them without a token' bin/reconcile.sh --older-than 0 &&
    [ "$(waiting_tokens)" = 3 ]
}
all_are_sent() {
  hold_breaker auto
  for name in parked waiting kept; do wait_for 20 has_status "$(id_of "$name")" sent; done
}
body_is_the_same() { get "/api/messages/$(id_of parked)" | jq -e '.body == "parked, with a \"quote\" and a \\ in it"'; }
has_nothing_left() { prints '0 unfinished' bin/reconcile.sh --older-than 0 && [ "$(waiting_tokens)" = 0 ]; }

# What waits for its time, or for the one before it, in the same way: two of each, of which one loses its token.
has_waiting() { [ "$(redis HLEN "$1:{sms-mms:0}")" = "$2" ] && [ "$(redis ZCARD "$3:{sms-mms:0}")" = "$2" ]; }
waits_for_times_and_turns() {
  local soon
  hold_breaker open
  soon=$(date -u -d "@$(($(date +%s) + 3000000))" +%Y-%m-%dT%H:%M:%S)
  echo "$soon" >"$folder/send_at"
  accept 'later' later +18045551240 "$soon.250Z"
  accept 'later, too' later-lost +18045551241 "$soon.250Z"
  accept 'first' first +18045551242
  accept 'held' held +18045551242
  accept 'held, too' held-lost +18045551242
  for name in later later-lost; do wait_for 10 has_status "$(id_of "$name")" scheduled; done
  wait_for 10 has_status "$(id_of first)" queued
  for name in held held-lost; do wait_for 10 has_status "$(id_of "$name")" held; done
  has_waiting scheduled 2 scheduled-due && has_waiting held 2 held-order
  prints '3 unfinished for more than 0 s, 0 of them without a token' bin/reconcile.sh --older-than 0
  prints '2 scheduled for later, 0 of them without a token' bin/reconcile.sh --older-than 0
}
# due_of NAME GENERATION: its member of scheduled-due, which starts with its place.
due_of() { redis --raw ZRANGE 'scheduled-due:{sms-mms:0}' 0 -1 | grep " $(id_of "$1"):$2\$"; }
loses_what_waits() {
  redis HDEL 'scheduled:{sms-mms:0}' "$(id_of later-lost):0"
  redis ZREM 'scheduled-due:{sms-mms:0}' "$(due_of later-lost 0)"
  redis HDEL 'held:{sms-mms:0}' "$(id_of held-lost):0"
  redis ZREM 'held-order:{sms-mms:0}' "$(redis --raw ZRANGE 'held-order:{sms-mms:0}' 0 -1 | grep "$(id_of held-lost)")"
  has_waiting scheduled 1 scheduled-due && has_waiting held 1 held-order
  prints '3 unfinished for more than 0 s, 1 of them without a token' bin/reconcile.sh --older-than 0 --dry-run
  prints '2 scheduled for later, 1 of them without a token' bin/reconcile.sh --older-than 0 --dry-run
  prints "message $(id_of later-lost) has no token" bin/reconcile.sh --older-than 0 --dry-run
  prints "message $(id_of held-lost) has no token" bin/reconcile.sh --older-than 0 --dry-run
}
# A program of an older release couldn't read what says that it is scheduled.
leaves_what_is_scheduled_to_this_release() {
  redis ZADD processes "$(date +%s%3N)" dispatcher:old
  fails_saying '1 scheduled messages are left' bin/reconcile.sh --older-than 0
  redis ZREM processes dispatcher:old
  has_waiting scheduled 1 scheduled-due && has_waiting held 1 held-order
  [ "$(redis --raw XRANGE 'outbound:{sms-mms:0}' - + | grep -c "$(id_of held-lost)")" = 1 ] # which is not scheduled
}
schedules_it_again() {
  prints 'replayed 1' bin/reconcile.sh --older-than 0
  has_waiting scheduled 2 scheduled-due
  [ "$(redis ZSCORE 'scheduled-due:{sms-mms:0}' "$(due_of later-lost 1)")" = "$(date -d "$(cat -- "$folder/send_at")Z" +%s)250" ]
  wait_for 10 was_replayed "$(id_of later-lost)" && has_status "$(id_of later-lost)" scheduled
  prints '2 scheduled for later, 0 of them without a token' bin/reconcile.sh --older-than 0
  prints '3 unfinished for more than 0 s, 0 of them without a token' bin/reconcile.sh --older-than 0
  has_waiting scheduled 2 scheduled-due && has_waiting held 1 held-order
}
was_replayed() { get "/api/messages/$1" | jq -e '.timeline | any(.event == "replayed")'; }
# Its time has come, and its token is lost once more.
is_overdue() {
  psql -XAtq -v ON_ERROR_STOP=1 "$url" -c "UPDATE messages SET send_at = now() - interval '1 s' WHERE id = '$(id_of later-lost)'"
  redis HDEL 'scheduled:{sms-mms:0}' "$(id_of later-lost):1"
  redis ZREM 'scheduled-due:{sms-mms:0}' "$(due_of later-lost 1)"
  prints '4 unfinished for more than 0 s, 1 of them without a token' bin/reconcile.sh --older-than 0 --dry-run
  prints '1 scheduled for later, 0 of them without a token' bin/reconcile.sh --older-than 0 --dry-run
  prints "message $(id_of later-lost), generation 2: OK" bin/reconcile.sh --older-than 0
  has_waiting scheduled 1 scheduled-due
}
what_waited_is_sent() {
  hold_breaker auto
  for name in first held held-lost later-lost; do wait_for 20 has_status "$(id_of "$name")" sent; done
  prints '0 unfinished' bin/reconcile.sh --older-than 0
  prints '1 scheduled for later, 0 of them without a token' bin/reconcile.sh --older-than 0
}

# What a replay says of the sender is what accept said, however the address is written.
email_senders() { redis --raw XRANGE 'outbound:{email:0}' - + | grep -o '"sender" *: *"[^"]*"' | tr -d ' '; }
queues_emails() {
  redis HSET 'breaker:{email}' mode open
  for from in 'Desk@Bücher.example' '+desk+2@example.com' 'desk+3@example.com'; do
    accept_email "$from" email
    wait_for 10 has_status "$(id_of email)" queued
  done
  email_senders >"$folder/senders"
  [ "$(wc -l <"$folder/senders")" = 3 ]
}
replays_emails() {
  redis DEL 'outbound:{email:0}'
  prints 'replayed 3' bin/reconcile.sh --older-than 0
  email_senders | diff <(sort "$folder/senders") <(sort -)
  redis HSET 'breaker:{email}' mode auto
  wait_for 20 has_status "$(id_of email)" sent
}

# The set alone is lost while all run: it is there again, and what a partition holds that nobody names counts as well.
finds_partitions_again() {
  redis DEL partitions
  prints '0 of them without a token' bin/reconcile.sh --older-than 0
  wait_for 5 has_partitions
}
has_partitions() { [ "$(redis --raw SCARD partitions)" = 2 ]; }
unnamed_partition_counts() {
  redis RENAME 'outbound:{sms-mms:0}' 'outbound:{sms-mms:7}'
  prints '0 of them without a token' bin/reconcile.sh --older-than 0 --dry-run
  redis DEL 'outbound:{sms-mms:0}'
  redis RENAME 'outbound:{sms-mms:7}' 'outbound:{sms-mms:0}'
}

# Without a persister nobody can know what Postgres doesn't hold yet.
waits_for_persisters() {
  hold_breaker open
  accept 'unrecorded' unrecorded +18045551238
  wait_for 10 has_status "$(id_of unrecorded)" queued
  redis XDEL 'outbound:{sms-mms:0}' "$(entry_of "$(id_of unrecorded)")"
  kill -KILL "$(pid_of persister)"
  wait_for 5 is_stopped persister
  accept 'not even stored' other +18045551239
  RECONCILE_DRAIN_SECS=1 fails_saying 'does a persister run?' bin/reconcile.sh --older-than 0
}

# An empty Redis that nobody serves would make every message look lost.
refuses_without_partitions() {
  local program
  for program in ingest dispatcher; do
    kill -KILL "$(pid_of "$program")"
    wait_for 5 is_stopped "$program"
  done
  redis DEL partitions
  fails_saying 'bin/start.sh starts what serves them' bin/reconcile.sh --older-than 0
}

# A Postgres that is older than Redis: what was accepted since the dump is gone, but for what still waits to be recorded.
is_readable() { get "/api/messages/$(id_of "$1")"; }
is_unknown() { [ "$(curl -s --noproxy '*' -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/api/messages/$(id_of "$1")")" = 404 ]; }
# accept_under KEY FILE: sends under an Idempotency-Key.
accept_under() {
  curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/messages/sms" -H 'Content-Type: application/json' \
    -H "Idempotency-Key: $1" -d "{\"from\":\"+12016661235\",\"to\":\"+18045551234\",\"type\":\"sms\",\"body\":\"$1\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" |
    sed 's/.*"id":"\([^"]*\)".*/\1/' >"$folder/$2"
}
receive() {
  post POST /api/webhooks/sms '{"from":"+18045551234","to":"+12016661235","type":"sms","messaging_provider_id":"restored-1","body":"START","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}' |
    sed 's/.*"id":"\([^"]*\)".*/\1/' >"$folder/$1"
}
url=postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service
dump_time() { cat -- "$folder/dump_time"; }
# A list's key is bound to what the list is, and stands for no message.
accept_list() {
  curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/messages/batch" -H 'Content-Type: application/json' \
    -H 'Idempotency-Key: a-list' -d '{"messages":[{"from":"+12016661235","to":"+18045551234","type":"sms","body":"listed","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}]}' |
    jq -r '.items[0].id' >"$folder/listed"
}
dumps() {
  accept_list && wait_for 10 is_readable listed
  accept_under before before && wait_for 10 is_readable before
  date -u +%Y-%m-%dT%H:%M:%SZ >"$folder/dump_time"
  pg_dump --no-owner --clean --if-exists --format=custom --file="$folder/dump" "$url"
}
# An unreadable webhook; the service has run for long enough to keep it.
keeps() { curl -s --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/webhooks/sms" -H 'Content-Type: application/json' -d '{"kept":1}' | grep -q '"field":"from"'; }
has_kept() { [ "$(psql -XAtq "$url" -c "SELECT count(*) FROM dead_letters WHERE stage = 'webhook'")" = "$1" ]; }
goes_on() {
  keeps && wait_for 10 has_kept 1
  accept_under after after && wait_for 10 is_readable after
  receive received && wait_for 10 is_readable received
}
restores() {
  kill -KILL "$(pid_of persister)" && wait_for 5 is_stopped persister
  accept_under waiting unrecorded
  # What its provider says of a message doesn't bring the message.
  redis XADD 'events:{sms-mms:0}' '*' v 2 id "$(id_of after)" m "receipt 0 $(date +%s%3N)" p \
    '{"provider":"sms-mms","status":"delivered"}'
  pg_restore --no-owner --clean --if-exists --single-transaction --dbname="$url" "$folder/dump"
  wait_for 10 is_unknown after && is_unknown received && wait_for 10 is_readable before && is_readable listed
}
refuses_bad_times() {
  for time in yesterday 2024-13-01T00:00:00Z '' 2999-01-01T00:00:00Z; do
    fails_saying '--restored' bin/reconcile.sh --restored="$time" || return
    [ "$(bin/reconcile.sh --restored="$time" 2>&1 | wc -l)" = 1 ] || return
  done
}
lists_what_is_gone() {
  prints "message $(id_of after) is not recorded" bin/reconcile.sh --dry-run --restored="$(dump_time)" &&
    prints "message $(id_of received) is not recorded" bin/reconcile.sh --dry-run --restored="$(dump_time)" &&
    prints ' 2 messages not recorded' bin/reconcile.sh --dry-run --restored="$(dump_time)" &&
    prints '1 webhooks that were kept are not recorded' bin/reconcile.sh --dry-run --restored="$(dump_time)"
}
is_same() { [ "$(id_of "$1")" = "$(id_of "$2")" ]; }
forgets_what_is_gone() {
  accept_under after after-again && is_same after after-again
  prints 'forgot 2 idempotency keys' bin/reconcile.sh --restored="$(dump_time)"
  prints ' 0 messages not recorded' bin/reconcile.sh --restored="$(dump_time)"
  prints '0 webhooks that were kept are not recorded' bin/reconcile.sh --restored="$(dump_time)"
}
takes_repeats() {
  bin/start.sh
  has_kept 0 && keeps && wait_for 10 has_kept 1
  accept_under after after-again && ! is_same after after-again && wait_for 10 is_readable after-again
  receive received-again && is_same received received-again && wait_for 10 is_readable received
  wait_for 10 is_readable unrecorded
  accept_under before before-again && is_same before before-again
  accept_under waiting unrecorded-again && is_same unrecorded unrecorded-again
}

it 'starts' bin/start.sh
it 'has somebody who has opted out' opts_out
it 'parks a message whose provider fails' parks_one
it 'keeps messages waiting while the breaker is held open' queues_two
it 'finds nothing that has lost its token' prints '0 of them without a token' bin/reconcile.sh --older-than 0
it 'leaves alone what is younger than asked for' prints '0 unfinished for more than 3600 s' bin/reconcile.sh --older-than 3600
it 'finds the partitions again where the set of them was lost' finds_partitions_again
it 'counts what a partition holds that nobody names' unnamed_partition_counts
it 'loses a parked message and a waiting one' loses_tokens
it 'has one whose token is lost and that was delivered' delivers_one
it 'only says so with --dry-run' dry_run_changes_nothing
it 'replays both' replays_both
it 'replays nothing in a second run' replays_nothing_more
it 'sees them sent, and the one that was not lost' all_are_sent
it 'has kept the body byte for byte' body_is_the_same
it 'has nothing to do then' has_nothing_left
it 'has two that wait for their time, and two that wait for the one before them' waits_for_times_and_turns
it 'loses one of each' loses_what_waits
it 'sends the one that was held, and leaves the scheduled one, while a program of an older release runs' leaves_what_is_scheduled_to_this_release
it 'schedules it again for the same time, and no other' schedules_it_again
it 'sends it at once where its time has come' is_overdue
it 'sees all of them sent but the one that is scheduled' what_waited_is_sent
it 'loses emails of senders whose addresses are written unlike what they are known by' queues_emails
it 'replays them under the senders that they had' replays_emails
it 'dumps the database while all runs' dumps
it 'takes more after the dump' goes_on
it 'restores the dump: what came later is gone' restores
it 'says what a time of a dump is' refuses_bad_times
it 'lists what is gone, and not what still waits to be recorded' lists_what_is_gone
it 'forgets the keys of what is gone, once' forgets_what_is_gone
it 'takes repeats of what is gone as new, and of all else as repeats' takes_repeats
it 'replays nothing as long as events are not recorded' waits_for_persisters
it 'refuses to look where nobody names a partition' refuses_without_partitions
it 'stops' bin/stop.sh
finish
