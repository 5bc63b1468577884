# shellcheck shell=bash disable=SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# Clients that send without a pause, and the ledger of what they were answered: a line a request, of phase, body, status
# (000 for a connection that broke), and the id of a 202. Half of them send under an Idempotency-Key and repeat what got no
# 202. The others have none and never repeat: what the proxy sent twice for them is stored twice. A 502 to one of them is
# 502-no-key, for the proxy repeats a send whose connection to ingest broke only under a key.

LOAD_CLIENTS=4
clients=()

has_keys() { [ "$1" -le $((LOAD_CLIENTS / 2)) ]; } # CLIENT

# send_once BODY CLIENT NUMBER: prints the status and a 202's id.
send_once() {
  local body=$1 client=$2 number=$3 answer status key=()
  if has_keys "$client"; then key=(-H "Idempotency-Key: $body"); fi
  # A sender sends ten: below its limit, and below its address's.
  answer=$(curl -sS --noproxy '*' --max-time 15 -w '\n%{http_code}' "http://127.0.0.1:$PORT/api/messages/sms" \
    -H 'Content-Type: application/json' "${key[@]}" -H "X-Forwarded-For: 10.$client.$((number / 2500)).$((number / 10 % 250))" \
    -d "{\"from\":\"+1555$client$(printf '%06d' $((number / 10)))\",\"to\":\"+16660000000\",\"type\":\"sms\",\"body\":\"$body\",\"attachments\":null,\"timestamp\":\"2024-11-01T14:00:00Z\"}" \
    2>/dev/null) || true
  status=${answer##*$'\n'}
  if [ "$status" = 502 ] && ! has_keys "$client"; then status=502-no-key; fi
  answer=${answer##*'"id":"'}
  printf '%s %s\n' "${status:-000}" "$([ "$status" = 202 ] && printf '%s' "${answer%%\"*}")"
}

is_over() { [[ $2 == 202* ]] || ! has_keys "$1"; } # CLIENT ANSWER

# Where there is a file `ports`, a client sends to one of those that it lists, another each time.
client() { # NUMBER OF THE CLIENT
  local number=0 phase answer=202 PORT=$PORT
  until [ -e "$folder/load-ends" ] && is_over "$1" "$answer"; do
    phase=$(<"$folder/phase")
    if [ -e "$folder/ports" ]; then PORT=$(shuf -n 1 -- "$folder/ports"); fi
    answer=$(send_once "load-$1-$number" "$1" "$number")
    printf '%s load-%s-%s %s\n' "$phase" "$1" "$number" "$answer" >>"$folder/ledger.$1"
    if is_over "$1" "$answer"; then number=$((number + 1)); fi
    [[ $answer == 202* ]] || sleep 0.2
  done
}

# set_words FILE WORD…: a line each, whole or not at all, for the clients read it all the time.
set_words() {
  printf '%s\n' "${@:2}" >"$folder/$1.new"
  mv -- "$folder/$1.new" "$folder/$1"
}
set_phase() { set_words phase "$1"; }
set_ports() { set_words ports "$@"; }

start_load() {
  local n
  set_phase start
  rm -f "$folder/load-ends" "$folder"/ledger.*
  for ((n = 1; n <= LOAD_CLIENTS; n++)); do
    client "$n" &
    clients+=($!)
  done
}

end_load() {
  touch "$folder/load-ends"
  wait "${clients[@]}"
  clients=()
}

# each_has_accepted PHASE: whether every client got a 202 to a request that it began in that phase.
each_has_accepted() {
  local n
  for ((n = 1; n <= LOAD_CLIENTS; n++)); do
    grep -q "^$1 [^ ]* 202" "$folder/ledger.$n" 2>/dev/null || return 1
  done
}

# under_load PHASE COMMAND…: the command, while all the clients send in the phase of that name, before and after it.
under_load() {
  local phase=$1
  shift
  set_phase "$phase"
  wait_for 120 each_has_accepted "$phase"
  "$@"
  set_phase "after-$phase"
  wait_for 120 each_has_accepted "after-$phase"
}

# statuses PHASE: how often each status was answered in it, as in "202:1234 503:2".
statuses() {
  cat "$folder"/ledger.* | awk -v phase="$1" '$1 == phase || $1 == "after-" phase { count[$3]++ }
    END { for (status in count) printf "%s:%d ", status, count[status] }'
}

# answered_only PHASE STATUS…: whether no other status was answered in it.
answered_only() {
  local phase=$1 status
  shift
  for status in $(statuses "$phase"); do
    case " $* " in *" ${status%%:*} "*) ;; *) statuses "$phase" && return 1 ;; esac
  done
}

# --- The ledger against the database (`sql` is the test's psql): `kept` is what clients were promised.

promised() { awk '$3 == 202 { print $4 "\t" $2 }' "$folder"/ledger.* | sort -u; }
ledger_rows() { # SQL
  { printf 'CREATE TEMPORARY TABLE kept (id uuid, body text);\nCOPY kept FROM STDIN;\n' && promised && printf '\\.\n%s\n' "$1"; } | sql -f -
}
is_zero() { # SQL
  local n
  n=$(ledger_rows "$1")
  [ "$n" = 0 ] || { echo "$n" && return 1; }
}
loses_nothing() { is_zero 'SELECT count(*) FROM kept LEFT JOIN messages m USING (id) WHERE m.body IS DISTINCT FROM kept.body'; }
stores_nothing_twice() { is_zero "SELECT count(*) - count(DISTINCT body) FROM messages WHERE body LIKE 'load-%'"; }
sends_all() { is_zero "SELECT count(*) FROM kept LEFT JOIN deliveries d ON d.message_id = kept.id WHERE d.status IS DISTINCT FROM 'sent'"; }
