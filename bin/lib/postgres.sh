# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the scripts that source it
# SPDX-License-Identifier: MIT
# The private Postgres. Sourced after bin/lib/process.sh and bin/lib/memory.sh.
#
# Postgres refuses to run as root, so root's runs as the user `postgres` that Debian's package brings. RUN_DIR lets that
# user through, but a folder above it that only root may enter doesn't, and Postgres opens its data by the full path
# whatever its working folder is. So where the data folder in RUN_DIR can't be entered, the data lies below
# /var/lib/messaging-service, in a folder named after RUN_DIR, and RUN_DIR/postgres is a link to it.
#
# It listens on loopback only, without a Unix socket (whose path may hold 107 bytes only). The role messaging_user owns
# its database and is no superuser: its password is public, and a superuser may run commands as us. Nor may it make roles,
# so those that migrations/0004_roles gives rights to are made here.

as_postgres=()
if [ "$EUID" = 0 ]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups); fi

private_database_url() {
  printf 'postgres://messaging_user:messaging_password@127.0.0.1:%s/messaging_service' "$LOCAL_POSTGRES_PORT"
}

# postgres_answers URL: whether a query runs there; otherwise REPLY says why not.
postgres_answers() {
  REPLY=$(PGCONNECT_TIMEOUT=3 psql_to "$1" -X -w -q -A -t -c 'SELECT 1' 2>&1 >/dev/null) && REPLY=
}

# postgres_program NAME [VERSION]: prints the path of initdb or postgres, of that version or the newest.
postgres_program() {
  local found
  found=$(compgen -G "/usr/lib/postgresql/${2:-*}/bin/$1" | sort -V | tail -n 1) || true
  if [ -x "$found" ]; then
    printf '%s\n' "$found"
  else
    command -v "$1" || die "the Postgres server's program '$1'${2:+ of version $2} is not installed"
  fi
}

# shellcheck disable=SC2016 # expanded by the inner shell
can_enter() { "${as_postgres[@]}" sh -c 'cd -- "$1"' sh "$1" 2>/dev/null; }

# take_folder FOLDER: makes it one that Postgres's user owns; 1 when that user can't get there.
take_folder() {
  mkdir -p -- "$1" 2>/dev/null || return 1
  if [ "$EUID" = 0 ]; then chown postgres: -- "$1" 2>/dev/null || return 1; fi
  chmod 700 -- "$1" && can_enter "$1"
}

# let_postgres_pass FOLDER: one of ours, which holds Postgres's beside others' that it mustn't see.
let_postgres_pass() {
  if [ "$EUID" = 0 ]; then chgrp postgres -- "$1" && chmod 710 -- "$1"; fi
}

# postgres_folder: makes the folder of the data where it is missing, and prints its real path.
postgres_folder() {
  local folder=$run_dir/postgres elsewhere
  if in_memory; then folder=$(readlink -f -- "$run_dir/memory")/postgres; fi
  if [ "$EUID" = 0 ] && ! id postgres >/dev/null 2>&1; then
    die "Postgres doesn't run as root, and this machine has no user 'postgres' to run it as"
  fi
  let_postgres_pass "${folder%/*}"
  if [ -L "$folder" ]; then folder=$(readlink -m -- "$folder"); fi
  if ! take_folder "$folder"; then
    if [ "$EUID" != 0 ] || [ -n "$(ls -A -- "$folder" 2>/dev/null)" ]; then
      die "the user '$(id -un "$( ((EUID)) && echo "$EUID" || echo postgres)")' can't use the folder $folder"
    fi
    elsewhere=/var/lib/messaging-service/$(printf '%s' "$run_dir" | sha256sum | cut -c1-16)
    install -d -m 711 /var/lib/messaging-service
    take_folder "$elsewhere" || die "the user 'postgres' can't use the folder $elsewhere"
    rmdir -- "$folder" 2>/dev/null || true
    ln -sfn -- "$elsewhere" "$folder"
    folder=$elsewhere
  fi
  printf '%s\n' "$folder"
}

# make_database FOLDER: a new cluster in FOLDER/data, with the brief's role and database. Made under another name and
# renamed when it is whole, so that an interrupted one is never taken for good.
make_database() {
  local folder=$1 initdb postgres
  initdb=$(postgres_program initdb)
  postgres=$(postgres_program postgres)
  rm -rf -- "$folder/new"
  (
    cd /
    "${as_postgres[@]}" "$initdb" -D "$folder/new" --username=postgres --auth=reject \
      --encoding=UTF8 --locale=C.UTF-8 --no-sync
    printf '%s\n' "CREATE ROLE messaging_user LOGIN PASSWORD 'messaging_password';" \
      'CREATE ROLE messaging_reader NOLOGIN;' 'CREATE ROLE messaging_persister NOLOGIN;' \
      'CREATE DATABASE messaging_service OWNER messaging_user;' |
      "${as_postgres[@]}" "$postgres" --single -c exit_on_error=on -D "$folder/new" postgres
  ) >"$run_dir/initdb.log" 2>&1 || {
    show_log "$run_dir/initdb.log"
    die "can't make a Postgres database in $folder"
  }
  printf 'host all all 127.0.0.1/32 scram-sha-256\n' >"$folder/new/pg_hba.conf"
  sync -f -- "$folder/new" 2>/dev/null || true
  mv -- "$folder/new" "$folder/data"
  rm -f -- "$run_dir/initdb.log"
}

