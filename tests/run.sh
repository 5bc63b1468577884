#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs all tests on the programs in BUILD_DIR (build): the unit suites, the tests of the scripts, the integration
# suites. `make test` builds first and calls this. Exit status 1 when any of them failed; Check's own counts come last.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

BUILD_DIR=$(realpath -- "${BUILD_DIR:-build}")
export BUILD_DIR
unset MAKEFLAGS MAKELEVEL MFLAGS
failed=()

run() { # NAME COMMAND…
  local name=$1 begin=$SECONDS
  shift
  printf '== %s\n' "$name"
  "$@" </dev/null || failed+=("$name")
  printf '   (%s s)\n' "$((SECONDS - begin))"
}

run_scripts() {
  local status=0
  for script in tests/scripts/*.sh; do bash "$script" || status=1; done
  return "$status"
}

begin=$SECONDS
run 'the scripts' run_scripts
run 'unit suites' "$BUILD_DIR/tests/unit"
run 'integration suites' "$BUILD_DIR/tests/integration"
printf 'all tests took %s s\n' "$((SECONDS - begin))"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi
