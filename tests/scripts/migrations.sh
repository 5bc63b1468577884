#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/migrate.sh: migrations without a transaction, runs that meet, runs that are killed, locks that others hold. On a
# database of the test's own, with migrations of its own in a copy of the scripts.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

url=postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service
copy=$folder/copy
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$url" "$@"; }
migrate() { DATABASE_URL=$url "$copy/bin/migrate.sh" "$@"; }
sql_says() { # TEXT QUERY
  local said
  said=$(sql -c "$2")
  [ "$said" = "$1" ] || { echo "'$said', not '$1'" && return 1; }
}

makes_a_copy() {
  mkdir -p "$copy/migrations" "$copy/shared"
  cp -r bin "$copy/"
  cat >"$copy/migrations/0001_things.up.sql" <<'SQL'
CREATE TABLE things (n integer NOT NULL, text text NOT NULL);
INSERT INTO things SELECT n % 1000, repeat('x', 20) FROM generate_series(1, 20000) AS n;
-- An index on it is built only while nobody has closed the gate.
CREATE FUNCTION slow(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF n = 1 THEN
    WHILE NOT pg_try_advisory_lock_shared(7) LOOP PERFORM pg_sleep(0.02); END LOOP;
    PERFORM pg_advisory_unlock_shared(7);
  END IF;
  RETURN n;
END
$$;
SQL
  echo 'DROP TABLE things; DROP FUNCTION slow;' >"$copy/migrations/0001_things.down.sql"
}
# concurrently NUMBER NAME EXPRESSION: a migration that builds an index, and its way back.
concurrently() {
  printf '%s\n' '-- migrate: without a transaction' "DROP INDEX CONCURRENTLY IF EXISTS $2;" \
    "CREATE INDEX CONCURRENTLY $2 ON things ($3);" >"$copy/migrations/$1_$2.up.sql"
  printf '%s\n' '-- migrate: without a transaction' "DROP INDEX CONCURRENTLY IF EXISTS $2;" >"$copy/migrations/$1_$2.down.sql"
}
is_recorded() { sql_says 1 "SELECT count(*) FROM schema_migrations WHERE name = '$1'"; }
is_not_recorded() { sql_says 0 "SELECT count(*) FROM schema_migrations WHERE name = '$1'"; }
is_valid() { sql_says t "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('$1')"; }
builds() { sql_says 1 'SELECT count(*) FROM pg_stat_progress_create_index'; }
waits_to_build() { sql_says 1 "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'"; }
nobody_migrates() { sql_says 0 "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'migrate'"; }

applies_it() { migrate up && is_recorded 0002_by_n && is_valid by_n; }
undoes_it() { migrate down && is_not_recorded 0002_by_n && sql_says '' "SELECT to_regclass('by_n')"; }

# Builds of an index on slow() begin, and last until open_gate. Its lock belongs to a session without a transaction, for
# which no build waits.
close_gate() {
  mkfifo "$folder/gate"
  psql -X -q "$url" <"$folder/gate" >/dev/null 2>&1 &
  echo $! >"$folder/gate.pid"
  exec 6>"$folder/gate"
  echo 'SELECT pg_advisory_lock(7);' >&6
  wait_for 10 sql_says 1 "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND mode = 'ExclusiveLock' AND granted"
}
open_gate() {
  exec 6>&-
  wait "$(<"$folder/gate.pid")" || true
  rm -f -- "$folder/gate"
}

# start NAME ARGUMENT…: bin/migrate.sh in the background, what it says in a file of that name.
start() {
  migrate "${@:2}" >"$folder/$1" 2>&1 6>&- 7>&- &
  echo $! >"$folder/$1.pid"
}
ended_well() { wait "$(<"$folder/$1.pid")" || { cat -- "$folder/$1" && return 1; }; }
said() { grep -F -- "$2" "$folder/$1" || { cat -- "$folder/$1" && return 1; }; }

two_runs_meet() {
  concurrently 0003 slowly 'slow(n)'
  close_gate
  start one up
  wait_for 10 builds
  start other up
  wait_for 10 said other 'waiting for another run'
  open_gate
  ended_well one
  ended_well other
  said one 'applied 0003_slowly'
  said other 'nothing to apply'
  is_valid slowly
}
status_does_not_wait() { prints 'pending' timeout 5 env DATABASE_URL="$url" "$copy/bin/migrate.sh" status; }

# The process of the run's psql; the bare systems have no pgrep.
psql_process() {
  local process
  for process in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q "[p]sql -d .*:$LOCAL_POSTGRES_PORT/"; then
      printf '%s\n' "${process#/proc/}"
      return
    fi
  done
  return 1
}

is_killed_in_the_middle() {
  concurrently 0004 again 'slow(n + 0)'
  close_gate
  start killed up
  wait_for 10 builds
  status_does_not_wait
  kill -KILL "$(psql_process)"
  if ended_well killed; then return 1; fi
  is_not_recorded 0004_again
  wait_for 10 nobody_migrates
  open_gate
}
leaves_an_invalid_index() { sql_says f "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('again')"; }
runs_again() { migrate up && is_recorded 0004_again && is_valid again; }

# hold STATEMENT: runs it in a transaction that stays open until `let_go`.
hold() {
  mkfifo "$folder/held"
  PGAPPNAME=somebody psql -X -q "$url" <"$folder/held" >/dev/null 2>&1 6>&- &
  echo $! >"$folder/held.pid"
  exec 7>"$folder/held"
  echo "BEGIN; $1" >&7
  wait_for 5 sql_says 'idle in transaction' "SELECT state FROM pg_stat_activity WHERE application_name = 'somebody'"
}
let_go() {
  exec 7>&-
  wait "$(<"$folder/held.pid")" || true
  rm -f -- "$folder/held"
}

gives_up_a_table_lock() {
  echo 'ALTER TABLE things ADD COLUMN more text;' >"$copy/migrations/0005_more.up.sql"
  echo 'ALTER TABLE things DROP COLUMN more;' >"$copy/migrations/0005_more.down.sql"
  hold 'SELECT count(*) FROM things;'
  MIGRATE_WAIT_SECS=0 fails_saying '(somebody, user messaging_user, idle in transaction) has had a transaction open' migrate up
  is_not_recorded 0005_more
  let_go
}
waits_and_goes_on() {
  hold 'SELECT count(*) FROM things;'
  start patient up
  wait_for 10 said patient 'waiting for a lock: process'
  let_go
  ended_well patient
  is_recorded 0005_more
}
build_waits_for_a_snapshot() {
  concurrently 0006 last 'n, text'
  hold 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM things;'
  wait_for 5 sql_says t "SELECT clock_timestamp() - xact_start > '1.1s' FROM pg_stat_activity WHERE application_name = 'somebody'"
  start build up
  wait_for 10 waits_to_build
  said build 'somebody'
  let_go
  ended_well build
  is_valid last
}
ends_at_an_error() {
  printf '%s\n' '-- migrate: without a transaction' 'CREATE TABLE IF NOT EXISTS half (n integer);' 'SELECT 1 / 0;' \
    >"$copy/migrations/0007_half.up.sql"
  echo 'DROP TABLE half;' >"$copy/migrations/0007_half.down.sql"
  fails_saying '0007_half.up.sql:3: ERROR:  division by zero' migrate up
  is_not_recorded 0007_half
}

it 'starts a database' bin/db.sh up
it 'makes migrations of its own' makes_a_copy
it 'applies one in a transaction' migrate up
concurrently 0002 by_n n
it 'builds an index outside a transaction, and records it' applies_it
it 'undoes it' undoes_it
it 'builds it again' applies_it
it 'lets two runs meet: the second one waits for the index of the first, and neither is cancelled' two_runs_meet
it 'records nothing and ends on the server, too, when it is killed in the middle; status does not wait for it' is_killed_in_the_middle
it 'leaves an index that is not valid' leaves_an_invalid_index
it 'builds it anew when it is run again' runs_again
it 'does not queue for a table behind a long transaction, and names it' gives_up_a_table_lock
it 'goes on once that has ended' waits_and_goes_on
it 'names the transaction that a build waits for' build_waits_for_a_snapshot
it 'ends at the statement that fails, and names it' ends_at_an_error
finish
