#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/cancel.sh at a service of its own.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

unknown=5d1f0c2e-88a4-4f3b-a1c0-7e2b9d405f61

wrong() { # TEXT ARGUMENT…
  local status=0
  fails_saying "$1" bin/cancel.sh "${@:2}" || return 1
  bin/cancel.sh "${@:2}" >/dev/null 2>&1 || status=$?
  [ "$status" = 2 ]
}

# send [SEND_AT]: prints the id.
send() {
  jq -nc --arg at "${1:-}" '{from: "+12016661234", to: "+18045551234", type: "sms", body: "text", attachments: null,
      timestamp: "2024-11-01T14:00:00Z"} + if $at == "" then {} else {send_at: $at} end' |
    curl -fsS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/messages/sms" -H 'Content-Type: application/json' -d @- |
    jq -r .id
}
in_an_hour() { date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ; }
shows() { # ID STATUS
  [ "$(curl -sS --noproxy '*' --max-time 15 "http://127.0.0.1:$PORT/api/messages/$1" | jq -r .status)" = "$2" ]
}

# At once: what isn't recorded yet is asked for again.
cancels_what_waits() {
  local one two expected
  one=$(send "$(in_an_hour)")
  two=$(send "$(in_an_hour)")
  printf -v expected '%s\tcancelled\n%s\tcancelled' "$one" "$two"
  [ "$(bin/cancel.sh "$one" "$two")" = "$expected" ]
  wait_for 20 shows "$one" cancelled
  [ "$(bin/cancel.sh "$one")" = "$one"$'\t''cancelled before' ]
}

says_why_not() {
  local sent
  sent=$(send)
  wait_for 20 shows "$sent" sent
  fails_saying "$sent"$'\t'"not cancelled: it can't be cancelled any more: it was sent (status 409)" bin/cancel.sh "$sent"
  fails_saying "$unknown"$'\t''not cancelled: no such message (status 404)' bin/cancel.sh "$unknown"
}

goes_on_with_the_others() {
  local one status=0
  one=$(send "$(in_an_hour)")
  bin/cancel.sh "$unknown" "$one" >"$folder/said" || status=$?
  cat "$folder/said"
  [ "$status" = 1 ] && [ "$(wc -l <"$folder/said")" = 2 ] && grep -q "^$one"$'\t''cancelled$' "$folder/said"
}

it 'shows how it is called' prints 'Usage: bin/cancel.sh ID' bin/cancel.sh --help
it 'refuses a missing id' wrong 'an id is missing'
it 'refuses what is no id' wrong "'x' is no message's id" x
it 'refuses what is no id beside one that is' wrong "'x' is no message's id" "$unknown" x
it 'refuses an unknown option' wrong 'there is no option --all' --all
it 'says where no service answers' fails_saying "no service answers at http://127.0.0.1:$PORT" bin/cancel.sh "$unknown"
it 'the service starts' bin/start.sh --ephemeral
it 'cancels what waits, a line each, and says so once more' cancels_what_waits
it 'says why it did not' says_why_not
it 'goes on with the others where one is not' goes_on_with_the_others
it 'the service stops' bin/stop.sh
finish
