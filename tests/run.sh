#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs all tests on the programs in BUILD_DIR (build): the unit suites, the integration suites, the tests of the scripts.
# They mostly wait, and each owns its ports, folder and servers, so TEST_JOBS (4) of them run at once; what one prints
# is shown when it ends. `make test` builds first and calls this. Exit status 1 when any of them failed.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

BUILD_DIR=$(realpath -- "${BUILD_DIR:-build}")
export BUILD_DIR
unset MAKEFLAGS MAKELEVEL MFLAGS
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
failed=()

# One line a job: its name, then its command.
jobs_to_run() {
  local suite script
  for suite in $("$BUILD_DIR/tests/integration" --list); do echo "integration:$suite $BUILD_DIR/tests/integration $suite"; done
  echo "unit $BUILD_DIR/tests/unit"
  for script in tests/scripts/*.sh; do echo "script:$(basename "$script" .sh) bash $script"; done
}

run_job() { # NAME COMMAND…
  local name=$1 begin=$SECONDS status=0
  shift
  "$@" </dev/null >"$work/$name.out" 2>&1 || status=$?
  echo "$status $((SECONDS - begin))" >"$work/$name.ended"
}

# Shows the jobs that have ended since the last time.
show_ended() {
  local file name status seconds
  for file in "$work"/*.ended; do
    [ -e "$file" ] || continue
    name=$(basename "$file" .ended)
    read -r status seconds <"$file"
    rm -- "$file"
    printf '== %s (%s s)\n' "$name" "$seconds"
    cat -- "$work/$name.out"
    if [ "$status" != 0 ]; then failed+=("$name"); fi
  done
}

begin=$SECONDS
running=0
while read -r -a job <&3; do
  if [ "$running" -ge "${TEST_JOBS:-4}" ]; then
    wait -n
    running=$((running - 1))
    show_ended
  fi
  run_job "${job[@]}" 3<&- &
  running=$((running + 1))
done 3< <(jobs_to_run)
wait
show_ended

printf 'all tests took %s s\n' "$((SECONDS - begin))"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
