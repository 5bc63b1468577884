#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/status.sh against a service that works, that waits for its provider, and that is gone; the files of deploy/monitoring.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

monitoring=deploy/monitoring

get_metrics() { curl -sS --noproxy '*' -H 'Accept: text/plain' "http://127.0.0.1:$PORT/metrics"; }

send() { # TO
  curl -sS --noproxy '*' -o /dev/null "http://127.0.0.1:$PORT/api/messages/sms" -H 'Content-Type: application/json' \
    -d '{"from":"+1201","to":"'"$1"'","type":"sms","body":"x","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}'
}

# Until the programs know of each other that they read that, it is refused.
send_later() {
  curl -fsS --noproxy '*' -o /dev/null "http://127.0.0.1:$PORT/api/messages/email" -H 'Content-Type: application/json' \
    -d '{"from":"a@x.com","to":"b@x.com","body":"x","attachments":null,"timestamp":"2024-11-01T14:00:00Z",
      "send_at":"'"$(date -u -d '+3 days' +%FT%TZ)"'"}'
}

shows_what_is_scheduled() {
  { bin/status.sh || true; } | sed -n '/^Scheduled /,/^Breakers /p' |
    grep -E >/dev/null '^email:0 +1 +[1-9][0-9]* bytes   the next in (71|72) h$'
}

mock_fails() { # PERCENT
  curl -sS --noproxy '*' -o /dev/null -X PUT "http://127.0.0.1:$PORT/api/provider/mock/config" \
    -H 'Content-Type: application/json' -d "{\"timeout_pct\":0,\"error_pct\":$1,\"ratelimit_pct\":0}"
}

# Every name that begins with messaging_ and is not served.
unknown_names() { # FILE
  comm -23 <(grep -oE 'messaging_[a-z_]+' "$1" | sort -u) \
    <({ get_metrics | grep -oE '^messaging_[a-z_]+'; echo messaging-service; } | sort -u)
}

names_what_is_served() {
  local unknown
  unknown=$(unknown_names "$1")
  [ -z "$unknown" ] || { printf 'not served: %s\n' "$unknown" && return 1; }
}

# Every code of messaging_trouble, each of which some alert must select.
codes_are_alerted_on() {
  local code missing=()
  while read -r code; do
    grep -qE "code=~?\"([a-z_|]*\|)?${code}[|\"]" "$monitoring/alerts.yml" || missing+=("$code")
  done < <(get_metrics | sed -n 's/^messaging_trouble{code="\([a-z_]*\)".*/\1/p' | sort -u)
  [ "${#missing[@]}" = 0 ] || { printf 'no alert selects: %s\n' "${missing[*]}" && return 1; }
}

nothing_is_stuck() { bin/status.sh | grep -qx 'Nothing is stuck.'; }

shows_each_part() {
  local screen
  screen=$(bin/status.sh)
  for part in 'outbound:{sms-mms:0} ' 'events:{email:0} ' Parked Held Scheduled 'sms-mms  *closed' 'dispatch_success [1-9]' 'sms-mms  *delivered  *[1-9]' 'conversations  *1'; do
    grep -qe "$part" <<<"$screen" || { printf 'no %s in:\n%s\n' "$part" "$screen" && return 1; }
  done
}

is_stuck_because() { # REASON
  local screen status=0
  screen=$(STATUS_MAX_AGE_SECS=1 bin/status.sh) || status=$?
  [ "$status" = 1 ] && grep -q "^STUCK: .*$1" <<<"$screen"
}

# The mock may take a moment to behave as it was told, so there is always one more message that fails, of a conversation of
# its own.
waits_for_its_provider() {
  send "+1${RANDOM}00"
  is_stuck_because 'outbound:{sms-mms:0}: the oldest message has waited' && is_stuck_because 'breaker:{sms-mms}: it has been open'
}

# Sends of one conversation: all but the first wait for it, once the programs know of each other that they read that.
shows_who_is_held() {
  send +1804
  { bin/status.sh || true; } | sed -n '/^Held /,/^Scheduled /p' |
    grep -E >/dev/null '^sms-mms:0 +[1-9][0-9]*   conversations: 1   the next in [0-9]+ (ms|s|min) at the latest$'
}

json_says() { # FILTER
  { bin/status.sh --json || true; } | jq -e "$1" >/dev/null
}

claim_ports
export API_BREAKER_ERROR_THRESHOLD=2 API_BREAKER_OPEN_SECS=60 API_RATE_LIMIT_PER_SENDER_PER_MIN=100000 \
  API_RATE_LIMIT_PER_IP_PER_MIN=100000 API_PROVIDER_RECEIPTS_PCT=100
it 'promtool takes the alert rules' promtool check rules "$monitoring/alerts.yml"
it 'the alert rules fire when they should, and not otherwise' promtool test rules "$monitoring/alerts_test.yml"
it 'promtool takes the configuration' promtool check config "$monitoring/prometheus.yml"
it 'the service starts' bin/start.sh --ephemeral
it 'a message is sent' send +1804
it 'nothing is stuck' wait_for 20 nothing_is_stuck
it 'status.sh shows each part' wait_for 20 shows_each_part
it 'an email is scheduled for later' wait_for 20 send_later
it 'status.sh shows what is scheduled' wait_for 20 shows_what_is_scheduled
it 'what is scheduled for later is not stuck' nothing_is_stuck
it 'promtool finds nothing wrong with the metrics' bash -c "curl -sS --noproxy '*' -H 'Accept: text/plain' \
  http://127.0.0.1:$PORT/metrics | promtool check metrics"
it 'the alert rules name metrics that are served' names_what_is_served "$monitoring/alerts.yml"
it 'an alert selects each code of messaging_trouble' codes_are_alerted_on
it 'the dashboard names metrics that are served' names_what_is_served "$monitoring/dashboard.json"
it 'the mock fails' mock_fails 100
it 'an outage of the provider is seen, with exit status 1' wait_for 30 waits_for_its_provider
it 'status.sh shows who is held behind an earlier message' wait_for 20 shows_who_is_held
# shellcheck disable=SC2016 # jq has variables, too
it 'status.sh --json says the same' json_says '.partitions["sms-mms:0"] as $one | $one.held.messages > 0
  and $one.held.conversations == 1 and $one.held.next_in_ms > 0 and $one.scheduled.messages == 0
  and $one.scheduled.next_in_ms == null and .breakers["sms-mms"].state == "open" and (.stuck | any(test("breaker")))'
it 'who is held behind an open breaker is no trouble of its own' json_says '.stuck | any(test("turn")) | not'
it 'the service stops' bin/stop.sh
it 'status.sh --json says that a Redis is gone' json_says '.partitions == {} and (.stuck | any(test("Redis doesn.t answer")))'
it 'a Redis that is gone is seen' is_stuck_because "Redis doesn't answer"
it 'a Postgres that is gone is seen' is_stuck_because "Postgres doesn't answer"
it 'an unknown argument is refused' fails_saying 'unknown argument' bin/status.sh --nonsense
finish
