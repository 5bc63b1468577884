# shellcheck shell=bash disable=SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# A primary and a streaming replica. DATABASE_URL names both and asks for the one that is written to.

redis_now() { redis_of "$LOCAL_REDIS_PORT" "$@"; }
pair_url() { # PORT PORT ATTRIBUTES
  printf 'postgres://messaging_user:messaging_password@127.0.0.1:%s,127.0.0.1:%s/messaging_service?target_session_attrs=%s' "$@"
}

# Reads, one after the other, until there is a file `reads-end`: their statuses, and how long each took in ms.
read_on() {
  local begun status
  while [ ! -e "$folder/reads-end" ]; do
    begun=$(now_ms)
    status=$(curl -sS --noproxy '*' --max-time 10 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/api/conversations?limit=5" 2>/dev/null) || true
    printf '%s %s\n' "$status" "$(($(now_ms) - begun))" >>"$folder/reads"
  done
}
reads_begin() {
  rm -f -- "$folder/reads-end" "$folder/reads"
  read_on &
  helpers+=($!)
}
reads_end() {
  touch "$folder/reads-end"
  wait "${helpers[@]}"
  helpers=()
}
all_reads_answered() {
  awk '{ count[$1]++ } END { for (status in count) print status " x " count[status] }' "$folder/reads"
  ! grep -qv '^200 ' "$folder/reads"
}
slowest_read() { cut -d ' ' -f 2 "$folder/reads" | sort -n | tail -n 1; }

# switch_in_order FROM PORT TO PORT: the first ends once its replica has all, and comes back as the other's.
switch_in_order() {
  on_server stop_process "$1" INT 20
  promote "$4"
  "${as_postgres[@]}" touch "$(data_of "$1")/data/standby.signal"
  printf "primary_conninfo = 'host=127.0.0.1 port=%s user=postgres application_name=%s'\n" "$4" "$1" |
    "${as_postgres[@]}" tee -a "$(data_of "$1")/data/postgresql.auto.conf" >/dev/null
  start_postgres_server "$1" "$2"
}
demand_replica() { # PORT: a commit waits for it
  superuser "$1" -c "ALTER SYSTEM SET synchronous_standby_names = '*'" -c 'SELECT pg_reload_conf()' >/dev/null
  wait_for 20 streams "$1" sync
}
waive_replica() {
  superuser "$1" -c "ALTER SYSTEM SET synchronous_standby_names = ''" -c 'SELECT pg_reload_conf()' >/dev/null
  wait_for 20 streams "$1" async
}
# What follows is replayed, but nothing more comes in.
cut_replication() { # PORT OF THE REPLICA
  superuser "$1" -c "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1 user=postgres'" -c 'SELECT pg_reload_conf()' >/dev/null
  wait_for 10 has_no_receiver "$1"
}
has_no_receiver() { [ "$(superuser "$1" -c "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'")" = 0 ]; }
kill_and_promote() { # NAME PORT
  kill_family "$1"
  promote "$2"
}

records_again() { wait_for 60 records_since "$1" || { echo 'nothing is recorded any more' && return 1; }; }
records_since() { [ "$(sql -c "SELECT count(*) FROM messages WHERE accepted_at > to_timestamp($1 / 1000.0)")" -gt "$RATE" ]; }

# The ids of the 202s that no row has, sorted.
lost_rows() { ledger_rows 'SELECT id FROM kept EXCEPT SELECT id FROM messages' | sort; }
reconcile_finds_them() {
  bin/reconcile.sh --restored="$(($1 / 1000 - 2))" >"$folder/reconciled"
  { grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' "$folder/reconciled" || true; } | sort -u >"$folder/found"
  comm -3 "$folder/lost" "$folder/found" >"$folder/differ"
  cat -- "$folder/differ"
  [ ! -s "$folder/differ" ]
}
part_postgres() {
  local at
  claim_port one_port
  claim_port two_port
  make_postgres one "$one_port"
  copy_postgres two "$two_port" "$one_port"
  demand_replica "$one_port"
  database=$(pair_url "$one_port" "$two_port" read-write)
  export DATABASE_URL=$database
  DATABASE_READ_URL=$(pair_url "$one_port" "$two_port" prefer-standby)
  export DATABASE_READ_URL
  must 'a primary and a synchronous replica: the service starts on them' service_starts
  must 'bin/test.sh passes' service_passes

  clients_begin main 0 "http://127.0.0.1:$PORT"
  reads_begin
  at=$(now_ms)
  must 'kill -9 of the primary, the replica is promoted' kill_and_promote one "$two_port"
  must 'kill -9: what is accepted is recorded again' records_again "$(now_ms)"
  reads_end
  must 'kill -9: reads went on all the time' all_reads_answered
  fact "kill -9: longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"
  fact "kill -9: $(wc -l <"$folder/reads") reads, the slowest took $(slowest_read) ms"
  copy_postgres one "$one_port" "$two_port"
  demand_replica "$two_port"

  at=$(now_ms)
  must 'planned switch: the replica is promoted, the old primary follows it' switch_in_order two "$two_port" one "$one_port"
  must 'planned switch: what is accepted is recorded again' records_again "$(now_ms)"
  fact "planned switch: longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"
  clients_end
  all_is_well 'synchronous'

  # Asynchronous: what the replica had not yet is lost.
  waive_replica "$one_port"
  cut_replication "$two_port"
  at=$(now_ms)
  clients_begin late 1000000 "http://127.0.0.1:$PORT"
  must 'asynchronous: what is accepted is recorded by the primary' records_again "$at"
  clients_end
  must 'asynchronous: all is worked off' drains
  must 'asynchronous: kill -9 of the primary, the replica is promoted' kill_and_promote one "$two_port"
  lost_rows >"$folder/lost"
  must 'asynchronous: messages with a 202 are lost' test -s "$folder/lost"
  fact "asynchronous: $(wc -l <"$folder/lost") of $(promised | wc -l) are lost"
  must 'asynchronous: bin/reconcile.sh --restored names exactly those' reconcile_finds_them "$at"
}
