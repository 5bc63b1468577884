#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Types the README's tour at a fresh service, and holds what it answers against what the README shows.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

# What differs from run to run: ids of sends (UUIDv7; a webhook's id is always the same), times, the limiter's clock.
normalized() {
  sed -E -e 's/\r$//' -e 's/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/ID/g' \
    -e 's/^Date: .*/Date: DATE/' -e 's/^RateLimit-Reset: [0-9]+/RateLimit-Reset: N/'
}

# read_tour: sets `commands` and `answers`, one of each a line that begins with "$ " in the section's console blocks. Lines
# indented by four spaces go on with the command.
read_tour() {
  local line inside='' at=-1
  commands=() answers=()
  while IFS= read -r line; do
    case $line in
    '```console') inside=yes ;;
    '```') inside= ;;
    *)
      if [ -z "$inside" ]; then continue; fi
      if [[ $line == '$ '* ]]; then
        at=$((at + 1))
        commands[at]=${line#'$ '} answers[at]=
      elif [[ $line == '    '* ]]; then
        commands[at]+=$'\n'$line
      else
        answers[at]+=$line$'\n'
      fi
      ;;
    esac
  done < <(sed -n '/^## A tour$/,/^## Watch it$/p' README.md)
}

# What a command prints, typed as it stands but for the ports.
typed() {
  local command=${commands[0]}$'\n'$1
  command=${command//localhost:8080/127.0.0.1:$PORT}
  bash -c "${command//localhost:8090/127.0.0.1:$MOCK_PROVIDER_PORT}" 2>&1 | normalized
}

# Whoever types takes longer than the mock needs to see that it was told something.
changes() { grep -c '"event":"mock_config_changed"' "$run_dir/mock-provider.log" || true; }
goes_by_the_next() { [ "$(changes)" -gt "$1" ]; }

answers_so() { # INDEX
  got=$(typed "${commands[$1]}")
  [ "$got" = "$(printf '%s' "${answers[$1]}" | normalized)" ]
}

the_tour_is_true() {
  local at before
  [ "${#commands[@]}" -ge 9 ] || { echo 'the tour has fewer commands than the brief has flows' && return 1; }
  for ((at = 1; at < ${#commands[@]}; at++)); do
    before=$(changes)
    # What is read may take a moment to be stored and sent; what is sent is sent once.
    case ${commands[at]} in
    *' -d '*) answers_so "$at" ;;
    *) wait_for 20 answers_so "$at" ;;
    esac || { printf '%s\nshould answer:\n%s\nbut answers:\n%s\n' "${commands[at]}" "${answers[at]}" "$got" && return 1; }
    case ${commands[at]} in *mock/config*) wait_for 5 goes_by_the_next "$before" ;; esac
  done
}

export API_PROVIDER_RECEIPTS_PCT=''
claim_ports
read_tour
it 'the service starts' bin/start.sh --ephemeral
it 'each command of the tour answers as the README shows' the_tour_is_true
it 'the service stops' bin/stop.sh
finish
