#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The service beyond one machine, with real processes of Debian's Redis and Postgres: tests/topologies/run.sh [PART…]
#
#   tls          a Redis that speaks TLS only and asks for certificates; certificates that are wrong; that are exchanged
#   sentinel     a master, a replica and three Sentinels, one of them away: kill -9, planned fail-over, without WAIT
#   partition    the old master on the wrong side of a cut, in network namespaces; takes root
#   postgres     a primary and a streaming replica: planned switch, kill -9, synchronous and not
#   credentials  two passwords, exchanged one after the other
#
# Each part starts its servers and the service as a person would, runs bin/test.sh on it, and breaks things while clients
# post 300 sends a second. A line is a fact; the first broken promise ends it with status 1. Without PART all of them run, two
# at a time.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/../scripts/support.bash"
# shellcheck source=bin/lib/memory.sh
. bin/lib/memory.sh
# shellcheck source=bin/lib/postgres.sh
. bin/lib/postgres.sh
# shellcheck source=tests/compose/load.bash
. tests/compose/load.bash
# shellcheck source=tests/topologies/clients.bash
. tests/topologies/clients.bash
# shellcheck source=tests/topologies/servers.bash
. tests/topologies/servers.bash

BUILD_DIR=$(realpath -- "$BUILD_DIR")
# Short times, so that what would take minutes shows within seconds. Many attempts: an outage mustn't use them up.
export API_WORKER_CLAIM_TIMEOUT_SECS=4 PROVIDER_TIMEOUT_MS=1000 PROVIDER_CONNECT_TIMEOUT_MS=300 DATABASE_TIMEOUT_MS=2000
export API_WORKER_MAX_RETRIES=500 API_WORKER_BACKOFF_BASE_MS=50 API_WORKER_BACKOFF_CAP_MS=500
unset API_PROVIDER_RECEIPTS_PCT # support.bash's; bin/test.sh looks at receipts, too

# must SENTENCE COMMAND…: what is promised: ends it all where it isn't kept.
must() {
  it "$@"
  if [ "$failed" != 0 ]; then exit 1; fi
  fact "$1"
}
fact() { say "  $*"; }

# service_starts, service_passes: as a person starts it, and tries it.
service_starts() { bin/start.sh; }
service_passes() {
  bin/test.sh >"$folder/tried" || { grep -v '^ok' "$folder/tried" && return 1; }
}
stop_service() { bin/stop.sh >/dev/null; }

# The database of the service: the private one, unless the part sets `database`.
sql() { psql -X -w -q -A -t -v ON_ERROR_STOP=1 "$@" "${database:-$(private_database_url)}"; }
is_drained() {
  local left
  left=$(redis_now EVAL "local n = 0
    for _, p in ipairs({'{sms-mms:0}', '{email:0}'}) do
      n = n + redis.call('XLEN', 'outbound:' .. p) + redis.call('XLEN', 'events:' .. p) + redis.call('HLEN', 'parked:' .. p)
        + redis.call('HLEN', 'held:' .. p)
    end
    return n" 0) && [ "$left" = 0 ]
}
drains() { wait_for 60 is_drained || { echo 'something is left' && redis_now INFO replication && return 1; }; }
# bin/test.sh leaves sends that fail.
has_exact_counts() {
  sql -F ': ' -f tests/chaos/counts.sql >"$folder/counts"
  ! grep -v -e ': 0$' -e '^outbound messages that are not sent' "$folder/counts"
}

# all_is_well WHEN: what must hold once the clients have ended.
all_is_well() {
  must "$1: all is worked off" drains
  must "$1: each of $(promised | wc -l) messages with a 202 is in Postgres, with its body" loses_nothing
  must "$1: no send is stored twice, whatever its client was told before" stores_nothing_twice
  must "$1: each is sent" sends_all
  must "$1: and was called, under one key" calls_each
  must "$1: the counts are exact" has_exact_counts
  fact "$1: calls repeated under one key: $(repeated_calls)"
}

# begin_part: ports and folders of its own.
begin_part() {
  say "$1"
  claim_ports
  export RUN_DIR=$folder/run-$1 MOCK_LEDGER_FILE=$folder/mock-$1
  run_dir=$RUN_DIR
  begin=$SECONDS
}
end_part() {
  clients_end
  stop_service
  end_servers
  rm -rf -- "$folder"/ledger.* "$folder/run-servers"
  unset REDIS_URL DATABASE_URL DATABASE_READ_URL REDIS_WAIT_REPLICAS database
  export REDIS_URL='' DATABASE_URL=''
  say "  ($((SECONDS - begin)) s)"
}

run_part() {
  # shellcheck disable=SC1090 # each is linted by itself
  . "tests/topologies/$1.bash"
  begin_part "$1"
  "part_$1"
  end_part
}
run_all() {
  local status=0
  bash tests/topologies/run.sh tls postgres credentials >"$folder/beside" 2>&1 &
  helpers+=($!)
  bash tests/topologies/run.sh sentinel partition || status=$?
  wait "${helpers[@]}" || status=$?
  helpers=()
  cat -- "$folder/beside"
  return "$status"
}
# In a network namespace of its own, by another run of this script.
run_within() {
  if [ -n "${OWN_NET:-}" ]; then
    run_part "$1"
  elif [ "$EUID" = 0 ]; then
    OWN_NET=yes unshare --net bash tests/topologies/run.sh "$1"
  else
    die "$1: network namespaces take root"
  fi
}

tear_down() {
  local status=$?
  trap - EXIT
  kill -KILL "${posting[@]}" 2>/dev/null || true
  kill -TERM "${helpers[@]}" 2>/dev/null || true
  wait "${posting[@]}" "${helpers[@]}" 2>/dev/null || true
  end_servers
  clean_up "$status"
}
trap tear_down EXIT

if [ $# = 0 ]; then
  run_all
  exit
fi
for part in "$@"; do
  case $part in
  partition) run_within "$part" ;;
  tls | sentinel | postgres | credentials) run_part "$part" ;;
  *) die "there is no part '$part'" ;;
  esac
done
