# shellcheck shell=bash disable=SC2034,SC2154 # names shared with tests/compose/run.sh
# SPDX-License-Identifier: MIT
# deploy/compose/high-availability.yml, laid over docker-compose.yml: up, the Redis master killed under load, its return, the
# Postgres replica promoted. Sourced by tests/compose/run.sh once its own containers are gone.

lay_over() {
  export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.yml}:deploy/compose/high-availability.yml
  export COMPOSE_ADDRESSES=${COMPOSE_SUBNET%.*} API_PROVIDER_RECEIPTS_PCT=100
  scale=()
  services+=(redis-replica sentinel-1 sentinel-2 sentinel-3 postgres-replica)
}

# in_container SERVICE COMMAND…
in_container() { docker exec "$(first_container "$1")" "${@:2}"; }
replication_of() { in_container "$1" redis-cli info replication | tr -d '\r'; } # SERVICE
redis_is() { replication_of "$1" 2>/dev/null | grep -qx "$2"; }                 # SERVICE LINE

is_delivered() { [ "$(sql -c "SELECT count(*) FROM receipts WHERE status = 'delivered'")" = 1 ]; }
delivers() { send_sms 'to be delivered' && wait_for 20 is_delivered; }

# Both Redis are needed for a 202: none is given between the death of one and its return.
lose_master() {
  local container
  container=$(first_container redis)
  begin=$(now_ms)
  docker kill "$container" >/dev/null
  wait_for 60 redis_is redis-replica role:master
  echo "promoted after $(took "$begin")" >"$folder/promoted"
  docker start "$container" >/dev/null
  wait_for 60 redis_is redis master_link_status:up
  echo "follows after $(took "$begin")" >>"$folder/promoted"
}
outlives_master() { under_load master lose_master && answered_only master 202 503; }

promote_postgres() {
  compose stop postgres >/dev/null 2>&1
  in_container postgres-replica psql -U messaging_user -d messaging_service -X -q -A -t -c 'SELECT pg_promote()' | grep -qx t
}
goes_on_with_the_replica() { promote_postgres && send_sms 'after the promotion'; }
refuses_to_start() { compose logs --no-color postgres 2>&1 | grep -q 'postgres-replica has been promoted'; }
stays_down() { compose start postgres >/dev/null 2>&1 && wait_for 30 refuses_to_start; }

lay_over
begin=$(now_ms)
it 'high availability: the file is valid' compose config --quiet
it 'high availability: comes up' comes_up
say "from up to /readyz: $(took "$begin")"
it 'high availability: everything becomes healthy' become_healthy
it 'high availability: no container is root, writes to its image, or lacks a limit of memory' are_confined
it 'high availability: nothing is published beyond loopback' are_on_loopback
it 'high availability: a send is delivered' delivers
start_load
it 'high availability: the Redis master is killed, its replica promoted, and sends are taken again' outlives_master
end_load
say "Redis master killed: $(paste -sd, "$folder/promoted"); $(statuses master)"
it 'high availability: the streams drain' drains
it 'high availability: every 202 is stored, with its body' loses_nothing
it 'high availability: nothing is stored twice' stores_nothing_twice
it 'high availability: every 202 is sent' sends_all
it 'high availability: the totals are exact' keeps_its_counts
it 'high availability: the Postgres replica is promoted, and messages are stored' goes_on_with_the_replica
it 'high availability: the old Postgres stays down' stays_down
it 'high availability: down --volumes leaves nothing' removes_everything
say "high availability: $(took "$begin")"
