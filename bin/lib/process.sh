# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the scripts that source it
# SPDX-License-Identifier: MIT
# Processes that this copy (this RUN_DIR) started. Sourced after bin/lib/common.sh.
#
# A process is known by three facts, kept when it is started: its id in <name>.pid, and in <name>.state the machine's
# boot and the tick at which it began, so that an id which the kernel gave to another process is never taken for ours,
# and the port it was given. Nothing is ever looked up or ended by its name.

programs=(mock-provider persister dispatcher ingest) # in the order of starting
started=()                                           # names that this run of the script has started

# process_birth PID: prints what tells the process from any other that ever had its id; 1 when it is dead.
process_birth() {
  local stat fields boot
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  case ${fields[0]} in Z | X) return 1 ;; esac
  read -r boot </proc/sys/kernel/random/boot_id
  printf '%s:%s\n' "$boot" "${fields[19]}"
}

# pid_of NAME: prints its process id; 1 when it isn't running.
pid_of() {
  local pid birth port
  { read -r pid <"$run_dir/$1.pid"; } 2>/dev/null || return 1
  { read -r birth port <"$run_dir/$1.state"; } 2>/dev/null || return 1
  [[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
  [ "$(process_birth "$pid")" = "$birth" ] || return 1
  printf '%s\n' "$pid"
}

is_running() { pid_of "$1" >/dev/null; }
is_stopped() { ! is_running "$1"; }

# port_of NAME: prints the port that the running process was given, or nothing.
port_of() {
  local birth port=
  { read -r birth port <"$run_dir/$1.state"; } 2>/dev/null || return 0
  [ "$port" = 0 ] || printf '%s\n' "$port"
}

# spawn NAME PORT OUTPUT COMMAND…: starts it so that it outlives this shell and its terminal and holds nothing of
# theirs open; what it prints is appended to OUTPUT.
spawn() {
  local name=$1 port=$2 output=$3
  shift 3
  (
    for descriptor in "/proc/$BASHPID/fd"/*; do
      descriptor=${descriptor##*/}
      if ((descriptor > 2 && descriptor != 255)); then eval "exec $descriptor>&-"; fi
    done
    exec setsid "$@" </dev/null >>"$output" 2>&1
  ) &
  local pid=$!
  printf '%s\n' "$pid" >"$run_dir/$name.pid"
  printf '%s %s\n' "$(process_birth "$pid" || echo dead)" "$port" >"$run_dir/$name.state"
  started+=("$name")
}

# stop_process NAME SIGNAL SECONDS: asks it to stop and waits; then asks again, and at last ends it.
stop_process() {
  local name=$1 signal=$2 seconds=$3 pid
  if pid=$(pid_of "$name"); then
    kill "-$signal" "$pid" 2>/dev/null || true
    if ! wait_for "$seconds" is_stopped "$name"; then
      warn "$name still runs after $seconds s: asking again"
      kill "-$signal" "$pid" 2>/dev/null || true
      if ! wait_for 5 is_stopped "$name"; then
        warn "$name (process $pid) doesn't stop: ending it"
        kill -KILL "$pid" 2>/dev/null || true
        wait_for 5 is_stopped "$name" || die "$name (process $pid) can't be ended"
      fi
    fi
  fi
  rm -f -- "$run_dir/$name.pid" "$run_dir/$name.state"
}

# stop_program NAME: drains one of the four programs. Each limits its drain itself; a second more is for its exit.
stop_program() {
  stop_process "$1" TERM "$((DRAIN_TIMEOUT_SECS + 1))"
  [ -s "$run_dir/$1.err" ] || rm -f -- "$run_dir/$1.err"
}

# show_log FILE: its last lines, indented.
show_log() {
  [ -s "$1" ] || return 0
  warn "  the end of $1:"
  tail -n 15 -- "$1" | cut -c1-400 | sed 's/^/    /' >&2
}

# cap_log FILE: a server's log that has grown past 10 MB is started again with the server.
cap_log() {
  if [ "$(stat -c %s -- "$1" 2>/dev/null || echo 0)" -gt 10485760 ]; then mv -f -- "$1" "$1.1"; fi
}

# require_port NAME PORT SETTING [HINT]: dies unless PORT is free, or is the one that our running NAME was given.
require_port() {
  local name=$1 port=$2 setting=$3 hint=${4:-}
  if is_running "$name"; then
    [ "$(port_of "$name")" = "$port" ] ||
      die "$name runs already, on port $(port_of "$name"), and $setting is $port: stop it first (bin/stop.sh)"
  elif port_listens "$port"; then
    die "port $port, for $name, is in use by another program: set $setting to a free port$hint"
  fi
}

# take_lock: one script at a time that starts or stops what is in a RUN_DIR.
take_lock() {
  exec {lock}>"$run_dir/lock"
  flock -w 120 "$lock" || die "another bin/start.sh or bin/stop.sh is still at work in $run_dir"
}
