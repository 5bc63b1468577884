#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The vendors' own SDKs judge the mock and us: they send through the mock and read its answers, verify what it signs, and
# sign what ingest verifies. Nothing outside this machine is called; the SDKs come from the registries that npm and pip
# are set to, once, as the lock files pin them.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/../scripts/support.bash"

here=$root/tests/vendors
cache=$root/build/vendors

# install_sdks: into the cache, anew when a lock file or an interpreter is another.
install_sdks() {
  local stamp
  stamp=$(cat -- "$here"/package{,-lock}.json "$here/requirements.txt" <(node --version) <(python3 --version) | sha256sum)
  if [ "$(cat -- "$cache/stamp" 2>/dev/null)" = "$stamp" ]; then return; fi
  rm -rf -- "$cache"
  mkdir -p -- "$cache"
  cp -- "$here"/package{,-lock}.json "$cache"
  say 'installing the SDKs'
  npm ci --prefix "$cache" --ignore-scripts --no-audit --no-fund --loglevel=error
  python3 -m venv "$cache/python"
  "$cache/python/bin/pip" install --quiet --require-hashes --only-binary :all: -r "$here/requirements.txt"
  printf '%s\n' "$stamp" >"$cache/stamp"
}

# judge FILE: the tests of a script, each a line of its own; one that ends early has failed, too.
judge() {
  local command line status=0 before=$failed
  say "-- $1"
  case $1 in
  *.js) command=(node "$here/$1") ;;
  *.py) command=("$cache/python/bin/python" "$here/$1") ;;
  esac
  timeout 300 "${command[@]}" >"$folder/output" 2>&1 || status=$?
  while IFS= read -r line; do
    case $line in
    'ok: '*) passed=$((passed + 1)) ;;
    'FAILED: '*) failed=$((failed + 1)) ;;
    esac
    printf '%s\n' "$line"
  done <"$folder/output"
  if [ "$status" != 0 ] && [ "$failed" = "$before" ]; then
    failed=$((failed + 1))
    say "FAILED: $1 ended with $status"
  fi
}

# make_key: the key of the email provider's signed webhooks, for the mock and for ingest.
make_key() {
  export MOCK_EMAIL_PRIVATE_KEY_FILE=$folder/key.pem
  WEBHOOK_EMAIL_PUBLIC_KEY=$(node "$here/node/key.js" "$MOCK_EMAIL_PRIVATE_KEY_FILE")
  export WEBHOOK_EMAIL_PUBLIC_KEY
}

# start_recorder NAME TARGET FILE: passes what comes to the port NAME, which it sets, on to the port TARGET, and writes it
# down. It ends with this shell, whose end of the pipe it reads.
start_recorder() {
  local descriptor
  claim_port "$1"
  : >"$3"
  # shellcheck disable=SC2034 # held open, never written to
  exec {descriptor}> >(exec node "$here/node/recorder.js" "${!1}" "$2" "$3")
  wait_for 10 port_listens "${!1}" || die 'a recorder has not started'
}

install_sdks
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy # from here on there is loopback only
export NODE_PATH=$cache/node_modules PYTHONDONTWRITEBYTECODE=1

claim_ports
make_key
export CALLS=$folder/calls POSTS=$folder/posts # what the dispatcher sends, what the mock posts
start_recorder PROVIDER_RECORDER "$MOCK_PROVIDER_PORT" "$CALLS"
start_recorder WEBHOOK_RECORDER "$PORT" "$POSTS"
export PROVIDER_SMS_URL=http://127.0.0.1:$PROVIDER_RECORDER PROVIDER_EMAIL_URL=http://127.0.0.1:$PROVIDER_RECORDER
export WEBHOOK_PUBLIC_URL=http://127.0.0.1:$WEBHOOK_RECORDER
# One token, as Twilio's: what calls authenticate by is what callbacks are signed with.
token=0123456789abcdef0123456789abcdef
export PROVIDER_SMS_ACCOUNT=AC0123456789abcdef0123456789abcdef PROVIDER_SMS_TOKEN=$token WEBHOOK_SMS_SECRET=$token
export PROVIDER_SMS_KEY_SID=SK0123456789abcdef0123456789abcdef PROVIDER_SMS_KEY_SECRET=of-the-key
export PROVIDER_EMAIL_TOKEN=SG.of-the-mock
export API_RATE_LIMIT_PER_IP_PER_MIN=1000000 API_RATE_LIMIT_PER_SENDER_PER_MIN=1000000 API_KEY_FAILURES_PER_MIN=1000000
export API_PROVIDER_RECEIPTS_PCT='' # all of them
export MOCK_LOG=$RUN_DIR/mock-provider.log
it 'the service starts' bin/start.sh --ephemeral
if [ "$failed" = 0 ]; then
  for file in node/{sends_sms,sends_mail,webhooks,both_ways,requests,callbacks}.js python/{sends_sms,sends_mail,webhooks,callbacks}.py; do
    judge "$file"
  done
fi
it 'the service stops' bin/stop.sh
finish
