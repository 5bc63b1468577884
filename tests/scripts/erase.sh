#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/erase.sh at a service of its own.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

unknown=999999999

wrong() { # TEXT ARGUMENT…
  local status=0
  fails_saying "$1" bin/erase.sh "${@:2}" || return 1
  bin/erase.sh "${@:2}" >/dev/null 2>&1 || status=$?
  [ "$status" = 2 ]
}

get() { curl -sS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT$1" "${@:2}"; }

# send TO: prints the message's id.
send() {
  jq -nc --arg to "$1" '{from: "+12016661234", to: $to, type: "sms", body: "text", attachments: null,
      timestamp: "2024-11-01T14:00:00Z"}' |
    get /api/messages/sms -f -H 'Content-Type: application/json' -d @- | jq -r .id
}
recorded() { [ "$(get "/api/messages/$1" | jq -r '.conversation_id // empty')" != '' ]; }
status_of() { get "$1" -o /dev/null -w '%{http_code}'; }
is_gone() { [ "$(status_of "/api/conversations/$1/messages")" = 404 ]; }

erases_them_and_nothing_else() {
  local one other conversation kept
  one=$(send +18045551234)
  other=$(send +18045551235)
  wait_for 20 recorded "$one"
  wait_for 20 recorded "$other"
  conversation=$(get "/api/messages/$one" | jq -r .conversation_id)
  kept=$(get "/api/messages/$other" | jq -r .conversation_id)
  [ "$(bin/erase.sh "$conversation")" = "$conversation"$'\t''erasing' ]
  wait_for 20 is_gone "$conversation"
  [ "$(status_of "/api/messages/$one")" = 404 ] && [ "$(status_of "/api/conversations/$kept/messages")" = 200 ]
}

goes_on_with_the_others() {
  local one conversation status=0
  one=$(send +18045551236)
  wait_for 20 recorded "$one"
  conversation=$(get "/api/messages/$one" | jq -r .conversation_id)
  bin/erase.sh "$unknown" "$conversation" >"$folder/said" || status=$?
  cat "$folder/said"
  [ "$status" = 1 ] && grep -q "^$unknown"$'\t''not erased: no such conversation (status 404)$' "$folder/said" &&
    grep -q "^$conversation"$'\t''erasing$' "$folder/said"
}

it 'shows how it is called' prints 'Usage: bin/erase.sh CONVERSATION_ID' bin/erase.sh --help
it 'refuses a missing id' wrong 'an id is missing'
it 'refuses what is no id' wrong "'x' is no conversation's id" x
it 'refuses an unknown option' wrong 'there is no option --all' --all
it 'says where no service answers' fails_saying "no service answers at http://127.0.0.1:$PORT" bin/erase.sh "$unknown"
it 'the service starts' bin/start.sh --ephemeral
it 'erases a conversation and leaves the others' erases_them_and_nothing_else
it 'goes on with the others where one is not' goes_on_with_the_others
it 'the service stops' bin/stop.sh
finish
