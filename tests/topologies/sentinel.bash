# shellcheck shell=bash disable=SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# A master, a replica and three Sentinels, of which the first that the URL names is away all the time. An acceptance waits for the
# replica; where that isn't so, what is lost is counted.

SENTINEL_ASKED=2 # the one that the test asks

redis_now() {
  local master
  master=$(master_by "${sentinel_port[$SENTINEL_ASKED]}")
  redis_of "${master#* }" "$@"
}
sentinels_know_all() {
  local n
  for n in 1 2 3; do knows_all "${sentinel_port[$n]}" 3 1 || return 1; done
}
has_switched_to() { has_master "${sentinel_port[$SENTINEL_ASKED]}" "127.0.0.1 $1"; }

# switches_by PORT COMMAND…: the command, and the Sentinels then name the Redis of that port.
switches_by() {
  "${@:2}"
  wait_for 30 has_switched_to "$1"
}
returns_as_replica() { # NAME PORT PORT OF THE MASTER
  serve_redis "$1" "$2"
  wait_for 40 has_replicas "$3" 1
}
# Refused while that Sentinel doesn't see yet that the replica is up again, or another fail-over isn't over.
plans_switch() { [ "$(redis_of "${sentinel_port[$SENTINEL_ASKED]}" SENTINEL FAILOVER messages)" = OK ]; }

# Without WAIT: what of the promised ones Postgres doesn't have, and whether all that it has is sent.
lost_messages() { ledger_rows 'SELECT id FROM kept EXCEPT SELECT id FROM messages'; }
unsent_messages() { ledger_rows "SELECT id FROM kept JOIN deliveries ON message_id = id WHERE status <> 'sent'"; }
sends_what_it_recorded() {
  bin/reconcile.sh
  wait_for 30 is_drained
  unsent_messages >"$folder/unsent"
  cat -- "$folder/unsent"
  [ ! -s "$folder/unsent" ]
}
restart_ingest() { # NAME=VALUE…
  stop_process ingest TERM 15
  env "$@" bin/start.sh >/dev/null
}

begin_sentinel() {
  local n
  claim_port one_port
  claim_port two_port
  make_redis one "$one_port"
  make_redis two "$two_port" "replicaof 127.0.0.1 $one_port"
  for n in 1 2 3; do
    claim_port s_port
    sentinel_port[n]=$s_port
    make_sentinel "sentinel-$n" "$s_port" 127.0.0.1 "$one_port"
  done
  wait_for 30 has_replicas "$one_port" 1 || die "the replica doesn't follow"
  wait_for 30 sentinels_know_all || die "the Sentinels don't find one another"
  export REDIS_URL=redis+sentinel://127.0.0.1:${sentinel_port[1]},127.0.0.1:${sentinel_port[2]},127.0.0.1:${sentinel_port[3]}/messages
}

part_sentinel() {
  local at sentinel_port=() one_port two_port
  begin_sentinel
  export REDIS_WAIT_REPLICAS=1
  must 'master, replica, three Sentinels: the service starts on them' service_starts
  must 'bin/test.sh passes' service_passes
  kill_server sentinel-1

  clients_begin main 0 "http://127.0.0.1:$PORT"
  at=$(now_ms)
  must 'kill -9 of the master: the replica is promoted' switches_by "$two_port" kill_server one
  fact "kill -9: the Sentinels name the new master after $(($(now_ms) - at)) ms"
  must 'kill -9: the old master comes back and becomes its replica' returns_as_replica one "$one_port" "$two_port"
  must 'kill -9: sends are accepted again' go_on main
  fact "kill -9: longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"

  at=$(now_ms)
  must 'planned fail-over: the Sentinels name the other one' switches_by "$one_port" wait_for 30 plans_switch
  must 'planned fail-over: sends are accepted again' go_on main
  fact "planned fail-over: longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"
  clients_end
  all_is_well 'REDIS_WAIT_REPLICAS=1'

  rm -f -- "$folder"/ledger.*
  must 'without WAIT: ingest starts again' restart_ingest REDIS_WAIT_REPLICAS=0
  clients_begin late 1000000 "http://127.0.0.1:$PORT"
  at=$(now_ms)
  must 'without WAIT, kill -9 of the master: the replica is promoted' switches_by "$two_port" kill_server one
  must 'without WAIT, kill -9: sends are accepted again' go_on late
  fact "without WAIT, kill -9: longest time without a 202: $(longest_gap late "$at") ms; $(answers late "$at")"
  clients_end
  must 'without WAIT: all is worked off' drains
  must 'without WAIT: what Postgres has is sent, after bin/reconcile.sh' sends_what_it_recorded
  fact "without WAIT: $(lost_messages | wc -l) of $(promised | wc -l) messages with a 202 are lost"
}
