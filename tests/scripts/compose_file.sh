#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docker-compose.yml against the table of settings (what a user sets in .env reaches the programs in their containers), and
# the Makefile's targets for containers, database and service: that they are there and what they run.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
unset MAKEFLAGS MAKELEVEL

# What means nothing in a container, or what is a matter of the host's only: logs go to Docker, the private servers and
# their data are services and volumes, the health checks ask /healthz.
not_in_containers=(HEALTH_PATH LOG_FILE LOG_MAX_BYTES INSTANCE_ID API_CONFIG_FILE RUN_DIR API_ENABLE_INMEMORY_FALLBACK
  MOCK_LEDGER_FILE STATUS_MAX_AGE_SECS API_KEY)

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

it 'passes every setting on, but those that mean nothing in a container' every_setting_is_passed_on
it 'passes none of those' no_more_than_that

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
