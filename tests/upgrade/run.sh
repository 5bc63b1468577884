#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# From an older release to this one, twice: in place, over messages in every state that it had left behind, and rolling,
# under load, with programs of both beside each other. What must hold then: nothing lost, nothing twice, counts exact.
#
# The older release is the commit OLD of the history, built from there; it and this one are what must understand one another.
# shellcheck disable=SC2030,SC2031 # the new programs' ports live in a subshell
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/../scripts/support.bash"
# shellcheck source=tests/compose/load.bash
. tests/compose/load.bash

OLD=${UPGRADE_FROM:-50b4a1b}
old=$root/build/upgrade/$OLD
BUILD_DIR=$(realpath -- "$BUILD_DIR")
export API_RATE_LIMIT_PER_IP_PER_MIN=1000000 API_RATE_LIMIT_PER_SENDER_PER_MIN=1000000
export PROVIDER_TIMEOUT_MS=8000 API_WORKER_CLAIM_TIMEOUT_SECS=18 LOG_LEVEL=debug

build_old() {
  [ ! -x "$old/build/mock-provider" ] || return 0
  git cat-file -e "$OLD^{commit}" || die "the history doesn't go back to $OLD: git fetch --unshallow"
  rm -rf -- "$old"
  mkdir -p -- "$old"
  git archive "$OLD" | tar -x -C "$old"
  make --no-print-directory --silent -C "$old" -j"$(nproc)" BUILD=build build
}

# with_old COMMAND…: one of the older release's own scripts.
with_old() { (cd -- "$old" && BUILD_DIR=$old/build "$@"); }

redis() { redis-cli -p "$LOCAL_REDIS_PORT" "$@"; }
sql() {
  psql -X -w -q -A -t -v ON_ERROR_STOP=1 "$@" \
    "postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service"
}
call() { # METHOD PATH JSON
  curl -fsS --noproxy '*' --max-time 5 -X "$1" "http://127.0.0.1:$PORT$2" -H 'Content-Type: application/json' -d "$3"
}

# --- Messages in every state

# accept KIND NAME COUNT: sends so many, and adds their ids to the file of that name and to `promised`.
accept() {
  local kind=$1 name=$2 count=$3 n from=+12016661234 to=+18045551234 type='"type":"sms",'
  if [ "$kind" = email ]; then from=sales@example.com to=jane@example.com type=; fi
  for ((n = 1; n <= count; n++)); do
    call POST "/api/messages/$kind" "{\"from\":\"$from\",\"to\":\"$to\",$type\"body\":\"$name $n\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" |
      jq -r .id | tee -a "$folder/promised" >>"$folder/$name"
  done
}
receive() { # COUNT
  local n
  for ((n = 1; n <= $1; n++)); do
    call POST /api/webhooks/sms "{\"from\":\"+18045551234\",\"to\":\"+12016661234\",\"type\":\"sms\",\"messaging_provider_id\":\"m-$n\",\"body\":\"answer $n\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" |
      jq -r .id >>"$folder/received"
  done
}
mock_goes_by() { # JSON OF sms-mms, JSON OF email
  local changes
  changes=$(grep -c mock_config_changed "$run_dir/mock-provider.log" || true)
  call PUT /api/provider/mock/config "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"receipts_pct\":0,\"providers\":{\"sms-mms\":$1,\"email\":$2}}" >/dev/null
  wait_for 5 mock_changed_since "$changes"
}
mock_changed_since() { [ "$(grep -c mock_config_changed "$run_dir/mock-provider.log" || true)" -gt "$1" ]; }

# What this release's mock says to be delivered has been sent as well.
all_of() { # NAME STATUS
  local id
  while read -r id; do
    [ "$(get "/api/messages/$id" 2>/dev/null | jq -r '.status | sub("^delivered$"; "sent")')" = "$2" ] || return 1
  done <"$folder/$1"
}
end_program() { kill -KILL "$(pid_of "$1")" && wait_for 5 is_stopped "$1"; }

