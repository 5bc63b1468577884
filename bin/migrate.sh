#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Applies the numbered pairs of SQL in migrations/, each in a transaction of its own, and records them with a checksum
# in schema_migrations. All of a run is one script for one psql session, because the advisory lock that keeps two runs
# apart belongs to the session.
#
# A file whose first line is "-- migrate: without a transaction" (CREATE INDEX CONCURRENTLY allows none) runs statement
# by statement, and is recorded after the last one. It may be interrupted anywhere and then runs again from its
# beginning, so each statement must bear that: DROP INDEX CONCURRENTLY IF EXISTS before the CREATE, for an interrupted
# build leaves an invalid index behind.
#
# Such a build waits for every transaction that has a snapshot, so nothing here waits while it has one: the advisory
# lock is asked for again and again. Nor does a lock on a table wait for long, for all who come later wait behind it: it
# is given up after LOCK_SECS and asked for anew.
set -euo pipefail

LOCK_SECS=2
BUILD_LOCK_SECS=600 # without a transaction: what such a statement waits for holds nobody up

usage() {
  cat <<'END'
Usage: bin/migrate.sh [COMMAND]

  up          apply what is pending (the default)
  down [N]    undo the last N migrations (1)
  status      list the migrations and which are applied
  new NAME    make the next numbered pair of files
  seed        write the demo data; again: changes nothing

The database is DATABASE_URL's: from the environment, then .env, then shared/default.toml, else the private server on
LOCAL_POSTGRES_PORT. MIGRATE_WAIT_SECS (60) is how long to try for locks that others' transactions hold.
END
}

# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.sh"

# The names of all migrations ("0001_messages"), in order, one a line.
migrations() {
  local file
  for file in migrations/[0-9]*.up.sql; do
    [ -e "$file" ] || continue
    file=${file#migrations/}
    printf '%s\n' "${file%.up.sql}"
  done
}

check_files() {
  local name last=
  for name in $(migrations); do
    [[ $name =~ ^[0-9]{4}_[a-z0-9_]+$ ]] || die "migrations/$name.up.sql: the name must be NNNN_lower_case.up.sql"
    [ -e "migrations/$name.down.sql" ] || die "migrations/$name.down.sql is missing"
    [ "${name%%_*}" != "$last" ] || die "two migrations have the number $last"
    last=${name%%_*}
  done
}

make_pair() {
  local name=${1:-} last=0 existing stem
  [[ $name =~ ^[a-z0-9_]+$ ]] || die "a migration's name is made of a-z, 0-9 and _, as in: bin/migrate.sh new add_tags"
  for existing in $(migrations); do last=$((10#${existing%%_*})); done
  umask "$given_umask"
  printf -v stem 'migrations/%04d_%s' $((last + 1)) "$name"
  printf -- '-- Why this change, in a sentence.\n' >"$stem.up.sql"
  printf -- '-- Takes %s back.\n' "${stem##*/}" >"$stem.down.sql"
  say "$stem.up.sql"
  say "$stem.down.sql"
}

choose_database() {
  local source=DATABASE_URL
  load_settings
  if [ -z "${DATABASE_URL:-}" ]; then
    DATABASE_URL=postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service
    source='the private server'
  fi
  say "$(redact "$DATABASE_URL") ($source)"
}

# ask ARGUMENT…: psql, without asking back, with the errors' SQLSTATEs.
ask() {
  PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-5} PGAPPNAME=migrate \
    psql_to "$DATABASE_URL" -X -w -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose "$@"
}

# run_once SCRIPT: runs it in one session. Returns psql's status, with what it said in `errors`.
run_once() {
  local status=0
  exec 3>&1
  errors=$(ask -f - <<<"$1" 2>&1 >&3) || status=$?
  exec 3>&-
  return "$status"
}

# What went wrong, in one line.
first_error() {
  local line
  line=$(sed -n -E '/(ERROR|FATAL|error):/{s/^psql:<stdin>:[0-9]+: (ERROR|error): +//;s/^psql: error: //;s/^(.*ERROR:  )?[0-9A-Z]{5}: /\1/;p;q}' <<<"$errors")
  printf '%s\n' "${line:-${errors%%$'\n'*}}"
}

# Why there is no connection: what psql says of each server that the URL lists.
no_connection() { sed -E 's/^psql: error: //;/^\t/d;/^$/d' <<<"$errors" | paste -s -d '|' | sed 's/|/; /g'; }

found_locked() { [[ $errors == *' 55P03: '* ]]; }

# Whose transaction is the oldest of those open for SECONDS: most likely it holds the lock, or is what a build waits for.
script_oldest() {
  cat <<SQL
SELECT format('process %s (%s, user %s, %s) has had a transaction open for %s', pid,
  coalesce(nullif(application_name, ''), 'no name'), usename, state, date_trunc('second', clock_timestamp() - xact_start))
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'migrate'
  AND xact_start < clock_timestamp() - interval '$1 s'
ORDER BY xact_start LIMIT 1;
SQL
}

# run_script SCRIPT: runs it, again where others' locks were in its way, for MIGRATE_WAIT_SECS. What goes wrong becomes
# one line.
run_script() {
  local status deadline=$((SECONDS + ${MIGRATE_WAIT_SECS:-60})) other told=
  while :; do
    status=0
    run_once "$1" || status=$?
    if [ "$status" = 0 ] || ! found_locked; then break; fi
    other=$(ask -f - <<<"$(script_oldest 0)" 2>/dev/null) || true
    [ "$SECONDS" -lt "$deadline" ] ||
      die "a lock was not to be had: ${other:-another session holds it}; run this again once that has ended ($(first_error))"
    [ -n "$told" ] || say "waiting for a lock: ${other:-another session holds it}"
    told=1
  done
  case $status in
  0) if [ -n "$errors" ]; then warn "$(sed -E '/^LOCATION: /d;s/^((.*: )?[A-Z]+:  )[0-9A-Z]{5}: /\1/' <<<"$errors")"; fi ;;
  2) die "no connection: $(no_connection)" ;;
  *) die "$(first_error)" ;;
  esac
}

