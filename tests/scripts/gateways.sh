#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What docs/gateways.md shows to who writes a gateway: its example prints what stands below it, and its payloads are JSON.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

page=docs/gateways.md

# of_example FENCE: the first block of the example that begins with that line.
of_example() {
  sed -n '/<!-- example -->/,/<!-- \/example -->/p' "$page" | awk -v fence="$1" '
    /^```/ { if (inside) exit; inside = $0 == fence && !other; other = !inside && !other; next }
    inside'
}

prints_what_it_says() {
  local printed said
  printed=$(of_example '```bash' | bash -euo pipefail)
  said=$(of_example '```')
  printf '%s\n%s\n' "$printed" "$said"
  [ -n "$said" ] && [ "$printed" = "$said" ]
}

has_payloads_that_are_json() {
  local count
  count=$(awk '/^```/ { inside = $0 == "```json"; next } inside' "$page" | jq -s length)
  [ "$count" = 3 ]
}

it 'signs as the page says' prints_what_it_says
it 'shows payloads that are JSON' has_payloads_that_are_json
finish
