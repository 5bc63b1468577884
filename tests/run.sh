#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs all tests on the programs in BUILD_DIR (build): the unit suites, the integration suites, the tests of the scripts.
# They mostly wait, and each owns its ports, folder and servers, so TEST_JOBS (4) of them run at once; what one prints
# is shown when it ends, and last of all once more what says why one failed: of a long log often only the end is kept.
# `make test` builds first and calls this. Exit status 1 when any of them failed.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

BUILD_DIR=$(realpath -- "${BUILD_DIR:-build}")
export BUILD_DIR
unset MAKEFLAGS MAKELEVEL MFLAGS
work=$(mktemp -d)
chmod 711 "$work" # the databases' template in it is Postgres's user's
export TEST_TEMPLATES=$work/templates
mkdir -m 711 -- "$TEST_TEMPLATES"
trap 'rm -rf -- "$work"' EXIT
failed=()

# The integration suites, those that take longest first: what begins last must not be what all the others wait for.
suites() {
  local long='truth delivered rekey providers order senders clocks dispatcher abuse dead_letters failing sentinel replicas persister net fail_over read_replica'
  "$BUILD_DIR/tests/integration" --list | awk -v long="$long" '
    BEGIN { split(long, names, " "); for (i in names) place[names[i]] = i }
    { print ($1 in place ? place[$1] : 99), NR, $1 }' | sort -n -k 1,1 -k 2,2 | cut -d ' ' -f 3
}

# One line a job: its name, then its command.
jobs_to_run() {
  local suite script
  for suite in $(suites | head -n 5); do echo "integration:$suite $BUILD_DIR/tests/integration $suite"; done
  echo "unit $BUILD_DIR/tests/unit"
  for suite in $(suites | tail -n +6); do echo "integration:$suite $BUILD_DIR/tests/integration $suite"; done
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

# reasons NAME LINES: what says in that job's output why it failed: the assertions of a suite, the sentences of a script
# with the end of what was printed meanwhile; or else the end of all.
reasons() {
  local lines
  lines=$(awk '
    function show(i) { for (i = (held > 4 ? held - 4 : 0); i < held; i++) print kept[i]; held = 0 }
    /^[^ ]+\.c:[0-9]+:[FE]:/ || /^FAILED: / || /Sanitizer: / { show(); print; script = /^FAILED: /; next }
    script && /^    / { kept[held++] = $0; next }
    { show(); script = 0 }
    END { show() }' "$work/$1.out" | head -n "$2") || true
  if [ -z "$lines" ]; then lines=$(grep -v '^{' "$work/$1.out" | tail -n "$2") || true; fi
  printf '%s\n' "$lines" | cut -c 1-400 | sed 's/^/    /'
}

# Twenty lines or so, however many have failed.
show_failed() {
  local name lines=$((20 / ${#failed[@]}))
  for name in "${failed[@]}"; do
    printf 'FAILED: %s\n' "$name"
    reasons "$name" $((lines < 2 ? 2 : lines > 15 ? 15 : lines))
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
  show_failed
  exit 1
fi
