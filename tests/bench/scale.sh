#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How delivery speeds up with the number of dispatchers: 1, 2 and 4 of them empty a full stream at a provider that takes
# LATENCY_MS (50) for an answer, with IN_FLIGHT (64) calls each, so that one can do IN_FLIGHT / LATENCY. Prints for each
# number the speed, the speed-up, how many cores were used by whom and how many were idle, and every dispatcher's share.
# No Postgres: what is recorded waits in Redis.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/../scripts/support.bash"
claim_ports

latency_ms=${LATENCY_MS:-50}
in_flight=${IN_FLIGHT:-64}
seconds=${BENCH_SECONDS:-6}
stream='outbound:{sms-mms:0}'
pids=()

export REDIS_URL=redis://127.0.0.1:$LOCAL_REDIS_PORT DATABASE_URL=postgres://127.0.0.1:1/none LOG_LEVEL=info
export DISPATCH_MAX_IN_FLIGHT=$in_flight API_PROVIDER_LATENCY_MS=$latency_ms STREAM_MAX_BACKLOG=10000000

redis() { redis-cli -p "$LOCAL_REDIS_PORT" "$@"; }
redis_is_up() { [ "$(redis ping 2>/dev/null)" = PONG ]; }
backlog() { redis XLEN "$stream"; }
backlog_is_below() { [ "$(backlog)" -lt "$1" ]; }
start() { # NAME COMMAND…
  INSTANCE_ID=$1 LOG_FILE=$folder/$1.log "${@:2}" >"$folder/$1.out" 2>&1 &
  pids+=($!)
}
end_all() {
  if [ ${#pids[@]} -gt 0 ]; then kill -TERM "${pids[@]}" 2>/dev/null || true; fi
  wait
  pids=()
}
trap 'end_all; clean_up' EXIT

# One real message, as ingest accepts it.
accept_one() {
  curl -fsS --noproxy '*' --max-time 5 "http://127.0.0.1:$PORT/api/messages/sms" -H 'Content-Type: application/json' \
    -d '{"from":"+12016661234","to":"+18045551234","type":"sms","body":"Hello","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}' >/dev/null 2>&1
}

# fill COUNT: the same message under ever new ids; the function counts on from ARGV[1].
fill() {
  local at step=20000
  for ((at = 0; at < $1; at += step)); do
    redis EVAL "local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
      local fields, place = first[2], nil
      for i = 1, #fields, 2 do if fields[i] == 'id' then place = i + 1 end end
      for n = 1, tonumber(ARGV[2]) do
        fields[place] = string.format('01900000-0000-7%03x-8000-%012x', tonumber(ARGV[3]), ARGV[1] + n)
        redis.call('XADD', KEYS[1], '*', unpack(fields))
      end" 1 "$stream" "$at" "$step" "$round" >/dev/null
  done
}

# ticks PID…: the processor time that they have used, in hundredths of a second.
ticks() {
  local files=("${@/#//proc/}")
  awk '{ sub(/.*\) /, ""); ticks += $12 + $13 } END { print ticks }' "${files[@]/%//stat}"
}
idle_ticks() { awk '$1 == "cpu" { print $5 + $6 }' /proc/stat; }

# A point of the measurement: Redis's time in microseconds, what is left, and the ticks of the dispatchers, the mock, Redis
# and nobody.
point() {
  redis EVAL "local t = redis.call('TIME') return {t[1] * 1000000 + t[2], redis.call('XLEN', KEYS[1])}" 1 "$stream" | paste -sd ' '
  echo "$(ticks "${pids[@]:base}") $(ticks "${pids[mock]}") $(ticks "${pids[0]}") $(idle_ticks)"
}

measure() { # DISPATCHERS: prints a line of the table
  local n count from to share line=
  count=$((seconds * $1 * in_flight * 1000 / latency_ms))
  redis FLUSHALL >/dev/null
  wait_for 10 accept_one
  fill "$count"
  for ((n = 1; n <= $1; n++)); do start "dispatcher-$round-$n" "$BUILD_DIR/dispatcher"; done
  wait_for 60 backlog_is_below $((count * 9 / 10))
  from=$(point)
  wait_for 120 backlog_is_below $((count / 10))
  to=$(point)
  kill -TERM "${pids[@]:base}"
  wait "${pids[@]:base}"
  pids=("${pids[@]:0:base}")
  for ((n = 1; n <= $1; n++)); do
    share=$(grep -c '"event":"mock_dispatch_outcome"' "$folder/dispatcher-$round-$n.log")
    line+=" $share"
  done
  paste -sd ' ' <<<"$from $to" | awk -v n="$1" -v one="$one" -v most=$((in_flight * 1000 / latency_ms)) -v shares="$line" '{
    seconds = ($7 - $1) / 1e6
    speed = ($2 - $8) / seconds
    printf "%11d %10.0f %9.2f %11.0f%%", n, speed, one ? speed / one : 1, 100 * speed / (n * most)
    for (i = 3; i <= 6; i++) printf " %11.2f", ($(i + 6) - $i) / 100 / seconds
    printf "  %s\n", shares
  }'
}

start redis redis-server redis/redis.conf --port "$LOCAL_REDIS_PORT" --dir "$folder"
wait_for 20 redis_is_up
mock=${#pids[@]}
start mock-provider "$BUILD_DIR/mock-provider"
start ingest "$BUILD_DIR/ingest"
base=${#pids[@]}
wait_for 20 accept_one

printf 'provider latency %s ms, %s calls in flight each: at most %s a second each; %s cores, load %s before\n' "$latency_ms" "$in_flight" \
  "$((in_flight * 1000 / latency_ms))" "$(nproc)" "$(cut -d " " -f 1 /proc/loadavg)"
printf '%46scores:\n%11s %10s %9s %12s %11s %11s %11s %11s  %s\n' '' dispatchers 'sent/s' speed-up 'of the most' dispatchers mock redis idle shares
one=
round=0
for number in 1 2 4; do
  round=$((round + 1))
  line=$(measure "$number") || die 'the measurement failed'
  printf '%s\n' "$line"
  [ -n "$one" ] || one=$(awk '{ print $2 }' <<<"$line")
done
