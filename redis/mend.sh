#!/bin/sh
# SPDX-License-Identifier: MIT
# mend.sh FOLDER [COMMAND…]: before each start of a Redis whose --dir is FOLDER. Cuts off a step that is half in its
# append-only log, then becomes COMMAND. Never beside a Redis that runs there: what it is writing isn't whole either. For
# any sh: the containers of Redis have no other.
#
# A Redis that is killed, or whose machine fails, while it writes leaves a log that ends within a step: MULTI, some
# commands, no EXEC. Nobody was answered, so it never was. With aof-load-truncated Redis starts all the same, but of such
# a step cuts off the last command alone (7.0 and 8.0 do; Valkey did until its pull request 4342). The rest stays in the
# log, and the next EXEC behind it makes it happen at the start after that: half a send, whose Idempotency-Key was given
# to another one meanwhile.
#
# Where an EXEC follows, the log was begun again by a Redis that wasn't mended before, or is damaged elsewhere than at its
# end: what was acknowledged lies behind, and nothing is cut.
set -eu
folder=$1
shift

say() { printf 'redis/mend.sh: %s\n' "$*" >&2; }

# The last file of the log, by its manifest: lines "file NAME seq N type i", from Redis 8 on with more behind.
last_file() {
  manifest=$folder/appendonlydir/appendonly.aof.manifest
  if [ -r "$manifest" ]; then
    sed -n 's/^file \(.*\) seq [0-9]* type i.*/\1/p' "$manifest" | tail -n 1
  fi
}

checker() { command -v redis-check-aof || command -v valkey-check-aof || true; }

# How much of a log is whole, in bytes; nothing where all of it is, or where that can't be told.
whole_bytes() {
  "$(checker)" "$1" 2>&1 </dev/null | sed -n 's/^AOF analyzed: .* ok_up_to=\([0-9]*\), .*diff=[1-9].*/\1/p'
}

# FILE OFFSET: whether a step begins there. A lone command that is torn Redis cuts off itself.
begins_step() { [ "$(tail -c "+$(($2 + 1))" -- "$1" | head -c 15 | tr -d '\r\n')" = "*1\$5MULTI" ]; }

# FILE OFFSET: whether no whole EXEC lies behind it; false where that can't be told. Of an unfinished one the line doesn't
# end. BusyBox's tr knows no [:print:].
is_unfinished() {
  seen=$({ tail -c "+$(($2 + 1))" -- "$1" && printf '.'; } | tr -cd '\040-\176\n' | sed -n '/^EXEC$/p; $s/.*\.$/end/p')
  [ "$seen" = end ]
}

file=$(last_file)
if [ -n "$file" ] && [ -z "$(checker)" ]; then
  say "there is no redis-check-aof: whether the log ends within a step isn't known"
elif [ -n "$file" ]; then
  file=$folder/appendonlydir/$file
  whole=$(whole_bytes "$file")
  if [ -z "$whole" ] || ! begins_step "$file" "$whole"; then
    : # all of it, or Redis's own task
  elif is_unfinished "$file" "$whole"; then
    say "$file ends within a step: cut off at byte $whole"
    truncate -s "$whole" -- "$file"
  else
    say "$file is damaged from byte $whole on, but not only at its end: it is left as it is"
  fi
fi
if [ $# -gt 0 ]; then exec "$@"; fi
