#!/bin/sh
# SPDX-License-Identifier: MIT
# postgres-node.sh NAME PEER [OPTION…]: one of two Postgres servers, of which one follows the other.
# - Without data: it copies PEER and follows it, where PEER takes writes; else NAME `postgres` begins an empty database and
#   any other waits for PEER.
# - With data: it goes on as what it was. But two that take writes would part for good, so one that isn't a replica doesn't
#   start while PEER takes writes: PEER has been promoted meanwhile.
set -e
name=$1 peer=$2
shift 2

ask_peer() { # SQL
  PGCONNECT_TIMEOUT=3 PGPASSWORD=$POSTGRES_PASSWORD psql -h "$peer" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -X -w -q -A -t -c "$1"
}
peer_takes_writes() { [ "$(ask_peer 'SELECT NOT pg_is_in_recovery()' 2>/dev/null)" = t ]; }

# PG_VERSION comes last: whatever is there without it is what an interrupted copy left.
copy_peer() {
  ask_peer "DO 'BEGIN CREATE ROLE replicator LOGIN REPLICATION PASSWORD ''replicator_password''; EXCEPTION WHEN duplicate_object THEN NULL; END'"
  rm -rf "${PGDATA:?}"/*
  PGPASSWORD=replicator_password pg_basebackup -h "$peer" -U replicator -w -D "$PGDATA/new" --checkpoint=fast --write-recovery-conf
  chmod 700 "$PGDATA"
  mv "$PGDATA/new/PG_VERSION" "$PGDATA/version"
  mv "$PGDATA"/new/* "$PGDATA/"
  rmdir "$PGDATA/new"
  mv "$PGDATA/version" "$PGDATA/PG_VERSION"
}

if [ -s "$PGDATA/PG_VERSION" ]; then
  if [ ! -e "$PGDATA/standby.signal" ] && peer_takes_writes; then
    echo "$peer has been promoted and takes the writes: remove the volume of $name, to have it follow" >&2
    exit 1
  fi
elif peer_takes_writes; then
  copy_peer
elif [ "$name" != postgres ]; then
  echo "waiting for $peer" >&2
  exit 1
fi
exec docker-entrypoint.sh postgres -c "hba_file=/etc/postgresql/pg_hba.conf" -c "cluster_name=$(echo "$name" | tr - _)" "$@"
