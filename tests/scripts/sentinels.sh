#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The users replica and sentinel of redis/users.acl: with their rights alone a replica follows its master, and
# Sentinels find each other, have it promoted and the old master follow. And the containers' health check, which asks
# Sentinels where the master is.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_port FIRST_PORT
claim_port SECOND_PORT
claim_port SENTINEL_PORT
claim_port OTHER_SENTINEL_PORT
export REDISCLI_AUTH=of-a-test
servers=()

end_servers() {
  local status=$?
  if [ ${#servers[@]} -gt 0 ]; then kill -TERM "${servers[@]}" 2>/dev/null || true; fi
  wait
  clean_up "$status"
}
trap end_servers EXIT

start() { # NAME ARGUMENT…
  mkdir -- "$folder/$1"
  redis-server "${@:2}" --dir "$folder/$1" --logfile "$folder/$1.log" &
  servers+=($!)
}
redis() { redis-cli --no-auth-warning --user operator -p "$@"; } # PORT ARGUMENT…
answers() { [ "$(redis "$1" ping 2>/dev/null)" = PONG ]; }
sentinel() { redis "$SENTINEL_PORT" sentinel "$@"; }
has() { # TEXT COMMAND…
  "${@:2}" 2>/dev/null | tr -d '\r' | grep -qx "$1"
}
within() { wait_for 30 "$@" || { tail -n 20 -- "$folder"/*.log && return 1; }; }

# As an administrator does: a password for each user, and a file for each server.
make_users() {
  local name
  for name in first second; do sed '2,$s/$/ >of-a-test/' redis/users.acl >"$folder/$name.acl"; done
}
start_server() { # NAME PORT ARGUMENT…
  cp redis/redis.conf "$folder/$1.conf" # Sentinels have it rewritten
  start "$1" "$folder/$1.conf" --port "$2" --aclfile "$folder/$1.acl" --masteruser replica --masterauth of-a-test "${@:3}"
}
start_sentinel() { # NAME PORT
  cat >"$folder/$1.conf" <<CONFIGURATION
port $2
user default off
user operator on allchannels +@all >of-a-test
sentinel sentinel-user operator
sentinel sentinel-pass of-a-test
sentinel monitor test 127.0.0.1 $FIRST_PORT 1
sentinel auth-user test sentinel
sentinel auth-pass test of-a-test
CONFIGURATION
  start "$1" "$folder/$1.conf" --sentinel
}

follows() { within has master_link_status:up redis "$1" info replication; }
knows_one() { [ "$(sentinel master test | grep -A 1 -x "num-$1" | tail -n 1)" = 1 ]; } # slaves, other-sentinels
is_promoted() { within has role:master redis "$SECOND_PORT" info replication; }
has_the_file_rewritten() { within grep -q "^replicaof 127.0.0.1 $SECOND_PORT" "$folder/first.conf"; }
keeps_what_was_written() { [ "$(redis "$SECOND_PORT" get a-key)" = kept ]; }
logs_no_refusal() { ! grep -iE 'NOPERM|WRONGPASS|NOAUTH' "$folder"/*.log; }

# A client of the new master that waits under a program's name. Nobody listens where the first Sentinel should be.
wait_as_dispatcher() {
  printf '%s\n' 'CLIENT SETNAME box-dispatcher-0' 'BLPOP nothing 60' | redis "$SECOND_PORT" >/dev/null 2>&1 &
  servers+=($!)
}
healthy() { # PASSWORD NAME PROGRAM
  HOSTNAME=box REDIS_URL=redis+sentinel://operator:$1@127.0.0.1:1,127.0.0.1:$SENTINEL_PORT/$2 \
    timeout 5 bin/healthcheck.sh redis "$3" 2>/dev/null
}
is_healthy() { wait_for 10 healthy "$@"; }
is_sick() { ! healthy "$@"; }

make_users
start_server first "$FIRST_PORT"
start_server second "$SECOND_PORT" --replicaof "127.0.0.1 $FIRST_PORT"
within answers "$FIRST_PORT"
within answers "$SECOND_PORT"
it 'as the user replica a replica follows' follows "$SECOND_PORT"
redis "$FIRST_PORT" set a-key kept >/dev/null
start_sentinel sentinel "$SENTINEL_PORT"
start_sentinel other "$OTHER_SENTINEL_PORT"
it 'as the user sentinel a Sentinel finds another' within knows_one other-sentinels
it 'and the replica' within knows_one slaves
redis "$FIRST_PORT" wait 1 5000 >/dev/null
sentinel failover test >/dev/null
it 'as the user sentinel a Sentinel promotes it' is_promoted
it 'the old master follows, and its file says so' has_the_file_rewritten
it 'it follows as the user replica' follows "$FIRST_PORT"
it 'the new master has what was written' keeps_what_was_written
wait_as_dispatcher
it 'a health check finds the master by a Sentinel that asks for a password' is_healthy of%2Da%2Dtest test dispatcher
it 'one with a wrong password fails' is_sick wrong test dispatcher
it 'one of a master that no Sentinel knows fails' is_sick of-a-test other dispatcher
it 'one of what is not connected fails' is_sick of-a-test test persister
it 'nobody was refused anything' logs_no_refusal
finish
