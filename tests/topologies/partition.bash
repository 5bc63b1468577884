# shellcheck shell=bash disable=SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# The old master on the wrong side of a cut: with it a Sentinel that goes on naming it, and an ingest that reaches no other.
# Each of three hosts is a network namespace: on the first a master, on the others its replicas, on each a Sentinel. The service
# is on a fourth, reaches all of them all the time, and hears two truths.
#
# An acceptance waits for one of two replicas, so that the new master has one. That loses nothing here, as the cut takes the
# master from both at once, and who has more is promoted.

address() { printf '10.77.0.%s' "$1"; }
OUTSIDE=254 # the service's

on_host() { nsenter -t "${host[$1]}" -n "${@:2}"; } # NUMBER COMMAND…
redis_on() { redis_of 6379 -h "$(address "$1")" "${@:2}"; }
sentinel_on() { on_host "$1" redis-cli -p 26379 "${@:2}"; }
named_by() { sentinel_on "$1" SENTINEL GET-MASTER-ADDR-BY-NAME messages | head -n 1; }
redis_now() { redis_of 6379 -h "$(named_by 3)" "$@"; }

has_own_net() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
make_net() {
  local n
  ip link set lo up
  ip link add hub type bridge
  ip addr add "$(address $OUTSIDE)/24" dev hub
  ip link set hub up
  for n in 1 2 3; do
    serve "host-$n" 0 unshare --net sleep infinity
    host[n]=$(on_server pid_of "host-$n")
    wait_for 5 has_own_net "${host[$n]}"
    ip link add "port-$n" type veth peer name eth0 netns "${host[$n]}"
    ip link set "port-$n" master hub up
    on_host "$n" ip link set lo up
    on_host "$n" ip addr add "$(address "$n")/24" dev eth0
    on_host "$n" ip link set eth0 up
  done
}
make_servers() {
  local n lines
  for n in 1 2 3; do
    lines=("bind $(address "$n") 127.0.0.1" 'protected-mode no')
    if [ "$n" != 1 ]; then lines+=("replicaof $(address 1) 6379"); fi
    net=${host[$n]} make_redis "redis-$n" 6379 "${lines[@]}"
    net=${host[$n]} make_sentinel "sentinel-$n" 26379 "$(address 1)" 6379 "sentinel announce-ip $(address "$n")"
  done
  wait_for 30 has_two_replicas && wait_for 30 sentinels_see_all
}
has_two_replicas() { [ "$(redis_on 1 INFO replication | grep -c state=online)" = 2 ]; }
sentinels_see_all() {
  local n
  for n in 1 2 3; do
    prints_line '^master0:.*status=ok.*slaves=2,sentinels=3$' sentinel_on "$n" INFO sentinel || return 1
  done
}

cut_off() { on_host 1 ip route add blackhole "$(address 2)" && on_host 1 ip route add blackhole "$(address 3)"; }
mend() { on_host 1 ip route del blackhole "$(address 2)" && on_host 1 ip route del blackhole "$(address 3)"; }
is_switched() {
  local by
  by=$(named_by 3)
  [ "$by" != "$(address 1)" ] && [ "$by" = "$(named_by 2)" ]
}
still_names_the_old() { [ "$(named_by 1)" = "$(address 1)" ] && prints_line '^master$' redis_on 1 ROLE; }
# Of the service nobody has a connection to the old master: those from outside the three hosts are its.
is_left_alone() {
  local clients
  clients=$(redis_on 1 CLIENT LIST TYPE normal) # among them the one that asks
  [ "$(grep -c " addr=$(address $OUTSIDE):" <<<"$clients")" = 1 ]
}
leaves_it_alone() { wait_for 5 is_left_alone || { redis_on 1 CLIENT LIST && return 1; }; }
nothing_was_accepted() { ! accepted_since "$1" "$2" 1 || { tail -n 3 "$folder/ledger.$1" && return 1; }; }
# None that the service accepted since then is on the old master.
got_nothing_since() { # MS
  local stream
  wait_for 20 accepted_since main "$1" "$RATE"
  awk -v since="$1" '$1 >= since && $3 == 202 { print $4 }' "$folder/ledger.main" | sort >"$folder/since"
  for stream in outbound events; do redis_on 1 XRANGE "$stream:{sms-mms:0}" - +; done |
    { grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' || true; } | sort -u | comm -12 - "$folder/since" >"$folder/astray"
  echo "$(wc -l <"$folder/astray") of $(wc -l <"$folder/since")"
  [ -s "$folder/since" ] && [ ! -s "$folder/astray" ]
}
follows_again() { wait_for 40 is_replica_now && wait_for 20 names_the_new; }
is_replica_now() { prints_line '^master_link_status:up$' redis_on 1 INFO replication; }
names_the_new() { [ "$(named_by 1)" = "$(named_by 3)" ]; }

serve_old_ingest() {
  claim_port old_port
  net=${host[1]} serve old-ingest "$old_port" env INSTANCE_ID=old-ingest PORT="$old_port" BIND_ADDRESS=127.0.0.1 \
    DATABASE_URL=postgres://127.0.0.1:1/none LOG_FILE="$folder/run-servers/old-ingest.log" "$BUILD_DIR/ingest"
  wait_for 20 on_host 1 curl -fs --noproxy '*' -o /dev/null "http://127.0.0.1:$old_port/healthz"
}

# The clients of both ingests together send RATE.
part_partition() {
  local at switched host=()
  RATE=$((RATE / 2))
  make_net
  must 'three hosts: master and Sentinel, twice replica and Sentinel' make_servers
  REDIS_URL=redis+sentinel://$(address 1),$(address 2),$(address 3)/messages
  export REDIS_URL REDIS_WAIT_REPLICAS=1
  must 'the service starts on a fourth' service_starts
  serve_old_ingest
  clients_begin main 0 "http://127.0.0.1:$PORT"
  net=${host[1]} clients_begin old 1000000 "http://127.0.0.1:$old_port"

  at=$(now_ms)
  must 'the first host is cut off from the others, not from the service' cut_off
  must 'the others promote a replica' wait_for 30 is_switched
  switched=$(now_ms)
  must 'the cut off Sentinel still names the old master, which still is one' still_names_the_old
  must 'the service leaves the old master alone, though that answers' leaves_it_alone
  must 'sends are accepted again' go_on main
  fact "longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"
  must 'with the old master nothing was accepted meanwhile' nothing_was_accepted old $((at + 1000))
  fact "there: $(answers old $((at + 1000)))"
  must 'of what the service accepted the old master got nothing' got_nothing_since $((switched + 1000))

  must 'the cut is mended: the old master becomes a replica' mend
  must 'it follows the new one, and its Sentinel names that' follows_again
  must 'sends to the ingest beside it are accepted again' go_on old
  clients_end
  all_is_well 'after all'
}