leaves_sent() { accept sms sent 10 && receive 5 && wait_for 20 all_of sent sent; }
leaves_dead_letters() {
  mock_goes_by '{}' '{"error_pct":100}'
  accept email dead 12
  wait_for 20 all_of dead failed
  mock_goes_by '{}' '{}'
}
# One phone that the older release takes for three, and what is answered under each of their ids.
leaves_spellings() {
  local from
  for from in '+44 20 7946 0958' '+44 (0)20 7946 0958' '+44-(0)20-7946-0958'; do
    call POST /api/webhooks/sms "{\"from\":\"$from\",\"to\":\"+12016661234\",\"type\":\"sms\",\"messaging_provider_id\":\"s-$from\",\"body\":\"spelling\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" |
      jq -r .id >>"$folder/spelled"
  done
  wait_for 20 all_of spelled received
  sql -c "SELECT id FROM conversations WHERE key LIKE '%7946%' ORDER BY id" >"$folder/spellings"
  [ "$(wc -l <"$folder/spellings")" = 2 ]
}
rekey() {
  REDIS_URL=redis://127.0.0.1:$LOCAL_REDIS_PORT "$BUILD_DIR/persister" --rekey # the database is the private one
}
is_not_due() { prints 'not due' rekey; }
has_one_of_the_spellings() {
  local id now kept
  kept=$(sql -c "SELECT id FROM conversations WHERE key = 'sms:+12016661234<->+442079460958' AND message_count = 3")
  [ -n "$kept" ] || { sql -c 'TABLE conversations' && return 1; }
  while read -r id; do
    now=$(get "/api/conversations/$id/messages" | jq -r '.items[0].conversation_id')
    [ "$now" = "$kept" ] || { echo "$id answers as $now, not $kept" && return 1; }
  done <"$folder/spellings"
}

is_half_replayed() { [ "$(redis HGET 'replaying:{replay}' replayed)" -ge 3 ]; }
leaves_half_a_replay() {
  call POST /api/dead-letters/replay '{"per_second":1}' >/dev/null
  wait_for 20 is_half_replayed
  end_program persister
  ! [ "$(redis HGET 'replaying:{replay}' replayed)" -ge 12 ]
}
parks() { [ "$(redis HLEN 'parked:{sms-mms:0}')" -ge "$1" ]; }
leaves_parked_and_queued() {
  mock_goes_by '{"ratelimit_pct":100,"retry_after_secs":20}' '{"latency_ms":6000}'
  accept sms parked 3
  wait_for 10 parks 1
  accept sms queued 5
  [ "$(redis XLEN 'outbound:{sms-mms:0}')" -ge 5 ]
}
held() { [ "$(redis XPENDING 'outbound:{email:0}' dispatchers - + 100 | grep -c dispatcher-)" -ge "$1" ]; }
leaves_some_in_hand() {
  accept email in-hand 5
  wait_for 10 held 5
  end_program dispatcher
}
leaves_events() { [ "$(redis XLEN 'events:{sms-mms:0}')" -gt 0 ]; }

