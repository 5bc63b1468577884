#!/bin/sh
# SPDX-License-Identifier: MIT
# redis-node.sh ADDRESS [MASTER]: a Redis at ADDRESS that the Sentinels watch, whose addresses are in SENTINELS. It follows
# whom they name. Where none answers it goes on as it was, and at its first start follows MASTER, if one is given.
# Sentinels have whom a Redis follows written to its configuration. So that is a copy of the shipped one, where Redis may
# write, made anew at each start but for that line.
set -e
configuration=/data/redis.conf

named_master() {
  for sentinel in $SENTINELS; do
    timeout 1 redis-cli -h "$sentinel" -p 26379 sentinel get-master-addr-by-name messaging 2>/dev/null | head -n 1 &
  done | sed -n '/^[0-9a-f.:]\{1,\}$/{p;q;}'
}

master=$(named_master)
if [ "$master" = "$1" ]; then
  follows=
elif [ -n "$master" ]; then
  follows="replicaof $master 6379"
elif [ -e "$configuration" ]; then
  follows=$(grep '^replicaof ' "$configuration" || true)
else
  follows=${2:+replicaof $2 6379}
fi
{
  cat /etc/redis/redis.conf
  printf '%s\n' 'bind 0.0.0.0' 'protected-mode no' 'dir /data' "$follows"
} >"$configuration.new"
mv "$configuration.new" "$configuration"
exec sh /etc/redis/mend.sh /data redis-server "$configuration"
