#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/db.sh COMMAND

The database that DATABASE_URL names, where that is set; else the Postgres that answers on LOCAL_POSTGRES_PORT, or the
private one, which is started. Each command says which.

  up             start it (a private one), or see that it answers
  down           stop the private one
  logs           the last lines of the private one's log
  shell [SQL…]   psql
  migrate        apply the pending migrations
  status         the migrations and which are applied
  which          which server, database and user it is, then the same
  seed           apply the migrations, then the demo data (again: changes nothing)
  reset          drop everything in it and apply the migrations; one that isn't private only with CONFIRM=yes
END
}

# shellcheck source=bin/lib/servers.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/servers.sh"

# open_database: leaves DATABASE_URL set to a database that answers.
open_database() {
  bin/install-deps.sh run
  make_run_dir
  take_lock
  choose_postgres
  exec {lock}>&-
}

down() {
  if [ -n "${DATABASE_URL:-}" ]; then
    say "$(redact "$DATABASE_URL") (DATABASE_URL) was not started here and is left alone"
  elif is_running postgres; then
    say "stopping the private Postgres on port $(port_of postgres)"
    take_lock
    stop_postgres
  else
    say "no private Postgres runs in $run_dir"
  fi
}

logs() {
  if [ -n "${DATABASE_URL:-}" ]; then
    die "$(redact "$DATABASE_URL") (DATABASE_URL) was not started here: its logs are with its server"
  fi
  say "the log of the private Postgres, $run_dir/postgres.log:"
  tail -n 50 -- "$run_dir/postgres.log" 2>/dev/null || say "(there is none yet)"
}

which_database() {
  psql_to "$DATABASE_URL" -X -w -q -A -t -F ' ' <<'SQL'
SELECT format('database %s, user %s, server %s:%s, PostgreSQL %s', current_database(), current_user,
              coalesce(host(inet_server_addr()), 'local socket'), coalesce(inet_server_port()::text, '-'),
              current_setting('server_version'))
SQL
}

reset() {
  if [ "$database_owner" != private ] && [ "${CONFIRM:-}" != yes ]; then
    die "this would drop everything in $(redact "$DATABASE_URL"), which was not started here; CONFIRM=yes does it"
  fi
  psql_to "$DATABASE_URL" -X -w -q -v ON_ERROR_STOP=1 <<'SQL'
SET client_min_messages = warning;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
SQL
  say "dropped everything in it"
  bin/migrate.sh up
}

main() {
  local command=${1:-}
  case $command in
  -h | --help) usage && exit 0 ;;
  up | down | logs | shell | migrate | status | which | seed | reset) shift ;;
  *) die "unknown command '$command'; see bin/db.sh --help" ;;
  esac
  load_settings
  prefer_memory
  case $command in
  down) down && return ;;
  logs) logs && return ;;
  esac
  case $command in
  shell) open_database >&2 ;; # what it prints is the answer
  *) open_database ;;
  esac
  case $command in
  shell) psql_to "$DATABASE_URL" "$@" ;;
  migrate) bin/migrate.sh up ;;
  status) bin/migrate.sh status ;;
  which) which_database && bin/migrate.sh status ;;
  seed) bin/migrate.sh up && bin/migrate.sh seed ;;
  reset) reset ;;
  esac
}

main "$@"