backlog() { redis EVAL "local n = 0
  for _, p in ipairs({'{sms-mms:0}', '{email:0}'}) do
    n = n + redis.call('XLEN', 'outbound:' .. p) + redis.call('XLEN', 'events:' .. p) + redis.call('HLEN', 'parked:' .. p)
      + redis.call('HLEN', 'held:' .. p)
  end
  return n + redis.call('XLEN', 'replays:{replay}')" 0; }
is_drained() { [ "$(backlog)" = 0 ]; }
drains() { wait_for 90 is_drained || { echo "$(backlog) are left" && return 1; }; }

# Under another name than the older one's, which was killed and seems to live for a while.
recovers_in_place() {
  INSTANCE_ID=of-this-release bin/start.sh
  mock_goes_by '{}' '{}'
}
# What a killed dispatcher held may have been called twice, under the same key; nothing else.
calls_nothing_twice() {
  awk '$4 == "accepted" { print $3 }' "$MOCK_LEDGER_FILE" | sort | uniq -d | { grep -vxFf "$folder/in-hand" || true; } >"$folder/twice"
  cat -- "$folder/twice"
  [ ! -s "$folder/twice" ]
}
has_exact_counts() {
  sql -F ': ' -f tests/chaos/counts.sql >"$folder/counts"
  ! grep -v ': 0$' "$folder/counts"
}
has_as_many_as() { # COUNT
  local count
  count=$(sql -c 'SELECT count(*) FROM messages')
  [ "$count" = "$1" ] || { echo "$count messages" && return 1; }
}
has_received() { all_of received received; }

# --- Rolling

# The new programs on ports and with a RUN_DIR of their own, and the older ones' servers and mock.
start_beside() {
  (
    export REDIS_URL=redis://127.0.0.1:$LOCAL_REDIS_PORT
    export DATABASE_URL=postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service
    export PROVIDER_SMS_URL=http://127.0.0.1:$MOCK_PROVIDER_PORT PROVIDER_EMAIL_URL=http://127.0.0.1:$MOCK_PROVIDER_PORT
    export PORT=$new_port MOCK_PROVIDER_PORT=$new_mock_port RUN_DIR=$folder/run-new
    bin/start.sh
  )
  set_ports "$PORT" "$new_port"
}
stops_old_workers() {
  stop_process dispatcher TERM 15
  stop_process persister TERM 15
}
# The conversations are made anew once no older program lives, beside all else.
says_who_is_older() { fails_saying 'programs of an older release live, stop them first: ' rekey; }
rekeys() { prints 'done: ' rekey && is_not_due; }
rolls() { # PHASE COMMAND…
  under_load "$@" && answered_only "$1" 202
}
sends_each_once() {
  local count promises
  count=$(awk '$4 == "accepted" { print $3 }' "$MOCK_LEDGER_FILE" | sort | uniq -c | awk '$1 != 1' | wc -l)
  promises=$(promised | wc -l)
  echo "$promises promised, $count called more than once"
  [ "$promises" -gt 0 ] && [ "$count" = 0 ]
}

tear_down() {
  local status=$?
  trap - EXIT
  touch "$folder/load-ends"
  clean_up "$status"
}
trap tear_down EXIT

it "builds $OLD" build_old
if [ "$failed" != 0 ]; then die 'nothing else can be tried'; fi

claim_ports
export MOCK_LEDGER_FILE=$folder/ledger-of-mock
it 'in place: the older release starts' with_old env API_WORKER_MAX_RETRIES=1 bin/start.sh
it 'in place: it leaves messages that are sent and received' leaves_sent
it 'in place: it leaves one phone as two conversations' leaves_spellings
it 'in place: it leaves dead letters' leaves_dead_letters
it 'in place: it leaves half a replay' leaves_half_a_replay
it 'in place: it leaves parked and queued messages' leaves_parked_and_queued
it 'in place: it leaves messages in the hands of a dispatcher that died' leaves_some_in_hand
it 'in place: it leaves events that are not recorded' leaves_events
it 'in place: it stops' with_old bin/stop.sh
it 'in place: this release starts on what it left' recovers_in_place
it 'in place: it has made the conversations anew' is_not_due
it 'in place: the phone has one conversation, which answers under both ids' has_one_of_the_spellings
it 'in place: all is worked off' drains
for name in sent dead parked queued in-hand; do
  it "in place: what was $name is sent" wait_for 10 all_of "$name" sent
done
it 'in place: what was received is there' has_received
it 'in place: nothing is called twice but what a killed dispatcher held' calls_nothing_twice
it 'in place: nothing is stored twice' has_as_many_as 43
it 'in place: the counts are exact' has_exact_counts
it 'in place: nothing is stuck' prints 'Nothing is stuck.' bin/status.sh
it 'in place: it stops again' bin/stop.sh

claim_ports
export MOCK_LEDGER_FILE=$folder/ledger-of-rolling-mock RUN_DIR=$folder/run-old
run_dir=$RUN_DIR
old_ports=("$PORT" "$MOCK_PROVIDER_PORT")
claim_port PORT
claim_port MOCK_PROVIDER_PORT
new_port=$PORT new_mock_port=$MOCK_PROVIDER_PORT
export PORT=${old_ports[0]} MOCK_PROVIDER_PORT=${old_ports[1]}
it 'rolling: the older release starts' with_old bin/start.sh
set_ports "$PORT"
start_load
it 'rolling: clients are served by it' rolls old true
it 'rolling: no client notices the new programs beside it' rolls beside start_beside
it 'rolling: conversations are not made anew while older programs live' says_who_is_older
it 'rolling: clients turn to the new ingest alone' rolls turn set_ports "$new_port"
it 'rolling: no client notices the end of the older ingest' rolls ingest stop_process ingest TERM 15
it 'rolling: no client notices the end of the older workers' rolls workers stops_old_workers
it 'rolling: no client notices that the conversations are made anew' rolls rekey rekeys
end_load
it 'rolling: all is worked off' drains
say "rolling: $(promised | wc -l) promised; $(statuses old)| $(statuses beside)| $(statuses turn)| $(statuses ingest)| $(statuses workers)| $(statuses rekey)"
it 'rolling: every 202 is stored, with its body' loses_nothing
it 'rolling: nothing is stored twice' stores_nothing_twice
it 'rolling: every 202 is sent' sends_all
it 'rolling: each is called once' sends_each_once
it 'rolling: the counts are exact' has_exact_counts
finish
