#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the HTTP cases of tests/http/tests.json against a running service, with curl and jq.
#   bin/test.sh                                  the service on PORT (environment, then .env, then 8080) of this machine
#   BASE_URL=http://host:8080 bin/test.sh        another one
#   CASES=file.json ONLY=regex bin/test.sh       another file, or only the cases whose name matches
#
# A case: name, method, path, headers ["Name: value"], body (an object or array is sent as JSON, a string as it is,
# null: none), expect (the status), and where wanted
#   body_base64                           instead of body, for bytes that JSON can't hold
#   assert                                a jq expression on {status, headers (names in lower case), body}, which may use
#                                         accepted(version of the id), fault(code) and broken(field)
#   save {name: jq expression}            values for later cases, used as {{name}}
#   delay_ms                              waits before the case
#   assert_poll_ms, assert_max_tries      asks again until status and assert hold
#   repeat                                sends so many times over one connection; the last answer counts (a limit's
#                                         window slides: what a moment ago was too much may just have become free)
# {{run}} is nine digits unique to the run, {{address}} a client address of its own, {{health_path}} the setting, and
# {{fill:n}} n times "x". Where the service asks for a key, API_KEY is one with all scopes. Without jq a short built-in list runs instead. Exit status: 0 all passed, 1 some failed,
# 2 the cases can't be run.
# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.sh"

die() {
  printf 'bin/test.sh: %s\n' "$*" >&2
  exit 2
}

load_settings
setting HEALTH_PATH health_path /healthz
base_url=${BASE_URL:-http://127.0.0.1:$PORT}
base_url=${base_url%/}
# shellcheck disable=SC2153 # set by name, in `setting`
health_path=$HEALTH_PATH
cases=${CASES:-tests/http/tests.json}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
writes=0

# The per-address limit counts POST and PUT: a new random address before it is reached.
random_address() {
  printf '10.%d.%d.%d' $((RANDOM % 256)) $((RANDOM % 256)) $((RANDOM % 254 + 1))
}

address=$(random_address)
pick_address() { # METHOD [COUNT]
  case $1 in POST | PUT) ;; *) return 0 ;; esac
  if [ $((writes + ${2:-1})) -gt 100 ]; then
    address=$(random_address)
    writes=0
  fi
  writes=$((writes + ${2:-1}))
}

