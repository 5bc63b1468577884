#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/dead-letters.sh at a service of its own, whose provider refuses one number for good.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

letters() { bin/dead-letters.sh list "$@"; }
count() { letters "$@" | wc -l; }
counts() { [ "$(count "${@:2}")" = "$1" ]; }

send_refused() { # NUMBER OF MESSAGES
  local i
  for ((i = 0; i < $1; i++)); do
    curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/messages/sms" -H 'Content-Type: application/json' \
      -d "{\"from\":\"+12016661234\",\"to\":\"+15005550001\",\"type\":\"sms\",\"body\":\"number $i\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}"
  done
  wait_for 20 counts "$1"
}

newest() { letters --limit 1 | cut -d ' ' -f 1; }
wrong() { # TEXT ARGUMENT…
  local status=0
  fails_saying "$1" bin/dead-letters.sh "${@:2}" || return 1
  bin/dead-letters.sh "${@:2}" >/dev/null 2>&1 || status=$?
  [ "$status" = 2 ]
}
shows_payload() { bin/dead-letters.sh show "$(newest)" | jq -e '.payload.to == "+15005550001" and .attempts == 1'; }
replays_once() {
  local id
  id=$(newest)
  prints 'is on its way again' bin/dead-letters.sh replay "$id" && wait_for 20 counts 4 &&
    fails_saying 'was replayed before (status 409)' bin/dead-letters.sh replay "$id"
}
filters() {
  counts 3 --provider sms-mms --reason rejected --since 2024-11-01T14:00:00Z && counts 0 --provider email &&
    counts 0 --since 2100-01-01T00:00:00Z && counts 2 --limit 2
}
replays_the_rest() {
  prints '3 are being replayed' bin/dead-letters.sh replay --all --reason rejected --per-second 50 && wait_for 20 counts 7
}

webhook() { # BODY
  curl -sS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/webhooks/sms" -H 'Content-Type: application/json' -d "$1"
}
kept() {
  webhook '{"from":"<script>"}' | jq -e '.details.field == "to"' && wait_for 20 counts 1 --reason unread &&
    prints '  open  webhook  to: is required' letters --reason unread
}
shows_body() {
  bin/dead-letters.sh show "$(letters --reason unread | cut -d ' ' -f 1)" |
    jq -e '.text == "{\"from\":\"<script>\"}" and (.raw | @base64d) == .text and .stage == "webhook"'
}
replays_no_webhook() {
  fails_saying "still can't become a message: to: is required (status 409)" bin/dead-letters.sh replay \
    "$(letters --reason unread | cut -d ' ' -f 1)" && prints '0 would be replayed' bin/dead-letters.sh replay --all --reason unread --dry-run
}

it 'shows how it is called' prints 'Usage: bin/dead-letters.sh list' bin/dead-letters.sh --help
it 'refuses a missing command' wrong 'a command is missing'
it 'refuses an unknown command' wrong "there is no command 'burn'" burn
it 'refuses an unknown option' wrong 'there is no option --everything' replay --everything
it 'refuses an option without its value' wrong '--reason takes a value' list --reason
it 'refuses an id that is none' wrong "not 'x'" show x
it 'refuses an id beside --all' wrong 'not both' replay --all 5
it 'refuses filters for one' wrong 'takes an id alone' replay 5 --provider email
it 'refuses a pace that is no number' wrong '--per-second takes a number' replay --all --per-second fast
it 'says where no service answers' fails_saying "no service answers at http://127.0.0.1:$PORT" bin/dead-letters.sh list
it 'the service starts' bin/start.sh --ephemeral
it 'lists what was refused' send_refused 3
it 'filters and limits the list' filters
it 'hands on what the API says of a filter' fails_saying 'provider: must be sms-mms or email (status 400)' letters --provider post
it 'shows one with its payload' shows_payload
it 'says that there is no such one' fails_saying 'no such dead letter (status 404)' bin/dead-letters.sh show 4711
it 'counts without replaying' prints '3 would be replayed' bin/dead-letters.sh replay --all --dry-run
it 'replays one, once' replays_once
it 'replays the rest at a pace' replays_the_rest
it 'lists as many as there are, over pages' counts 7 --limit 0
it 'lists a webhook that is no message, with its field' kept
it 'shows its body as text' shows_body
it 'replays it once it can be read, and never with all others' replays_no_webhook
it 'the service stops' bin/stop.sh
finish