# release_lock FOLDER: a server that was killed leaves its lock file, and Postgres refuses to start while any process
# has the id in it: a dead one that nobody has waited for yet, or another one by now. We know that ours is dead. The id
# is replaced by one that no process can have, and the file kept: Postgres still looks for left-over backends by it.
release_lock() {
  local pid=none
  { read -r pid <"$run_dir/postgres.pid"; } 2>/dev/null || return 0
  if [ "$(head -n 1 -- "$1/data/postmaster.pid" 2>/dev/null)" = "$pid" ]; then
    "${as_postgres[@]}" sed -i '1s/.*/4194305/' "$1/data/postmaster.pid"
  fi
}

postgres_came_up() { postgres_answers "$(private_database_url)" || ! is_running postgres; }

# start_postgres: starts the private Postgres where it doesn't run, and waits until it answers.
start_postgres() {
  local folder program options=(-c fsync=on)
  if is_running postgres; then
    say "Postgres runs already on port $LOCAL_POSTGRES_PORT"
    return
  fi
  folder=$(postgres_folder)
  if in_memory; then options=(-c fsync=off -c synchronous_commit=off -c full_page_writes=off); fi
  [ -f "$folder/data/PG_VERSION" ] || make_database "$folder"
  program=$(postgres_program postgres "$(cat -- "$folder/data/PG_VERSION")")
  release_lock "$folder"
  cap_log "$run_dir/postgres.log"
  say "starting Postgres on port $LOCAL_POSTGRES_PORT, data in $folder"
  spawn postgres "$LOCAL_POSTGRES_PORT" "$run_dir/postgres.log" \
    "${as_postgres[@]}" "$program" -D "$folder/data" -p "$LOCAL_POSTGRES_PORT" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c logging_collector=off -c log_checkpoints=off -c log_timezone=UTC "${options[@]}"
  if ! wait_for 60 postgres_came_up || ! is_running postgres; then
    show_log "$run_dir/postgres.log"
    die "Postgres didn't start on port $LOCAL_POSTGRES_PORT (setting LOCAL_POSTGRES_PORT)${REPLY:+: $REPLY}"
  fi
}

# Whether asking again may help: a server that is only just starting, as a container's does.
postgres_may_come() {
  case $REPLY in
  *'starting up'* | *'closed the connection unexpectedly'* | *'reset by peer'* | *'not yet accepting'*) return 0 ;;
  *) return 1 ;;
  esac
}
postgres_decided() { postgres_answers "$1" || ! postgres_may_come; }

# find_postgres: 0 when a Postgres that we didn't start takes the brief's credentials on LOCAL_POSTGRES_PORT; dies when
# something else is there.
find_postgres() {
  port_listens "$LOCAL_POSTGRES_PORT" || return 1
  if wait_for 30 postgres_decided "$(private_database_url)" && [ -z "$REPLY" ]; then return 0; fi
  die "port $LOCAL_POSTGRES_PORT, for Postgres, is in use, and what is there doesn't take user messaging_user and" \
    "database messaging_service: set LOCAL_POSTGRES_PORT to a free port, or DATABASE_URL to a database"$'\n'"  $REPLY"
}

# use_postgres: checks the database that DATABASE_URL names.
use_postgres() {
  if ! wait_for 30 postgres_decided "$DATABASE_URL" || [ -n "$REPLY" ]; then
    die "no database answers at $(redact "$DATABASE_URL") (setting DATABASE_URL)"$'\n'"  $REPLY"
  fi
}

# choose_postgres: leaves DATABASE_URL set, exported and answering, says which server it is, and sets database_owner to
# `url` (the setting DATABASE_URL), `found` (it answered on the port) or `private`, which is started where it isn't.
choose_postgres() {
  if [ -n "${DATABASE_URL:-}" ]; then
    database_owner=url
    use_postgres
    say "using the Postgres at $(redact "$DATABASE_URL") (DATABASE_URL)"
  elif ! is_running postgres && ! in_memory && find_postgres; then
    database_owner=found
    DATABASE_URL=$(private_database_url)
    say "using the Postgres that answers on port $LOCAL_POSTGRES_PORT"
  else
    require_port postgres "$LOCAL_POSTGRES_PORT" LOCAL_POSTGRES_PORT
    is_running postgres || bin/install-deps.sh postgres
    start_postgres
    database_owner=private
    DATABASE_URL=$(private_database_url)
  fi
  export DATABASE_URL
}

stop_postgres() { stop_process postgres INT 30; }
