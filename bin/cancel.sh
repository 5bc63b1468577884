#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Cancels messages that wait to be sent, through the API.
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/cancel.sh ID…

Cancels messages that wait: those that are scheduled, held behind an earlier one of their conversation, or retrying. None
of them is called from then on. A line for each: its id, a tab, and "cancelled" or why it is not.

What can't be said yet, for the message isn't recorded, Redis is away or an answer was lost, is asked for again, for ten
seconds: a repeat does no harm, and says what became of the first.

The service is on PORT of this machine, or what BASE_URL names. Where it asks for a key, API_KEY (environment or .env) is
one with the scope send. Exit status: 0 all are cancelled, some maybe before; 1 at least one is not; 2 a wrong command
line.
END
}

# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.sh"

patience=10 # seconds

refuse() {
  warn "cancel.sh: $*; see bin/cancel.sh --help"
  exit 2
}

# ask ID: leaves the HTTP status in `status` and the body in `answer`.
ask() {
  answer=$(curl -sS --noproxy '*' --max-time 30 -K <(key_header) -X DELETE -w '\n%{http_code}' "$base_url/api/messages/$1" 2>&1) ||
    die "no service answers at $base_url: $(head -n 1 <<<"$answer")"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
}

# of_answer FILTER: what jq finds in it; nothing where it isn't JSON.
of_answer() { jq -r "$1" <<<"$answer" 2>/dev/null || true; }

# cancel ID: fails where it is not cancelled.
cancel() {
  local id=$1 deadline=$((SECONDS + patience)) message
  ask "$id"
  while [ "$status" = 503 ] && [ "$SECONDS" -lt "$deadline" ]; do
    sleep 1
    ask "$id"
  done
  if [ "$status" = 202 ]; then
    printf '%s\tcancelled\n' "$id"
  elif [ "$status" = 409 ] && [ "$(of_answer .details.status)" = cancelled ]; then
    printf '%s\tcancelled before\n' "$id"
  else
    message=$(of_answer .message)
    printf '%s\tnot cancelled: %s (status %s)\n' "$id" "${message:-$answer}" "$status"
    return 1
  fi
}

main() {
  local id tool not_all=0 form='^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'
  [ $# -gt 0 ] || refuse 'an id is missing'
  for id; do
    case $id in
    -h | --help) usage && return ;;
    -*) refuse "there is no option $id" ;;
    esac
  done
  for id; do
    [[ $id =~ $form ]] || refuse "'$id' is no message's id, as in 0192e7a1-3c00-7b5e-9d1a-0c2f5b7e8a11"
  done
  for tool in curl jq; do
    command -v "$tool" >/dev/null || die "$tool is missing: apt-get install $tool"
  done
  load_settings
  base_url=${BASE_URL:-http://127.0.0.1:$PORT}
  base_url=${base_url%/}
  for id; do
    cancel "$id" || not_all=1
  done
  return "$not_all"
}

main "$@"
