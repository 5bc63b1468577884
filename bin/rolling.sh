#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/rolling.sh [--seconds N] SERVICE…

Restarts the services' containers (docker-compose.yml) one after the other, each when the one before is healthy again;
N (60) is how long one may take to become so. Clients don't notice: with two or more ingests the others serve, with one
requests wait at the proxy.
END
}

# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.sh"

is_healthy() { # CONTAINER
  [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = healthy ]
}

restart_all() { # SERVICE SECONDS
  local containers container name
  containers=$(compose ps -q "$1")
  [ -n "$containers" ] || die "no container of $1 runs"
  for container in $containers; do
    name=$(docker inspect --format '{{.Name}}' "$container")
    docker restart --time 15 "$container" >/dev/null
    wait_for "$2" is_healthy "$container" || die "${name#/} is not healthy $2 s after its restart"
    say "${name#/} was restarted and is healthy"
  done
}

main() {
  local seconds=60
  case ${1:-} in
  -h | --help) usage && exit 0 ;;
  --seconds) seconds=${2:?} && shift 2 ;;
  esac
  [ $# -gt 0 ] || die 'which services? see bin/rolling.sh --help'
  for service in "$@"; do restart_all "$service" "$seconds"; done
}

main "$@"
