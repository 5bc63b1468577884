#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs each suite by itself, again and again, beside processes that keep the machine busy, and prints how often it failed
# and how long it took at most: what depends on a machine's speed shows here. `make test-repeat` builds first and calls it.
#   SUITES='unit:log integration:*'   which: unit:NAME, integration:NAME, script:NAME, or patterns of these (all)
#   TIMES=20                          how often (unit suites 20 times, the others 5)
#   BUSY=2                            busy processes beside it (none)
#   BUILD_DIR=…                       where the programs are (build)
# What a failed run has printed is kept in BUILD_DIR/repeat. Exit status 1 when any failed.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

BUILD_DIR=$(realpath -- "${BUILD_DIR:-build}")
export BUILD_DIR
unset MAKEFLAGS MAKELEVEL MFLAGS
kept=$BUILD_DIR/repeat
output=$(mktemp)
busy=()
failures=0

clean_up() {
  if [ ${#busy[@]} -gt 0 ]; then kill -- "${busy[@]}"; fi
  rm -f -- "$output"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

all_suites() {
  tests/suites.sh unit | sed 's/^/unit:/'
  "$BUILD_DIR/tests/integration" --list | sed 's/^/integration:/'
  find tests/scripts -name '*.sh' -printf 'script:%f\n' | sed 's/\.sh$//' | sort
}

chosen_suites() {
  local suite pattern patterns
  read -r -a patterns <<<"${SUITES:-*}"
  all_suites | while read -r suite; do
    for pattern in "${patterns[@]}"; do
      # shellcheck disable=SC2053 # it is a pattern
      if [[ $suite == $pattern ]]; then echo "$suite" && break; fi
    done
  done
}

keep_busy() {
  local i
  for ((i = 0; i < ${BUSY:-0}; i++)); do
    while :; do :; done &
    busy+=($!)
  done
}

run_suite() { # unit:NAME, integration:NAME, script:NAME
  local name=${1#*:}
  case $1 in
  unit:*) "$BUILD_DIR/tests/unit" "$name" ;;
  integration:*) "$BUILD_DIR/tests/integration" "$name" ;;
  script:*) bash "tests/scripts/$name.sh" ;;
  esac
}

now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

repeat_suite() { # SUITE TIMES
  local suite=$1 times=$2 run begun took failed=0 slowest=0
  for ((run = 1; run <= times; run++)); do
    begun=$(now_ms)
    if ! run_suite "$suite" </dev/null >"$output" 2>&1; then
      failed=$((failed + 1))
      cp -- "$output" "$kept/${suite/:/-}.$run.out"
    fi
    took=$(($(now_ms) - begun))
    if [ "$took" -gt "$slowest" ]; then slowest=$took; fi
  done
  printf '%-36s %5d %9d %8d.%03d s\n' "$suite" "$times" "$failed" "$((slowest / 1000))" "$((slowest % 1000))"
  failures=$((failures + failed))
}

times_of() {
  case $1 in
  unit:*) echo "${TIMES:-20}" ;;
  *) echo "${TIMES:-5}" ;;
  esac
}

mapfile -t suites < <(chosen_suites)
if [ ${#suites[@]} = 0 ]; then
  echo "no suite is called '${SUITES:-}'" >&2
  exit 2
fi
rm -rf -- "$kept"
mkdir -p -- "$kept"
keep_busy
printf '%-36s %5s %9s %14s\n' suite runs failures slowest
for suite in "${suites[@]}"; do repeat_suite "$suite" "$(times_of "$suite")"; done
if [ "$failures" -gt 0 ]; then
  printf '%s runs failed: what they printed is in %s\n' "$failures" "$kept"
  exit 1
fi
