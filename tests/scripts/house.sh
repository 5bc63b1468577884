#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The order of the house (ARCHITECTURE.md, "The tree"): private functions have names of their own, files form layers,
# and what comments and documents name is there.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

product=(shared ingest dispatcher persister)
mapfile -t product_files < <(find "${product[@]}" -name '*.[ch]' | sort)

# A name that two files define would tell a breakpoint or a profile's line nothing.
names_each_private_function_once() {
  awk '/^static [^=;]*\(/ && !/;[[:space:]]*$/ {
      sub(/\(.*/, ""); sub(/.*[ *]/, "")
      if ($0 != "" && !(($0, FILENAME) in seen)) { seen[$0, FILENAME]; files[$0] = files[$0] " " FILENAME; count[$0]++ }
    }
    END { for (name in count) if (count[name] > 1) { print name ":" files[name]; bad = 1 } exit bad }' "${product_files[@]}"
}

# A .c and its .h are one; what tsort says of a circle is its members.
includes_in_layers() {
  awk '/^#include "(shared|ingest|dispatcher|persister)\// {
      split($0, part, "\""); to = part[2]; from = FILENAME
      sub(/\.[ch]$/, "", to); sub(/\.[ch]$/, "", from)
      if (from != to) print from, to
    }' "${product_files[@]}" | tsort >/dev/null
}

# Paths in prose and comments, from the root; what the build makes and what is named by a pattern is left out.
names_what_is_there() {
  local path bad=0
  while IFS= read -r path; do
    if [ ! -e "$path" ]; then
      grep -rnF --include='*.md' --include='*.[ch]' --include='*.lua' --include='*.sh' --include='*.sql' -- "$path" \
        ./*.md docs "${product[@]}" redis bin tests | head -n 3
      bad=1
    fi
  done < <(find ./*.md docs "${product[@]}" redis bin tests Makefile Dockerfile -type f \
    \( -name '*.md' -o -name '*.[ch]' -o -name '*.lua' -o -name '*.sh' -o -name '*.bash' -o -name '*.sql' \
    -o -name Makefile -o -name Dockerfile \) ! -name CHANGELOG.md -print0 |
    xargs -0 grep -hoP '(?<![\w/.$}*{>-])(?:shared|ingest|dispatcher|persister|redis|bin|tests|docs|deploy|migrations)/[\w./-]*\w\.(?:c|h|lua|sql|sh|bash|md|yaml|yml|js|css|html|conf|acl|toml|py)\b(?![\w*])' |
    sort -u)
  return "$bad"
}

it 'names each private function once' names_each_private_function_once
it 'includes in layers, without a circle' includes_in_layers
it 'names only what is there' names_what_is_there
finish
