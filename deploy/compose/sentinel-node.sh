#!/bin/sh
# SPDX-License-Identifier: MIT
# sentinel-node.sh MASTER: a Sentinel. What it learns it writes to its configuration, which it keeps: so after a restart of
# everything, too, it knows who has become master. It needs addresses: while it looks up the name of a container that is gone
# it stands still, and promotes nobody.
set -e
configuration=/data/sentinel.conf
if [ ! -e "$configuration" ]; then
  cat >"$configuration.new" <<CONFIGURATION
port 26379
protected-mode no
dir /data
sentinel monitor messaging $1 6379 2
sentinel down-after-milliseconds messaging 5000
sentinel failover-timeout messaging 20000
CONFIGURATION
  mv "$configuration.new" "$configuration"
fi
exec redis-server "$configuration" --sentinel
