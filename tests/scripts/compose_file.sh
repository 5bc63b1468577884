#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docker-compose.yml against the table of settings (what a user sets in .env reaches the programs in their containers), and
# the Makefile's targets for containers, database and service: that they are there and what they run.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
unset MAKEFLAGS MAKELEVEL

# What means nothing in a container, or what is a matter of the host's only: logs go to Docker, the private servers and
# their data are services and volumes, the health checks ask /healthz. Compose's Redis is its own and speaks no TLS: who has
# another names it, and mounts its files, in an override file.
not_in_containers=(HEALTH_PATH LOG_FILE LOG_MAX_BYTES INSTANCE_ID API_CONFIG_FILE RUN_DIR API_ENABLE_INMEMORY_FALLBACK
  MOCK_LEDGER_FILE MOCK_RECEIPT_FILE STATUS_MAX_AGE_SECS API_KEY
  REDIS_CA_FILE REDIS_CERT_FILE REDIS_KEY_FILE)

settings_of_table() { sed -n -E 's/^(# )?([A-Z_]+)=.*/\2/p' .env.example; }
mentioned() { grep -Eq "^ +$1:|\\\$\{$1:-" docker-compose.yml; }

every_setting_is_passed_on() {
  local name missing=()
  for name in $(settings_of_table); do
    case " ${not_in_containers[*]} " in *" $name "*) continue ;; esac
    mentioned "$name" || missing+=("$name")
  done
  echo "missing: ${missing[*]}"
  [ ${#missing[@]} = 0 ]
}
no_more_than_that() {
  local name
  for name in "${not_in_containers[@]}"; do
    ! mentioned "$name" || { echo "$name" && return 1; }
  done
}

# is_let_in PATH: by .dockerignore, which leaves everything out but what it names, a folder with all that is in it.
is_let_in() {
  local path=$1
  while [ "$path" != . ]; do
    if grep -Fqx "!$path" .dockerignore; then return 0; fi
    path=$(dirname -- "$path")
  done
  return 1
}
what_is_copied_is_there() {
  local words word
  while read -r -a words; do
    for word in "${words[@]:1:${#words[@]}-2}"; do
      { [ -e "$word" ] && is_let_in "$word"; } || { echo "$word" && return 1; }
    done
  done < <(grep '^COPY ' Dockerfile | grep -v -- --from=)
}

# ---- Limits of memory, by README's "Memory", in MiB

default_of() { sed -n -E "s/^(# )?$1=//p" .env.example; }
needed_by_ingest() {
  local threads=16 connections budget
  connections=$(default_of MAX_CONNECTIONS) budget=$(default_of MAX_CLIENT_BYTES)
  echo $((32 + 18 * threads + 22 * connections / 1024 + budget * 5 / 4 / 1048576))
}
needed_by_dispatcher() { echo $((32 + 64 + $(default_of DISPATCH_MAX_IN_FLIGHT))); }
needed_by_persister() { echo $((32 + 2 * 64 + 192)); }
in_compose() { awk -v service="  $1:" '$0 == service {found = 1} found && /mem_limit:/ {print $2 + 0; exit}' docker-compose.yml; }
in_unit() { sed -n -E 's/^MemoryMax=([0-9]+)G$/\1*1024/p; s/^MemoryMax=([0-9]+)M$/\1/p' deploy/systemd/messaging-"$1"*.service; }
has_room_for() {
  local needed
  needed=$("needed_by_$1")
  echo "$1 needs $needed MiB; docker-compose.yml has $(in_compose "$1"), its unit $(in_unit "$1")"
  [ "$needed" -gt 0 ] && [ "$(in_compose "$1")" -ge "$needed" ] && [ $(($(in_unit "$1"))) -ge "$needed" ]
}
readme_has_the_sums() {
  local program
  for program in ingest dispatcher persister; do
    grep -E "^\| \`$program\` \| 32 MiB" README.md | grep -Fq " $("needed_by_$program") MiB" || { echo "$program" && return 1; }
  done
}

it 'passes every setting on, but those that mean nothing in a container' every_setting_is_passed_on
it 'passes none of those' no_more_than_that
it 'lets into the images what is copied into them' what_is_copied_is_there
for program in ingest dispatcher persister; do
  it "gives $program the memory that it may need, and so does its unit" has_room_for "$program"
done
it 'tells in README what that is' readme_has_the_sums

while read -r target command; do
  it "make $target runs $command" prints "$command" make --no-print-directory --dry-run "$target"
done <<'END'
setup bin/db.sh migrate
run bin/start.sh
db-up bin/db.sh up
db-down bin/db.sh down
db-logs bin/db.sh logs
db-shell bin/db.sh shell
db-reset bin/db.sh reset
docker-build compose build
docker-up compose up --build --detach
docker-down compose down
docker-logs compose logs --follow
docker-restart compose up --build --detach --force-recreate
END
finish
