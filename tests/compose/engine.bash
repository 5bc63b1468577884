# shellcheck shell=bash disable=SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# The Docker engine that the test runs on: the one that answers already, else one of the test's own, with its data in
# the test's folder, which leaves the machine's firewall and routing as they are and is ended with the test. Without a
# firewall's help containers reach each other and published ports are reached from this machine; what lies outside is
# reached by builds only, on the host's network. Sourced after tests/scripts/support.bash.

own_engine=

# What our engine is tried with, in this order.
storage_drivers=(overlay2 vfs)

engine_answers() { timeout 10 docker info >/dev/null 2>&1; }
engine_is_gone() { ! process_birth "$own_engine" >/dev/null; }
engine_came_up() { engine_answers || engine_is_gone; }

# try_engine STORAGE: starts ours; 1 when it doesn't come up.
try_engine() {
  local data=$folder/engine
  mkdir -p -- "$data"
  setsid dockerd --host "$DOCKER_HOST" --data-root "$data/data" --exec-root "$data/exec" --pidfile "$data/pid" \
    --storage-driver "$1" --bridge none --iptables=false --ip-masq=false --ip-forward=false \
    </dev/null >"$data/log" 2>&1 &
  own_engine=$!
  wait_for 60 engine_came_up && ! engine_is_gone
}

# end_engine: ours alone, by its id; its containers end with it.
end_engine() {
  [ -n "$own_engine" ] || return 0
  kill -TERM "$own_engine" 2>/dev/null || true
  if ! wait_for 60 engine_is_gone; then
    warn "our dockerd (process $own_engine) doesn't stop: ending it"
    kill -KILL "$own_engine" 2>/dev/null || true
  fi
  awk -v under="$folder/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
    while IFS= read -r mount; do umount -- "$mount" || true; done
  own_engine=
}

start_engine() {
  local storage
  if engine_answers; then
    say 'a Docker engine answers: it is used, and left running'
    return
  fi
  [ "$EUID" = 0 ] || die 'no Docker engine answers, and starting one takes root'
  export DOCKER_HOST=unix://$folder/docker.sock
  for storage in "${storage_drivers[@]}"; do
    if try_engine "$storage"; then
      say "started a Docker engine of our own ($(docker info --format '{{.ServerVersion}}, storage {{.Driver}}, cgroups v{{.CgroupVersion}}'))"
      return
    fi
    end_engine
  done
  die "no Docker engine runs on this machine: $(tail -n 1 -- "$folder/engine/log" | cut -c1-300)"
}

# needs_containers IMAGE: an engine that runs may still not be allowed to start anything.
needs_containers() {
  docker run --rm --network none "$1" true >"$folder/container" 2>&1 ||
    die "no container runs on this machine: $(tail -n 1 -- "$folder/container" | cut -c1-300)"
}