pause_ms() {
  sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# request COUNT METHOD PATH [curl arguments]: so many requests over one connection; sets status, and leaves $work/headers
# and $work/answer of the last one.
request() {
  local method=$2 path=$3 urls=() i
  for ((i = 0; i < $1; i++)); do urls+=(-o "$work/answer" "$base_url$path"); done
  shift 3
  : > "$work/headers"
  : > "$work/answer"
  status=$(curl -sS --max-time 20 --globoff --path-as-is -K <(key_header) -X "$method" -H 'Expect:' -D "$work/headers" \
    -w '%{http_code}\n' "$@" "${urls[@]}" 2> "$work/curl" | tail -n 1) || true
  status=${status:-000}
}

report() {
  local name=$1 fault=$2
  if [ -z "$fault" ]; then
    passed=$((passed + 1))
    printf 'ok    %s\n' "$name"
    return
  fi
  failed=$((failed + 1))
  printf 'FAIL  %s: %s\n' "$name" "$fault"
  if [ -s "$work/answer" ]; then printf '      answer: %s\n' "$(head -c 600 "$work/answer" | tr '\n' ' ')"; fi
}

summary() {
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

# ---- without jq ---------------------------------------------------------------------------------------------------

short_list() {
  local run=$1 sms email
  sms="\"from\":\"+12016$run\",\"to\":\"+18045$run\",\"body\":\"text message\",\"timestamp\":\"2024-11-01T14:00:00Z\""
  email="\"from\":\"u$run@usehatchapp.com\",\"to\":\"c$run@gmail.com\",\"body\":\"text\",\"timestamp\":\"2024-11-01T14:00:00Z\""
  # name | method | path | expected status | body
  local list=(
    "the service is healthy|GET|$health_path|200|"
    "the service is ready|GET|/readyz|200|"
    "send an SMS|POST|/api/messages/sms|202|{$sms,\"type\":\"sms\",\"attachments\":null}"
    "send an MMS|POST|/api/messages/sms|202|{$sms,\"type\":\"mms\",\"attachments\":[\"attachment-url\"]}"
    "send an email|POST|/api/messages/email|202|{$email,\"attachments\":[]}"
    "an SMS arrives|POST|/api/webhooks/sms|202|{$sms,\"type\":\"sms\",\"messaging_provider_id\":\"s-$run\"}"
    "an MMS arrives|POST|/api/webhooks/sms|202|{$sms,\"type\":\"mms\",\"messaging_provider_id\":\"m-$run\"}"
    "an email arrives|POST|/api/webhooks/email|202|{$email,\"xillio_id\":\"e-$run\"}"
    "list the conversations|GET|/api/conversations|200|"
    "the metrics|GET|/metrics|200|"
    "the API document|GET|/openapi.yaml|200|"
    "the mock's configuration|GET|/api/provider/mock/config|200|"
    "an unknown route is 404|GET|/nowhere|404|"
    "a wrong method is 405|GET|/api/messages/sms|405|"
    "half a document is 400|POST|/api/messages/sms|400|{"
    "an SMS without type is 400|POST|/api/messages/sms|400|{$sms}"
  )
  local entry name method path expect body arguments
  for entry in "${list[@]}"; do
    IFS='|' read -r name method path expect body <<< "$entry"
    pick_address "$method"
    arguments=(-H "X-Forwarded-For: $address")
    if [ -n "$body" ]; then arguments+=(-H 'Content-Type: application/json' --data-binary "$body"); fi
    request 1 "$method" "$path" "${arguments[@]}"
    if [ "$status" = "$expect" ]; then report "$name" ''; else report "$name" "expected $expect, got $status"; fi
  done
}

# ---- with jq ------------------------------------------------------------------------------------------------------

# Prints one line for each fault in the file's shape.
# shellcheck disable=SC2016
shape_faults() {
  jq -r '
    def allowed: ["name", "method", "path", "headers", "body", "body_base64", "expect", "assert", "save", "delay_ms",
                  "assert_poll_ms", "assert_max_tries", "repeat"];
    def positive: type == "number" and . >= 1 and . == floor;
    def faults:
      (if .name | (type == "string" and length > 0) then empty else "name must be a text" end),
      (keys[] | select(. as $key | allowed | index($key) | not) | "unknown member \"\(.)\""),
      (if .method | IN("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS") then empty else "method is not one" end),
      (if .path | (type == "string" and (startswith("/") or startswith("{{health_path}}"))) then empty
       else "path must be a text that begins with /" end),
      (if .headers | (type == "array" and all(.[]; type == "string" and test("^[A-Za-z0-9-]+:"))) then empty
       else "headers must be an array of \"Name: value\"" end),
      (if has("body") == has("body_base64") then "one of body and body_base64 is needed" else empty end),
      (if .body | type | IN("null", "object", "array", "string") then empty
       else "body must be an object, an array, a text or null" end),
      (if has("body_base64") and (.body_base64 | type) != "string" then "body_base64 must be a text" else empty end),
      (if .expect | (positive and . >= 100 and . <= 599) then empty else "expect must be a status" end),
      (if has("assert") and (.assert | type) != "string" then "assert must be a jq expression" else empty end),
      (if has("save") and (.save | (type != "object" or any(.[]; type != "string"))) then
         "save must map names to jq expressions" else empty end),
      ("delay_ms", "assert_poll_ms", "assert_max_tries", "repeat") as $key |
        (if has($key) and (.[$key] | positive | not) then "\($key) must be a whole number from 1" else empty end),
      (if has("assert_poll_ms") != has("assert_max_tries") then
         "assert_poll_ms and assert_max_tries belong together" else empty end);
    if type != "array" or length == 0 then "the file must be an array of cases"
    else
      (to_entries[] | .key as $at | .value |
        if type != "object" then "case \($at + 1) is no object"
        else (.name // "(no name)") as $name | [faults] | unique[] | "case \($at + 1), \"\($name)\": \(.)" end),
      (map(objects | .name) | group_by(.)[] | select(length > 1) | "the name \"\(.[0])\" is taken \(length) times")
    end' "$1"
}

# Each case as the number of its lines and the lines: name, method, path, expect, assert, the save program, delay, poll
# pause, tries, repeat, whether there is a body, the body in base64, the headers. Placeholders are filled in; a case that
# has one left is "again" and its JSON instead, for when an earlier case has saved the value.
# shellcheck disable=SC2016
case_lines='
  def fill: if test("\\{\\{fill:") then gsub("\\{\\{fill:(?<n>[0-9]+)\\}\\}"; "x" * (.n | tonumber)) else . end;
  def known: reduce ($vars | to_entries[]) as $v (.; split("{{" + $v.key + "}}") | join($v.value));
  def lines:
    [ .name, .method, .path, .expect, (.assert // "" | gsub("\n"; " ")),
      (if .save then "{" + (.save | to_entries | map("\(.key | tojson): (\(.value) | tostring)") | join(", ")) + "}"
       else "" end),
      .delay_ms // 0, .assert_poll_ms // 0, .assert_max_tries // 1, .repeat // 1, (.body != null or has("body_base64")),
      (if has("body_base64") then .body_base64 elif (.body | type) == "string" then .body | @base64
       elif .body == null then "" else .body | tojson | @base64 end),
      .headers[] ];
  walk(if type == "string" then known | fill else . end) |
  if tojson | test("\\{\\{[a-z]") then "again", tojson else lines | length, .[] end'

# jq with the answer as its input; the further arguments are jq options, the last one the program.
# shellcheck disable=SC2016
on_answer() {
  local program=${*: -1}
  jq -n --arg status "$status" --rawfile head "$work/headers" --rawfile text "$work/answer" "${@:1:$#-1}" '
    def accepted($version): .body.status == "accepted" and .headers.location == "/api/messages/\(.body.id)" and
      (.body.id | test("^[0-9a-f]{8}-[0-9a-f]{4}-\($version)[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"));
    def fault($code): .body.code == $code and (.body.message | length > 0);
    def broken($field): fault("bad_request") and (.body.details.field | . == $field or startswith("\($field)["));
    { status: ($status | tonumber),
      headers: ($head | gsub("\r"; "") | split("\n\n") | map(select(length > 0)) | (last // "") | split("\n")[1:] |
        map(capture("^(?<name>[^:]+):\\s*(?<value>.*)$") | .name |= ascii_downcase) | group_by(.name) |
        map({ (.[0].name): (map(.value) | join(", ")) }) | add // {}),
      body: ($text | try fromjson catch $text) } | '"($program)"
}

# Empty when the answer is as it should be, else what is wrong.
answer_fault() {
  local expect=$1 assertion=$2
  if [ "$status" != "$expect" ]; then
    printf 'expected %s, got %s %s' "$expect" "$status" "$(head -n 1 "$work/curl")"
  elif [ -n "$assertion" ] && ! on_answer -e "$assertion" > /dev/null 2> "$work/jq"; then
    printf 'not so: %s %s' "$assertion" "$(head -n 1 "$work/jq")"
  fi
}

# Runs the case in `lines`.
run_case() {
  local name=${lines[0]} method=${lines[1]} path=${lines[2]} expect=${lines[3]} assertion=${lines[4]} save=${lines[5]}
  local delay=${lines[6]} poll=${lines[7]} tries=${lines[8]} repeat=${lines[9]} has_body=${lines[10]} body=${lines[11]}
  local arguments=() from=() header given=' '
  for header in "${lines[@]:12}"; do
    arguments+=(-H "$header")
    given+="${header%%:*} "
  done
  given=${given,,}
  if [ "$has_body" = true ]; then
    base64 -d <<< "$body" > "$work/body"
    arguments+=(--data-binary "@$work/body")
    if [[ $given != *' content-type '* ]]; then arguments+=(-H 'Content-Type: application/json'); fi
  fi
  if [ "$delay" -gt 0 ]; then pause_ms "$delay"; fi
  local fault='' try=0
  while :; do
    try=$((try + 1))
    pick_address "$method" "$repeat"
    if [[ $given != *' x-forwarded-for '* ]]; then from=(-H "X-Forwarded-For: $address"); fi
    request "$repeat" "$method" "$path" "${arguments[@]}" "${from[@]}"
    fault=$(answer_fault "$expect" "$assertion")
    if [ -z "$fault" ] || [ "$try" -ge "$tries" ]; then break; fi
    pause_ms "$poll"
  done
  if [ -z "$fault" ] && [ -n "$save" ]; then
    vars=$(on_answer -c --argjson vars "$vars" "\$vars + $save") || fault="can't save $save"
  fi
  report "$name" "$fault"
}

# Nine digits that no run of the last hundred days has had: time in hundredths of a second, without a leading zero.
run_id() {
  printf '%09d' $((($(date +%s%N) / 10000000) % 899999999 + 100000000))
}

command -v curl > /dev/null || die 'curl is needed: apt-get install curl'
request 1 GET "$health_path"
[ "$status" = 200 ] || die "no service answers at $base_url$health_path (status $status): start it with bin/start.sh, or set BASE_URL"

if ! command -v jq > /dev/null; then
  printf 'jq is missing (apt-get install jq): only the built-in short list runs\n' >&2
  short_list "$(run_id)"
  summary
  exit
fi

[ -r "$cases" ] || die "$cases can't be read"
jq empty "$cases" 2> "$work/jq" || die "$cases is not JSON: $(cat "$work/jq")"
faults=$(shape_faults "$cases")
[ -z "$faults" ] || die "$cases has the wrong shape:"$'\n'"$faults"

vars=$(jq -nc --arg run "$(run_id)" --arg address "172.$((RANDOM % 16 + 16)).$((RANDOM % 256)).$((RANDOM % 254 + 1))" \
  --arg health_path "$health_path" '{run: $run, address: $address, health_path: $health_path}')
while read -r count <&3; do
  if [ "$count" = again ]; then
    read -r json <&3
    mapfile -t lines < <(jq -r --argjson vars "$vars" "$case_lines" <<< "$json")
    if [ "${lines[0]}" = again ]; then
      : > "$work/answer"
      report "$(jq -r .name <<< "$json")" 'it uses a value that no earlier case could save'
      continue
    fi
    lines=("${lines[@]:1}")
  else
    mapfile -t -n "$count" -u 3 lines
  fi
  run_case
done 3< <(jq -r --arg only "${ONLY:-}" --argjson vars "$vars" ".[] | select(.name | test(\$only)) | $case_lines" "$cases")
summary
