# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the scripts that source it
# SPDX-License-Identifier: MIT
# The data of the private servers in memory only (bin/start.sh --ephemeral): RUN_DIR/memory is then a link to their
# folder, and is gone when they are stopped. Sourced after bin/lib/common.sh.

in_memory() { [ -L "$run_dir/memory" ]; }

# prefer_memory: while the data is in memory, the servers are ours, whatever the URLs say.
prefer_memory() {
  if in_memory; then unset REDIS_URL REDIS_CA_FILE REDIS_CERT_FILE REDIS_KEY_FILE DATABASE_URL; fi
}

# make_memory: a folder in memory (or, where that is small, in /tmp) for both servers, linked as RUN_DIR/memory.
make_memory() {
  local parent=${TMPDIR:-/tmp} free folder
  free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
  if [ -w /dev/shm ] && [ "${free:-0}" -gt 1048576 ]; then parent=/dev/shm; fi
  folder=$(mktemp -d "$parent/messaging-service.XXXXXX")
  ln -sfn -- "$folder" "$run_dir/memory"
}

# drop_memory: takes that folder away, once both servers are stopped.
drop_memory() {
  local folder
  in_memory || return 0
  folder=$(readlink -- "$run_dir/memory")
  case $folder in */messaging-service.??????) rm -rf -- "$folder" ;; esac
  rm -f -- "$run_dir/memory"
}
