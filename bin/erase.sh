#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Erases conversations for good, through the API.
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/erase.sh CONVERSATION_ID…

Erases conversations for good, with all that was accepted of them until now, wherever it is. None of it is called any
more; a persister deletes what is stored, soon. A line for each: its id, a tab, and "erasing" or why it is not.

What Redis or Postgres can't take now is asked for again, for ten seconds: a repeat does no harm.

The service is on PORT of this machine, or what BASE_URL names. Where it asks for a key, API_KEY (environment or .env) is
one with the scope admin. Exit status: 0 all are being erased; 1 at least one is not; 2 a wrong command line.
END
}

# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.sh"

patience=10 # seconds

refuse() {
  warn "erase.sh: $*; see bin/erase.sh --help"
  exit 2
}

# ask ID: leaves the HTTP status in `status` and the body in `answer`.
ask() {
  answer=$(curl -sS --noproxy '*' --max-time 30 -K <(key_header) -X DELETE -w '\n%{http_code}' "$base_url/api/conversations/$1" 2>&1) ||
    die "no service answers at $base_url: $(head -n 1 <<<"$answer")"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
}

# erase ID: fails where it is not being erased.
erase() {
  local id=$1 deadline=$((SECONDS + patience)) message
  ask "$id"
  while [ "$status" = 503 ] && [ "$SECONDS" -lt "$deadline" ]; do
    sleep 1
    ask "$id"
  done
  if [ "$status" = 202 ]; then
    printf '%s\terasing\n' "$id"
  else
    message=$(jq -r .message <<<"$answer" 2>/dev/null) || message=''
    printf '%s\tnot erased: %s (status %s)\n' "$id" "${message:-$answer}" "$status"
    return 1
  fi
}

main() {
  local id tool not_all=0
  [ $# -gt 0 ] || refuse 'an id is missing'
  for id; do
    case $id in
    -h | --help) usage && return ;;
    -*) refuse "there is no option $id" ;;
    esac
  done
  for id; do
    [[ $id =~ ^[0-9]{1,19}$ ]] || refuse "'$id' is no conversation's id, as in 42"
  done
  for tool in curl jq; do
    command -v "$tool" >/dev/null || die "$tool is missing: apt-get install $tool"
  done
  load_settings
  base_url=${BASE_URL:-http://127.0.0.1:$PORT}
  base_url=${base_url%/}
  for id; do
    erase "$id" || not_all=1
  done
  return "$not_all"
}

main "$@"
