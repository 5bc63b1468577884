#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every fuzz target of BUILD_DIR/tests/fuzz for TIME seconds (60), as many at once as there are cores, from the
# seeds and from what earlier runs found (BUILD_DIR/corpus); FUZZ_TARGETS names some of them only. Prints executions per
# target. An input that breaks a target is left in BUILD_DIR/crashes/<target>/: once the fault is mended, it belongs
# into tests/fuzz/regression/<target>/. Exit status 1 when there is one.
set -euo pipefail
cd -- "$(dirname -- "$0")/../.."

BUILD_DIR=${BUILD_DIR:-build/fuzz}
TIME=${TIME:-60}
targets=()
for folder in tests/fuzz/seeds/*/; do targets+=("$(basename "$folder")"); done
if [ -n "${FUZZ_TARGETS:-}" ]; then read -r -a targets <<<"$FUZZ_TARGETS"; fi
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

fuzz() { # TARGET
  local found=$BUILD_DIR/corpus/$1 crashes=$BUILD_DIR/crashes/$1 inputs=("tests/fuzz/seeds/$1")
  mkdir -p -- "$found" "$crashes"
  if [ -d "tests/fuzz/regression/$1" ]; then inputs+=("tests/fuzz/regression/$1"); fi
  FUZZ_TARGET=$1 "$BUILD_DIR/tests/fuzz" -max_total_time="$TIME" -max_len=8192 -timeout=10 -rss_limit_mb=1024 \
    -dict="tests/fuzz/$1.dict" -artifact_prefix="$crashes/" -print_final_stats=1 "$found" "${inputs[@]}" \
    >"$BUILD_DIR/$1.log" 2>&1
}

report() { # TARGET
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$BUILD_DIR/$1.log")
  printf '%-10s %12s executions, %5s inputs kept\n' "$1" "${runs:-?}" "$(find "$BUILD_DIR/corpus/$1" -type f | wc -l)"
}

pids=()
for target in "${targets[@]}"; do
  while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
  fuzz "$target" &
  pids+=($!)
done
failed=()
for i in "${!targets[@]}"; do
  wait "${pids[i]}" || failed+=("${targets[i]}")
  report "${targets[i]}"
done
for target in "${failed[@]}"; do
  printf '\nBROKEN: %s (%s)\n' "$target" "$BUILD_DIR/crashes/$target/"
  grep -m1 -A25 -E 'ERROR|runtime error|broken:' "$BUILD_DIR/$target.log" || tail -n 30 "$BUILD_DIR/$target.log"
done
[ ${#failed[@]} = 0 ]
