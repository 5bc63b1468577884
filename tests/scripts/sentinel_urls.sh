#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# REDIS_URL with Sentinels in the scripts: they find the master whichever Sentinel is away, and bin/start.sh uses it. A URL
# that leads to a Sentinel or a replica is told the right form.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports
for name in MASTER_PORT REPLICA_PORT NODE_PORT BUS_PORT OPEN_PORT LOCKED_PORT STALE_PORT; do claim_port "$name"; done
servers=()

end_servers() {
  local status=$?
  if [ ${#servers[@]} -gt 0 ]; then kill -TERM "${servers[@]}" 2>/dev/null || true; fi
  clean_up "$status"
}
trap end_servers EXIT

start() { # NAME ARGUMENT…
  mkdir -- "$folder/$1"
  redis-server "${@:2}" --dir "$folder/$1" >"$folder/$1.log" &
  servers+=($!)
}
start_redis_at() { # NAME PORT ARGUMENT…
  start "$1" --port "$2" --bind 127.0.0.1 --save '' --requirepass s/ecret --masterauth s/ecret "${@:3}"
}
start_sentinel_at() { # NAME PORT MASTER_PORT EPOCH LINE…
  printf '%s\n' "port $2" 'bind 127.0.0.1' "sentinel monitor mymaster 127.0.0.1 $3 1" \
    "sentinel config-epoch mymaster $4" 'sentinel auth-pass mymaster s/ecret' "${@:5}" >"$folder/$1.conf"
  start "$1" "$folder/$1.conf" --sentinel
}

start_redis_at master "$MASTER_PORT"
start_redis_at replica "$REPLICA_PORT" --replicaof "127.0.0.1 $MASTER_PORT" --repl-diskless-sync-delay 0
start_redis_at node "$NODE_PORT" --cluster-enabled yes --cluster-port "$BUS_PORT"
start_sentinel_at open "$OPEN_PORT" "$MASTER_PORT" 7
start_sentinel_at locked "$LOCKED_PORT" "$MASTER_PORT" 7 'requirepass s/ecret'
start_sentinel_at stale "$STALE_PORT" 1 3 # it names a port at which nobody is any more
for port in "$MASTER_PORT" "$REPLICA_PORT" "$NODE_PORT" "$OPEN_PORT" "$LOCKED_PORT" "$STALE_PORT"; do wait_for 10 port_listens "$port"; done

away=127.0.0.1:1
url() { printf 'redis+sentinel://:s%%2Fecret@%s/%s' "$1" "$2"; } # SENTINELS NAME[/DATABASE]
is_master() { prints role:master redis_to "$1" info replication; }
fails_to() { fails_saying "$1" redis_to "$2" ping; } # TEXT URL

selects_the_database() {
  redis_to "$(url "127.0.0.1:$OPEN_PORT" mymaster/3)" set a-key a-value
  prints a-value redis_to "redis://:s%2Fecret@127.0.0.1:$MASTER_PORT/3" get a-key
}
# What was said is kept for the commands of one script; redis_answers asks anew.
asks_once() {
  local url
  url=$(url "127.0.0.1:$OPEN_PORT" mymaster)
  . bin/lib/redis.sh
  redis_answers "$url"
  [ "${masters[$url]}" = "7 127.0.0.1 $MASTER_PORT" ]
  masters[$url]='7 127.0.0.1 1'
  if redis_to "$url" ping; then return 1; fi
  redis_answers "$url"
}

it 'finds the master' is_master "$(url "127.0.0.1:$OPEN_PORT" mymaster)"
it 'finds it while a Sentinel is away' is_master "$(url "$away,127.0.0.1:$OPEN_PORT" mymaster)"
it 'finds it by a Sentinel that asks for a password' is_master "$(url "$away,127.0.0.1:$LOCKED_PORT" mymaster)"
it 'believes the greatest epoch' is_master "$(url "127.0.0.1:$STALE_PORT,127.0.0.1:$OPEN_PORT,$away" mymaster)"
it 'selects the database' selects_the_database
it 'asks once for all that a script does' asks_once
it 'says that none names such a master' fails_to \
  "no Sentinel of $away,127.0.0.1:$OPEN_PORT names a master 'nobody'" "$(url "$away,127.0.0.1:$OPEN_PORT" nobody)"
it 'says that none is there' fails_to "no Sentinel of $away names a master 'mymaster'" "$(url "$away" mymaster)"
it 'shows no password' prints 'redis+sentinel://:***@a:1,b:2/m' redact 'redis+sentinel://:s/e@c@a:1,b:2/m'

with() { REDIS_URL=$1 "${@:2}"; }
it 'breaker.sh finds it' with "$(url "$away,127.0.0.1:$OPEN_PORT" mymaster)" prints 'sms-mms' bin/breaker.sh status
it 'start.sh tells a Sentinel from a Redis' with "redis://127.0.0.1:$OPEN_PORT" fails_saying \
  'REDIS_URL must be redis+sentinel://host:port,host:port/mymaster, with all the Sentinels' bin/start.sh
it 'start.sh tells a replica from its master' with "redis://:s%2Fecret@127.0.0.1:$REPLICA_PORT" fails_saying \
  "is a replica, of 127.0.0.1 port $MASTER_PORT: REDIS_URL must name its master, or its Sentinels" bin/start.sh
it 'start.sh tells one of many masters' with "redis://:s%2Fecret@127.0.0.1:$NODE_PORT" fails_saying \
  "is one of a cluster's masters, and clusters aren't supported yet: REDIS_URL must name one that serves all" bin/start.sh
it 'start.sh says that no Sentinel names such a master' with "$(url "127.0.0.1:$OPEN_PORT" nobody)" fails_saying \
  "names a master 'nobody'" bin/start.sh

REDIS_URL=$(url "$away,127.0.0.1:$STALE_PORT,127.0.0.1:$OPEN_PORT" mymaster)
export REDIS_URL
has_no_redis_of_its_own() { [ ! -e "$run_dir/redis.pid" ] && ! port_listens "$LOCAL_REDIS_PORT"; }
it 'start.sh starts everything with such a URL' bin/start.sh
it 'but no Redis' has_no_redis_of_its_own
it 'delivers and stores a message' send_sms 'by Sentinel'
it 'status.sh looks into that Redis' prints 'Nothing is stuck.' bin/status.sh
it 'reconcile.sh, too' bin/reconcile.sh --dry-run
it 'stop.sh stops everything and leaves that Redis' bin/stop.sh
it 'which answers' is_master "$REDIS_URL"
finish
