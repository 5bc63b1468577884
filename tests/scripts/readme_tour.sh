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

# What a command prints, typed as it stands but for the port.
typed() {
  bash -c "${commands[0]//localhost:8080/127.0.0.1:$PORT}"$'\n'"$1" 2>&1 | normalized
}

answers_so() { # INDEX
  got=$(typed "${commands[$1]}")
  [ "$got" = "$(printf '%s' "${answers[$1]}" | normalized)" ]
}

the_tour_is_true() {
  local at
  [ "${#commands[@]}" -ge 9 ] || { echo 'the tour has fewer commands than the brief has flows' && return 1; }
  for ((at = 1; at < ${#commands[@]}; at++)); do
    # What is read may take a moment to be stored and sent; what is sent is sent once.
    case ${commands[at]} in
    *' -d '*) answers_so "$at" ;;
    *) wait_for 20 answers_so "$at" ;;
    esac || { printf '%s\nshould answer:\n%s\nbut answers:\n%s\n' "${commands[at]}" "${answers[at]}" "$got" && return 1; }
  done
}

claim_ports
read_tour
it 'the service starts' bin/start.sh --ephemeral
it 'each command of the tour answers as the README shows' the_tour_is_true
it 'the service stops' bin/stop.sh
finish
