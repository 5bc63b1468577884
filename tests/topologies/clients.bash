# shellcheck shell=bash disable=SC2034,SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# The clients (load.c) of the tests of topologies, and what their ledgers say; sourced after tests/compose/load.bash,
# whose looks at the ledgers these are for as well.

RATE=300
posting=() # process ids
helpers=() # those of what else a part has in the background

# clients_begin NAME FIRST PORT…: at RATE sends a second. Where `net` is set, from that network namespace.
clients_begin() {
  local within=()
  if [ -n "${net:-}" ]; then within=(nsenter -t "$net" -n); fi
  : >"$folder/ledger.$1"
  "${within[@]}" "$BUILD_DIR/tests/topologies" "$folder/ledger.$1" "$RATE" "$2" "${@:3}" 2>"$folder/clients.$1" &
  posting+=($!)
  wait_for 20 accepted_since "$1" 0 "$RATE" || die "$1: no second of 202s within 20 s: $(tail -n 1 "$folder/ledger.$1")"
}
# clients_end: once each send has its 202, or has had 30 s more for it.
clients_end() {
  if [ ${#posting[@]} = 0 ]; then return; fi
  kill -TERM "${posting[@]}"
  wait "${posting[@]}"
  posting=()
}

now_ms() { date +%s%3N; }
# accepted_since NAME MS COUNT: whether so many 202s came since then.
accepted_since() {
  [ "$(awk -v since="$2" '$1 >= since && $3 == 202 { n++ } END { print n + 0 }' "$folder/ledger.$1")" -ge "$3" ]
}
# go_on NAME: two seconds' worth of further 202s.
go_on() { wait_for 40 accepted_since "$1" "$(now_ms)" $((2 * RATE)) || { echo 'no 202s any more' && tail -n 3 "$folder/ledger.$1" && return 1; }; }

# longest_gap NAME MS: the longest time without a 202 since then, in ms.
longest_gap() {
  awk -v since="$2" '$1 >= since && $3 == 202 { print $1 }' "$folder/ledger.$1" | sort -n |
    awk -v last="$2" '{ if ($1 - last > most) most = $1 - last; last = $1 } END { print most + 0 }'
}
# answers NAME MS: each answer since then and how often it came, as in "202 x 1234, 503 ambiguous x 2".
answers() {
  awk -v since="$2" '$1 >= since { count[$3 ($3 == 202 ? "" : " " $5)]++ }
    END { for (what in count) print what " x " count[what] }' "$folder/ledger.$1" | sort | paste -sd , | sed 's/,/, /g'
}

# --- The ledgers against the mock's of its calls: "ms provider key outcome"

# repeated_calls: how many calls were repeated under the key of an earlier one.
repeated_calls() { awk '$4 == "repeated" { n++ } END { print n + 0 }' "$MOCK_LEDGER_FILE"; }
# calls_each: whether each that was promised was accepted by the mock, and none of them twice.
calls_each() {
  promised | cut -f 1 | sort >"$folder/promised"
  awk '$4 == "accepted" { print $3 }' "$MOCK_LEDGER_FILE" | sort >"$folder/called"
  uniq -d "$folder/called" >"$folder/twice"
  uniq "$folder/called" | comm -23 "$folder/promised" - >"$folder/uncalled"
  echo "$(wc -l <"$folder/uncalled") not called, $(wc -l <"$folder/twice") accepted twice"
  [ ! -s "$folder/uncalled" ] && [ ! -s "$folder/twice" ] && [ -s "$folder/promised" ]
}
