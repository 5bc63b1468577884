# shellcheck shell=bash disable=SC2034,SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# Passwords are exchanged while all runs: the new one counts beside the old, the programs take it (SIGHUP), the old one goes.

redis_now() { REDISCLI_AUTH=$redis_password redis_of "$redis_port" "$@"; }

# settings REDIS-PASSWORD POSTGRES-PASSWORD: writes the file of settings, where a running program sees what changes.
settings() {
  printf '%s = "%s"\n' redis_url "redis://:$1@127.0.0.1:$redis_port" \
    database_url "postgres://messaging_user:$2@127.0.0.1:$one_port/messaging_service" >"$API_CONFIG_FILE"
}
takes() { # REDIS-PASSWORD POSTGRES-PASSWORD
  settings "$@"
  bin/reload.sh
}
adds_redis_password() { prints_line '^OK$' redis_now ACL SETUSER default ">$1"; }
drops_redis_password() { prints_line '^OK$' redis_now ACL SETUSER default "<$1"; }
is_refused_by_redis() { REDISCLI_AUTH=$1 prints_line WRONGPASS redis-cli -p "$redis_port" PING; }
changes_postgres_password() { superuser "$one_port" -c "ALTER ROLE messaging_user PASSWORD '$1'"; }
drops_sessions() { superuser "$one_port" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'messaging_user'" >/dev/null; }

refused_none() { ! awk -v since="$1" '$1 >= since && $3 != 202' "$folder/ledger.main" | grep .; }
has_recorded_since() { [ "$(superuser "$one_port" -c "SELECT count(*) FROM messages WHERE accepted_at > to_timestamp($1 / 1000.0)")" -gt "$RATE" ]; }
records_again() { wait_for 40 has_recorded_since "$(now_ms)"; }

part_credentials() {
  local at redis_port one_port redis_password=first
  claim_port redis_port
  claim_port one_port
  make_redis redis "$redis_port" 'requirepass first'
  make_postgres one "$one_port"
  export API_CONFIG_FILE=$folder/settings
  unset REDIS_URL DATABASE_URL
  settings first messaging_password
  database=postgres://postgres@127.0.0.1:$one_port/messaging_service
  must 'Redis and Postgres with passwords: the service starts on them' service_starts

  clients_begin main 0 "http://127.0.0.1:$PORT"
  at=$(now_ms)
  must 'Redis takes a second password' adds_redis_password second
  must 'Postgres has another password' changes_postgres_password second
  must 'the programs take both' takes second second
  redis_password=second
  must 'the first password of Redis goes' drops_redis_password first
  must 'and is refused' is_refused_by_redis first
  must 'sends are accepted' go_on main
  must 'meanwhile none was refused' refused_none "$at"
  redis_now CLIENT KILL TYPE normal >/dev/null
  drops_sessions
  must 'all connections are made anew: sends are accepted' go_on main
  must 'and recorded' records_again
  fact "longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"
  clients_end
  all_is_well 'credentials'
  unset API_CONFIG_FILE
}
