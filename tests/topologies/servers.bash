# shellcheck shell=bash disable=SC2154 # `folder` and `root` are support.bash's
# SPDX-License-Identifier: MIT
# Servers of the tests of topologies: Redis, Sentinels, Postgres, as Debian packages them. Each has a name; its process is
# kept as bin/lib/process.sh does, and its log and data lie in $folder/run-servers.

# on_server COMMAND…: a command of bin/lib/process.sh about one of the servers.
on_server() {
  local run_dir=$folder/run-servers
  mkdir -p -- "$run_dir"
  "$@"
}

# serve NAME PORT COMMAND…: starts it. Where `net` is the process id of who holds a network namespace, in that one.
serve() {
  local within=()
  if [ -n "${net:-}" ]; then within=(nsenter -t "$net" -n); fi
  # Not as a child of this shell, which would tell of each that was killed.
  (on_server spawn "$1" "$2" "$folder/run-servers/$1.log" "${within[@]}" "${@:3}")
}
signal_server() { kill "-$2" "$(on_server pid_of "$1")"; } # NAME SIGNAL
kill_server() { on_server stop_process "$1" KILL 10; }
data_of() { printf '%s/run-servers/%s.data' "$folder" "$1"; }

end_servers() {
  local file
  for file in "$folder"/run-servers/*.pid; do
    [ -e "$file" ] || continue
    file=${file##*/}
    kill_family "${file%.pid}" || true
  done
}

# kill_family NAME: kill -9 of it and of its children, which would outlive Postgres's first process for a moment.
kill_family() {
  local pid family
  pid=$(on_server pid_of "$1") || return 0
  kill -STOP "$pid" # so that it gets no further children
  read -ra family <"/proc/$pid/task/$pid/children" || true
  family+=("$pid")
  kill -KILL "${family[@]}" 2>/dev/null || true
  wait_for 20 are_dead "${family[@]}"
}
are_dead() {
  local pid
  for pid in "$@"; do
    if process_birth "$pid" >/dev/null; then return 1; fi
  done
}

# prints_line REGEX COMMAND…: whether a line of the command's output fits.
prints_line() {
  local output
  output=$("${@:2}" 2>&1) || true
  grep -qe "$1" <<<"${output//$'\r'/}"
}

# --- Redis

# redis_of PORT COMMAND…: redis-cli, with what `cli` says besides, where it is set.
redis_of() { timeout 10 redis-cli "${cli[@]}" -p "$1" "${@:2}" 2>/dev/null; }
cli=()
pings() { [ "$(redis_of "$1" PING)" = PONG ]; }

# make_redis NAME PORT LINE…: the shipped redis.conf with these lines besides, in a copy, for Sentinels have it rewritten.
make_redis() {
  local data
  data=$(data_of "$1")
  mkdir -p -- "$data"
  { cat redis/redis.conf && printf '%s\n' "port $2" "dir $data" 'repl-diskless-sync-delay 0' "${@:3}"; } >"$data/redis.conf"
  serve_redis "$1" "$2"
}
# NAME PORT: as it ended
serve_redis() { serve "$1" "$2" sh redis/mend.sh "$(data_of "$1")" redis-server "$(data_of "$1")/redis.conf"; }
has_replicas() { [ "$(redis_of "$1" INFO replication | grep -c state=online)" -ge "$2" ]; } # PORT COUNT

# make_sentinel NAME PORT MASTER-ADDRESS MASTER-PORT LINE…: one that calls it `messages`, and takes it for dead after 2 s.
make_sentinel() {
  local data
  data=$(data_of "$1")
  mkdir -p -- "$data"
  printf '%s\n' "port $2" "dir $data" 'protected-mode no' "sentinel monitor messages $3 $4 2" \
    'sentinel down-after-milliseconds messages 2000' 'sentinel failover-timeout messages 4000' "${@:5}" >"$data/sentinel.conf"
  serve_sentinel "$1" "$2"
}
serve_sentinel() { serve "$1" "$2" redis-server "$(data_of "$1")/sentinel.conf" --sentinel; }
# master_by PORT: "address port" of the master by that Sentinel.
master_by() { redis_of "$1" SENTINEL GET-MASTER-ADDR-BY-NAME messages | paste -sd ' '; }
has_master() { [ "$(master_by "$1")" = "$2" ]; }
# knows_all PORT SENTINELS REPLICAS: whether that Sentinel knows so many, itself included.
knows_all() {
  prints_line "^master0:.*status=ok.*slaves=$3,sentinels=$2\$" redis_of "$1" INFO sentinel
}

# --- Postgres

# make_postgres NAME PORT OPTION…: a new server with our role and database, whose superuser comes in without a password.
make_postgres() {
  local data
  data=$(data_of "$1")
  take_folder "$data" || die "$data can't be made"
  on_server let_postgres_pass "$folder/run-servers"
  on_server make_database "$data"
  printf 'host %s postgres 127.0.0.1/32 trust\n' all replication | cat - "$data/data/pg_hba.conf" >"$data/hba"
  cat -- "$data/hba" >"$data/data/pg_hba.conf" # whose owner stays
  start_postgres_server "$@"
}
# start_postgres_server NAME PORT OPTION…
start_postgres_server() {
  local program data
  data=$(data_of "$1")/data
  program=$(postgres_program postgres "$(cat -- "$data/PG_VERSION")")
  rm -f -- "$data/postmaster.pid" # of one that was killed
  serve "$1" "$2" "${as_postgres[@]}" "$program" -D "$data" -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c logging_collector=off -c log_timezone=UTC -c wal_retrieve_retry_interval=200ms -c wal_log_hints=on -c hot_standby=on "${@:3}"
  wait_for 30 answers_sql "$2" || die "$1 doesn't start"
}
# copy_postgres NAME PORT FROM-PORT OPTION…: a streaming replica of that one, under its name.
copy_postgres() {
  local data basebackup
  data=$(data_of "$1")
  take_folder "$data" || die "$data can't be made"
  rm -rf -- "${data:?}/data"
  basebackup=$(postgres_program pg_basebackup)
  (cd / && "${as_postgres[@]}" "$basebackup" -D "$data/data" -R -X stream -c fast --no-sync \
    -d "host=127.0.0.1 port=$3 user=postgres application_name=$1") || die "$1 can't be copied"
  start_postgres_server "$1" "$2" "${@:4}"
}
superuser() { psql -X -w -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$1" -U postgres -d messaging_service "${@:2}"; } # PORT …
answers_sql() { [ "$(superuser "$1" -c 'SELECT 1' 2>/dev/null)" = 1 ]; }
# streams PORT STATE: whether a replica of it is `sync` or `async`.
streams() { [ "$(superuser "$1" -c "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'")" = "$2" ]; }
# promote PORT: it waits for no replica then, whatever was set while it was a primary before.
promote() {
  superuser "$1" -c 'ALTER SYSTEM RESET synchronous_standby_names' -c 'SELECT pg_reload_conf()' -c 'SELECT pg_promote()' >/dev/null
  wait_for 20 is_primary "$1"
}
is_primary() { ! is_standby "$1"; }
is_standby() { [ "$(superuser "$1" -c 'SELECT pg_is_in_recovery()')" = t ]; }
