#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/reload.sh: what changes in .env and in the file of settings reaches programs that bin/start.sh has started; and the
# systemd units do as much.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

# A copy of what runs, with a .env of its own.
copy=$folder/copy
mkdir -p -- "$copy/shared"
cp -R -- bin redis migrations "$copy"
cp -- shared/default.toml .env.example "$copy/shared"
mv -- "$copy/shared/.env.example" "$copy"
BUILD_DIR=$(realpath -- "$BUILD_DIR")
unset DATABASE_URL REDIS_URL API_ENABLE_INMEMORY_FALLBACK API_PROVIDER_RECEIPTS_PCT

dotenv() { printf '%s\n' API_PROVIDER_RECEIPTS_PCT=0 "$@" >"$copy/.env"; }

# is_in_environment PROGRAM NAME
is_in_environment() { tr '\0' '\n' <"/proc/$(pid_of "$1")/environ" | grep -q "^$2="; }
only_what_was_given_is_in_it() {
  local name
  for name in PORT RUN_DIR LOG_FILE; do is_in_environment ingest "$name" || { echo "$name isn't" && return 1; }; done
  for name in REDIS_URL DATABASE_URL PROVIDER_EMAIL_TOKEN API_PROVIDER_RECEIPTS_PCT DRAIN_TIMEOUT_SECS; do
    ! is_in_environment ingest "$name" || { echo "$name is" && return 1; }
  done
}

takes_a_change() {
  dotenv PROVIDER_EMAIL_TOKEN=second WEBHOOK_SMS_SECRET=signed
  prints 'dispatcher: PROVIDER_EMAIL_TOKEN' "$copy/bin/reload.sh"
  prints 'ingest: nothing has changed' "$copy/bin/reload.sh" ingest
}
refuses_a_webhook_now() {
  [ "$(curl -s --noproxy '*' -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/api/webhooks/sms" \
    -H 'Content-Type: application/json' -d '{}')" = 401 ]
}
names_what_waits() {
  dotenv PROVIDER_EMAIL_TOKEN=second WEBHOOK_SMS_SECRET=signed STREAM_MAX_BACKLOG=5000
  prints 'ingest: changed, and waits for a restart: STREAM_MAX_BACKLOG' "$copy/bin/reload.sh" ingest
}
refuses_what_is_wrong() {
  dotenv PROVIDER_EMAIL_TOKEN=third WEBHOOK_SMS_SECRET=other PROVIDER_TIMEOUT_MS=soon
  fails_saying "PROVIDER_TIMEOUT_MS: 'soon' is not a whole number" "$copy/bin/reload.sh"
}
refuses_a_wrong_password() {
  dotenv PROVIDER_EMAIL_TOKEN=second WEBHOOK_SMS_SECRET=signed \
    "DATABASE_URL=postgres://messaging_user:wrong@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service"
  fails_saying 'persister: DATABASE_URL: ' "$copy/bin/reload.sh"
}
opens_no_door() {
  dotenv PROVIDER_EMAIL_TOKEN=second
  fails_saying 'ingest: WEBHOOK_SMS_SECRET is not set any more' "$copy/bin/reload.sh" ingest
}
leaves_the_others() { prints "mock-provider doesn't run" "$copy/bin/reload.sh" mock-provider; }
stop_the_mock() { kill "$(pid_of mock-provider)" && wait_for 10 is_stopped mock-provider; }

# Of a unit: the program is started with a copy of the settings, and a reload makes it anew before it is told.
unit_reads_again() {
  local reloads
  grep -q '^ExecStartPre=-+/usr/bin/install .* /etc/messaging-service/env %t/.*/.env$' "$1"
  grep -qx 'RuntimeDirectoryMode=0700' "$1"
  mapfile -t reloads < <(grep '^ExecReload=' "$1")
  # shellcheck disable=SC2016 # systemd expands it
  [ "${#reloads[@]}" = 2 ] && [[ ${reloads[0]} == *'install -m 444 /etc/messaging-service/env'* ]] &&
    [ "${reloads[1]}" = 'ExecReload=/bin/kill -HUP $MAINPID' ] && ! grep -q '^EnvironmentFile' "$1"
}

dotenv PROVIDER_EMAIL_TOKEN=first
it 'starts with settings from .env' "$copy/bin/start.sh"
it 'gives the programs what the caller has set, and leaves .env to them' only_what_was_given_is_in_it
it 'takes what has changed, and says what' takes_a_change
it 'has taken it' refuses_a_webhook_now
it 'names what waits for a restart' names_what_waits
it 'refuses all of it where one value is wrong' refuses_what_is_wrong
it 'refuses a password that the server refuses' refuses_a_wrong_password
it 'opens no door' opens_no_door
it 'still works' send_sms 'after all that'
it 'stops the mock' stop_the_mock
it 'says of a program that it does not run' leaves_the_others
it 'knows its programs' fails_saying "there is no program 'redis'" "$copy/bin/reload.sh" redis
it 'stops' "$copy/bin/stop.sh"
for unit in deploy/systemd/*.service; do
  it "$(basename "$unit") reads its settings again" unit_reads_again "$unit"
done
finish