# --- Pieces of the script

# Texts of all languages must fit: in another encoding the persister never gets anywhere, while sends are accepted.
script_encoding() {
  cat <<'SQL'
DO $$
BEGIN
  IF pg_is_in_recovery() THEN
    RAISE EXCEPTION 'this Postgres is a standby, which takes no writes: name the primary, or list all servers (postgres://user@host1,host2/database)';
  ELSIF current_setting('server_encoding') <> 'UTF8' THEN
    RAISE EXCEPTION 'the database % has the encoding %, not UTF8: make another one (CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0)',
      current_database(), current_setting('server_encoding');
  END IF;
END
$$;
SQL
}

# Keeps other runs away, or waits for one: in a transaction for each look, so that no snapshot is held meanwhile. The
# server gives the lock back soon after a run was killed.
script_lock() {
  cat <<'SQL'
SELECT set_config(name, '1s', false) FROM pg_settings WHERE name = 'client_connection_check_interval' \g /dev/null
SELECT pg_try_advisory_lock(hashtext('schema_migrations')) AS ours \gset
\if :ours
\else
\echo 'waiting for another run of bin/migrate.sh'
DO $$
BEGIN
  WHILE NOT pg_try_advisory_lock(hashtext('schema_migrations')) LOOP
    COMMIT;
    PERFORM pg_sleep(0.1);
  END LOOP;
END
$$;
\endif
SQL
}

