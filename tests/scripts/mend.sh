#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# redis/mend.sh: what it cuts off a log, and what it leaves.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

logs=$folder/appendonlydir
log=$logs/appendonly.aof.2.incr.aof
mkdir -- "$logs"

command_of() { # WORD…: as Redis writes it
  printf '*%d\r\n' $#
  for word in "$@"; do printf '$%d\r\n%s\r\n' ${#word} "$word"; done
}
begun=13 # bytes, from when on a step may have begun; what is torn before that Redis cuts off itself
step() { command_of MULTI && command_of XADD events '1-0' body "$1" && command_of SET key "$1" && command_of EXEC; }
step first >"$folder/first"
step second >"$folder/second"
second=$(stat -c %s "$folder/second")

lists() { # LINE…: the manifest
  printf 'file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\n' >"$logs/appendonly.aof.manifest"
  printf '%s\n' "$@" >>"$logs/appendonly.aof.manifest"
}
lists_as_redis_7() { lists 'file appendonly.aof.2.incr.aof seq 2 type i'; }
lists_as_redis_8() { lists 'file appendonly.aof.2.incr.aof seq 2 type i startoffset 0'; }

mend() { sh redis/mend.sh "$folder" "$@"; }
cuts_at_every_byte() {
  for ((end = begun; end < second; end++)); do
    { cat -- "$folder/first" && head -c "$end" -- "$folder/second"; } >"$log"
    mend 2>/dev/null
    cmp -- "$log" "$folder/first" || { echo "of $end bytes" && return 1; }
  done
}
leaves_it_before() {
  for ((end = 1; end < begun; end++)); do
    head -c "$end" -- "$folder/second" >"$folder/torn"
    leaves "$folder/first" "$folder/torn" || return 1
  done
}
leaves() { # FILE…: a log of these
  cat -- "$@" >"$folder/wanted"
  cp -- "$folder/wanted" "$log"
  mend && cmp -- "$log" "$folder/wanted"
}
begin() { command_of MULTI && command_of XADD events '1-0' body half; }
says_so() { mend 2>&1 | grep -q 'damaged from byte'; }
starts_what_it_is_told() { [ "$(mend printf '%s,' one 'and two')" = 'one,and two,' ]; }
starts_a_new_folder() { [ "$(sh redis/mend.sh "$folder/none" echo started)" = started ]; }

lists_as_redis_7
it 'cuts off a step that is not whole, wherever it ends' cuts_at_every_byte
it 'leaves to Redis what is torn before a step has begun' leaves_it_before
{ printf 'rubbish' && command_of SET other 'is whole'; } >"$folder/damaged"
it 'leaves a log that is damaged where no step begins' leaves "$folder/first" "$folder/damaged"
it 'leaves a whole log' leaves "$folder/first" "$folder/second"
it 'leaves an empty one' leaves /dev/null
begin >"$folder/begun"
it 'leaves one that went on behind such a step' leaves "$folder/first" "$folder/begun" "$folder/second"
it 'says so' says_so
it 'becomes the command that follows' starts_what_it_is_told
it 'starts a Redis that has no log yet' starts_a_new_folder
lists_as_redis_8
it 'reads the manifest of Redis 8' cuts_at_every_byte
finish
