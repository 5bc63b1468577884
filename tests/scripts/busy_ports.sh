#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A port that is taken: the message names the port and the setting, and nothing is left running.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

names_busy_port() { # SETTING
  local port=${!1} holder output status=0
  redis-server --bind 127.0.0.1 --port "$port" --save '' >/dev/null &
  holder=$!
  wait_for 5 port_listens "$port"
  output=$(bin/start.sh 2>&1) || status=$?
  kill "$holder"
  wait "$holder" || true
  printf '%s\n' "$output"
  [ "$status" = 1 ] && [[ $output == *"port $port,"*"set $1 to a free port"* ]] && nothing_runs
}

names_bad_port() { PORT=70000 fails_saying "PORT is '70000'" bin/start.sh; }
names_dead_redis() { REDIS_URL=redis://127.0.0.1:$LOCAL_REDIS_PORT fails_saying 'setting REDIS_URL' bin/start.sh; }
names_dead_database() {
  DATABASE_URL=postgres://someone:secret@127.0.0.1:$LOCAL_POSTGRES_PORT/x fails_saying 'setting DATABASE_URL' bin/start.sh
}
hides_the_password() { ! grep -q secret "$folder/output"; }

it 'names a busy PORT' names_busy_port PORT
it 'names a busy MOCK_PROVIDER_PORT' names_busy_port MOCK_PROVIDER_PORT
it 'names a busy LOCAL_REDIS_PORT' names_busy_port LOCAL_REDIS_PORT
it 'names a busy LOCAL_POSTGRES_PORT' names_busy_port LOCAL_POSTGRES_PORT
it 'refuses what is no port' names_bad_port
it 'says that nothing answers at REDIS_URL' names_dead_redis
it 'says that nothing answers at DATABASE_URL' names_dead_database
it 'shows no password' names_dead_database
it 'leaves nothing running' nothing_runs
finish