# The table of what is applied, and what the files are.
script_head() {
  local name
  cat <<'SQL'
SET client_min_messages = warning;
CREATE TABLE IF NOT EXISTS schema_migrations (
  version    integer     PRIMARY KEY,
  name       text        NOT NULL,
  checksum   text        NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE TEMPORARY TABLE files (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL);
SQL
  for name in $(migrations); do
    printf "INSERT INTO files VALUES (%d, '%s', '%s');\n" "$((10#${name%%_*}))" "$name" "$(checksum "$name")"
  done
}

checksum() { sha256sum <"migrations/$1.up.sql" | cut -d ' ' -f 1; }

# An applied file never changes, and none that is applied is missing.
script_check() {
  cat <<'SQL'
DO $$
DECLARE
  wrong text;
BEGIN
  SELECT format('migrations/%s.up.sql has changed since it was applied: put it back, and make a new migration for the change',
    f.name) INTO wrong
  FROM schema_migrations m JOIN files f USING (version) WHERE m.checksum <> f.checksum ORDER BY version LIMIT 1;
  IF wrong IS NULL THEN
    SELECT format('%s is applied but is not in migrations/: this copy is older than the database', m.name) INTO wrong
    FROM schema_migrations m LEFT JOIN files f USING (version) WHERE f.version IS NULL ORDER BY version LIMIT 1;
  END IF;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION '%', wrong;
  END IF;
END
$$;
SQL
}

# script_run FILE CHANGE: the file and the change of schema_migrations that records it.
script_run() {
  if [ "$(head -n 1 -- "$1")" = '-- migrate: without a transaction' ]; then
    say "\\echo '$1 waits for the transactions that are open now'"
    script_oldest 1
    printf '%s\n' "SET lock_timeout = '${BUILD_LOCK_SECS}s';" "\\i $1" "$2" 'RESET lock_timeout;'
  else
    printf '%s\n' 'BEGIN;' "SET LOCAL lock_timeout = '${LOCK_SECS}s';" "\\i $1" "$2" 'COMMIT;'
  fi
}

script_up() {
  local name version
  script_encoding
  script_lock
  script_head
  script_check
  say '\set applied 0'
  for name in $(migrations); do
    version=$((10#${name%%_*}))
    cat <<SQL
SELECT NOT EXISTS (SELECT FROM schema_migrations WHERE version = $version) AS pending \\gset
\\if :pending
$(script_run "migrations/$name.up.sql" "INSERT INTO schema_migrations (version, name, checksum)
SELECT version, name, checksum FROM files WHERE version = $version;")
\\echo 'applied $name'
\\set applied 1
\\endif
SQL
  done
  printf '%s\n' '\if :applied' '\else' "\\echo 'nothing to apply'" '\endif'
}

script_down() {
  local name version
  script_lock
  script_head
  script_check
  printf '%s\n' "\\set left $1" "SELECT count(*) = 0 AS none FROM schema_migrations \\gset" \
    '\if :none' "\\echo 'nothing to undo'" '\endif'
  for name in $(migrations | sort -r); do
    version=$((10#${name%%_*}))
    cat <<SQL
SELECT :left > 0 AND EXISTS (SELECT FROM schema_migrations WHERE version = $version) AS undo \\gset
\\if :undo
$(script_run "migrations/$name.down.sql" "DELETE FROM schema_migrations WHERE version = $version;")
\\echo 'undid $name'
SELECT :left - 1 AS left \\gset
\\endif
SQL
  done
}

script_status() {
  script_head
  cat <<'SQL'
SELECT format('%-40s %s', coalesce(f.name, m.name), CASE
  WHEN m.version IS NULL THEN 'pending'
  WHEN f.version IS NULL THEN 'applied, but the file is missing'
  WHEN f.checksum <> m.checksum THEN 'applied, but the file has changed since'
  ELSE 'applied ' || to_char(m.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END)
FROM files f FULL JOIN schema_migrations m USING (version)
ORDER BY version;
SQL
}

script_seed() {
  script_lock
  script_head
  script_check
  cat <<'SQL'
DO $$
BEGIN
  IF EXISTS (SELECT FROM files f WHERE NOT EXISTS (SELECT FROM schema_migrations m WHERE m.version = f.version)) THEN
    RAISE EXCEPTION 'there are pending migrations: run bin/migrate.sh up first';
  END IF;
END
$$;
\i migrations/seed.sql
SELECT format('the demo data is there: %s customers, %s conversations and %s messages in all',
  (SELECT count(*) FROM customers), sum(conversations), sum(messages)) FROM totals;
SQL
}

main() {
  local command=${1:-up}
  case $command in
  -h | --help) usage && return ;;
  new) make_pair "${2:-}" && return ;;
  up | status | seed) ;;
  down) [[ ${2:-1} =~ ^[1-9][0-9]{0,3}$ ]] || die "down takes how many to undo, not '$2'" ;;
  *) die "unknown command '$command'; see bin/migrate.sh --help" ;;
  esac
  command -v psql >/dev/null || die "psql is missing: install postgresql-client"
  check_files
  choose_database
  [[ ${MIGRATE_WAIT_SECS:-60} =~ ^[0-9]{1,6}$ ]] || die "MIGRATE_WAIT_SECS is '$MIGRATE_WAIT_SECS': it must be seconds, 0 to 999999"
  case $command in
  up) run_script "$(script_up)" ;;
  down) run_script "$(script_down "${2:-1}")" ;;
  status) run_script "$(script_status)" ;;
  seed) run_script "$(script_seed)" ;;
  esac
}

main "$@"
