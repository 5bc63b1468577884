#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Lists, shows and replays dead letters through the API.
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/dead-letters.sh list [FILTER…] [--limit N]
       bin/dead-letters.sh show ID
       bin/dead-letters.sh replay ID
       bin/dead-letters.sh replay --all [FILTER…] [--dry-run] [--per-second N]

  list            the newest first, a line each: id, failed at, provider, attempts, open, replayed or delivered (after
                  all), message id, reason (of a webhook that can't become a message, its field as well)
  show            one as JSON, with what it holds; the body of a webhook also as text, where it is UTF-8
  replay ID       sends its message again, once; makes a message of a webhook that can be read by now
  replay --all    sends all that match and were not replayed, in the background; never webhooks

  --provider P    sms-mms or email
  --reason R      what stands before the colon of the reason, as in rejected; poison for what could not be recorded,
                  unread for webhooks that can't become messages
  --since TIME    failed then or later, as in 2024-11-01T14:00:00Z
  --limit N       so many lines (50); 0 for all
  --dry-run       only counts
  --per-second N  the pace (the setting API_REPLAY_PER_SECOND)

The service is on PORT of this machine, or what BASE_URL names. Where it asks for a key, API_KEY (environment or .env) is
one with the scope admin. Exit status: 0 done, 1 not, 2 a wrong command line.
END
}

# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.sh"

refuse() {
  warn "dead-letters.sh: $*; see bin/dead-letters.sh --help"
  exit 2
}

# call METHOD PATH [CURL ARGUMENTS…]: leaves the body in `answer`; an error of the API ends the script.
call() {
  local method=$1 path=$2 status
  shift 2
  answer=$(curl -sS --noproxy '*' --max-time 30 -K <(key_header) -X "$method" -w '\n%{http_code}' "$@" "$base_url$path" 2>&1) ||
    die "no service answers at $base_url: $(head -n 1 <<<"$answer")"
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  case $status in
  2??) ;;
  *) die "$(jq -r .message <<<"$answer" 2>/dev/null || printf '%s' "$answer") (status $status)" ;;
  esac
}

# parse ARGUMENT…: sets provider, reason, since, limit, per_second, dry_run, all, id.
parse() {
  local name
  provider='' reason='' since='' limit=50 per_second='' dry_run='' all='' id=''
  while [ $# -gt 0 ]; do
    case $1 in
    --provider | --reason | --since | --limit | --per-second)
      [ $# -ge 2 ] || refuse "$1 takes a value"
      name=${1#--}
      printf -v "${name//-/_}" '%s' "$2"
      shift
      ;;
    --dry-run) dry_run=yes ;;
    --all) all=yes ;;
    -*) refuse "there is no option $1" ;;
    *)
      [ -z "$id" ] || refuse 'one id at a time'
      id=$1
      ;;
    esac
    shift
  done
  [[ $limit =~ ^[0-9]{1,9}$ ]] || refuse "--limit takes a number, not '$limit'"
  [[ $per_second =~ ^[0-9]{0,9}$ ]] || refuse "--per-second takes a number, not '$per_second'"
}

need_id() {
  [[ $id =~ ^[1-9][0-9]*$ ]] || refuse "$1 takes the id of a dead letter, not '$id'"
  [ -z "$provider$reason$since$dry_run$per_second" ] || refuse "$1 takes an id alone"
}

list() {
  local query=() left=$limit cursor='' name size
  [ -z "$id$all$dry_run$per_second" ] || refuse 'list takes filters and --limit'
  for name in provider reason since; do
    if [ -n "${!name}" ]; then query+=(--data-urlencode "$name=${!name}"); fi
  done
  while :; do
    size=50
    if [ "$limit" -gt 0 ] && [ "$left" -lt 50 ]; then size=$left; fi
    call GET /api/dead-letters -G "${query[@]}" -d "pageSize=$size" ${cursor:+-d "cursor=$cursor"}
    jq -r '.items[] | [.id, .failed_at, .provider, .attempts, (if .delivered then "delivered" elif .replayed_at then "replayed" else "open" end),
      .message_id // (if .stage == "webhook" then "webhook" else "-" end),
      (if .field then .field + ": " else "" end) + .reason] | map(tostring) | join("  ")' <<<"$answer"
    left=$((left - size))
    cursor=$(jq -r '.meta.next_cursor // ""' <<<"$answer")
    if [ -z "$cursor" ] || { [ "$limit" -gt 0 ] && [ "$left" -le 0 ]; }; then break; fi
  done
}

show() {
  need_id show
  call GET "/api/dead-letters/$id"
  jq 'if .raw and (.raw | @base64d | @base64) == .raw then .text = (.raw | @base64d) else . end' <<<"$answer"
}

replay_one() {
  need_id replay
  call POST "/api/dead-letters/$id/replay"
  say "message $(jq -r .id <<<"$answer") is on its way again"
}

replay_all() {
  local body matched
  [ -z "$id" ] || refuse 'replay takes an id or --all, not both'
  body=$(jq -nc --arg provider "$provider" --arg reason "$reason" --arg since "$since" --arg pace "$per_second" \
    --arg dry "$dry_run" '{$provider, $reason, $since} | with_entries(select(.value != "")) |
      if $pace != "" then .per_second = ($pace | tonumber) else . end | if $dry != "" then .dry_run = true else . end')
  call POST /api/dead-letters/replay -H 'Content-Type: application/json' -d "$body"
  matched=$(jq -r .matched <<<"$answer")
  if [ -n "$dry_run" ]; then say "$matched would be replayed"; else say "$matched are being replayed"; fi
}

main() {
  local command=${1:-} tool
  case $command in
  -h | --help) usage && return ;;
  list | show | replay) shift ;;
  '') refuse 'a command is missing' ;;
  *) refuse "there is no command '$command'" ;;
  esac
  parse "$@"
  for tool in curl jq; do
    command -v "$tool" >/dev/null || die "$tool is missing: apt-get install $tool"
  done
  load_settings
  base_url=${BASE_URL:-http://127.0.0.1:$PORT}
  base_url=${base_url%/}
  case $command in
  list) list ;;
  show) show ;;
  replay) if [ -n "$all" ]; then replay_all; else replay_one; fi ;;
  esac
}

main "$@"
