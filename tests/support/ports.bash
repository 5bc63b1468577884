# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Ports for tests that run side by side. A port is often bound long after it was chosen, so its file in ports_folder is
# locked from then on, by a descriptor of this shell, until it and all that it has started have ended; tests/support/port.c
# does the same. Needs bin/lib/common.sh.

ports_folder=/tmp/messaging-test-ports

# lock_port PORT: whether it is free and now ours.
lock_port() {
  local file=$ports_folder/$1 descriptor
  if mkdir -- "$ports_folder" 2>/dev/null; then chmod 777 -- "$ports_folder"; fi
  [ -d "$ports_folder" ] || die "there is no folder $ports_folder"
  if [ ! -e "$file" ]; then (umask 022 && : >>"$file") 2>/dev/null || return 1; fi
  [ -r "$file" ] || return 1
  exec {descriptor}<"$file"
  if flock --nonblock "$descriptor" && ! port_listens "$1"; then return; fi
  exec {descriptor}<&-
  return 1
}

# claim_port NAME: sets and exports NAME to a port that is free and that no other test is given meanwhile.
claim_port() {
  local port
  until port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000)) && lock_port "$port"; do :; done
  export "$1=$port"
}

# claim_ports: the four that bin/start.sh takes.
claim_ports() {
  claim_port PORT
  claim_port MOCK_PROVIDER_PORT
  claim_port LOCAL_REDIS_PORT
  claim_port LOCAL_POSTGRES_PORT
}
