#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docker-compose.yml as it is used: up, the HTTP cases, restarts under load, a killed container, down and up again; then
# all of it is removed. What is shown is what was measured; each sentence of `it` is a test.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/../scripts/support.bash"
# shellcheck source=tests/compose/engine.bash
. tests/compose/engine.bash
# shellcheck source=tests/compose/images.bash
. tests/compose/images.bash
# shellcheck source=tests/compose/load.bash
. tests/compose/load.bash

unset REDIS_URL DATABASE_URL BIND_ADDRESS COMPOSE_FILE
export COMPOSE_PROJECT_NAME=messaging-test-$$ COMPOSE_SUBNET=172.30.248.0/24 COMPOSE_DOCKER_CLI_BUILD=0 DOCKER_BUILDKIT=0 COMPOSE_HTTP_TIMEOUT=300
# Short leases, so that the entries of a container that is gone are taken over soon; the persisters name what they store.
export API_WORKER_CLAIM_TIMEOUT_SECS=8 PROVIDER_TIMEOUT_MS=3000 LOG_LEVEL=debug
scale=(--scale ingest=2 --scale dispatcher=3 --scale persister=2)
services=(postgres redis ingest proxy dispatcher persister mock-provider)

show_trouble() { compose logs --no-color 2>/dev/null | grep -E '"level":"(warn|error)"|FATAL|ALERT' | tail -n 30 | cut -c1-300 || true; }

tear_down() {
  local status=$?
  trap - EXIT
  touch "$folder/load-ends"
  if [ "$status" != 0 ]; then show_trouble; fi
  compose down --volumes --remove-orphans >/dev/null 2>&1 || true
  end_engine
  clean_up "$status"
}
trap tear_down EXIT

# containers SERVICE: prints the ids of those that run.
containers() {
  docker ps --quiet --no-trunc --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$1"
}
first_container() { containers "$1" | head -n 1; }
name_of() { docker inspect --format '{{slice .Name 1}}' "$1"; }
redis() { redis-cli -p "$LOCAL_REDIS_PORT" "$@"; }
sql() {
  psql -X -w -q -A -t -v ON_ERROR_STOP=1 "$@" \
    "postgres://messaging_user:messaging_password@127.0.0.1:$LOCAL_POSTGRES_PORT/messaging_service"
}
lines_of() { docker logs "$1" 2>&1 | grep -c "\"event\":\"$2\"" || true; } # CONTAINER EVENT

# --- Up

is_ready() { get /readyz >/dev/null 2>&1; }

comes_up() { # OPTION…
  compose up --detach "${scale[@]}" "$@" >"$folder/up.log" 2>&1 || { tail -n 40 "$folder/up.log" && return 1; }
  wait_for 60 is_ready
}

# took MILLISECONDS-BEFORE: prints the seconds since.
now_ms() { date +%s%3N; }
took() { awk -v ms=$(($(now_ms) - $1)) 'BEGIN { printf "%.1f s", ms / 1000 }'; }

all_are_healthy() {
  local service container
  for service in "${services[@]}"; do
    for container in $(containers "$service"); do
      [ "$(docker inspect --format '{{.State.Health.Status}}' "$container")" = healthy ] || return 1
    done
  done
}
become_healthy() { wait_for 60 all_are_healthy || { compose ps && return 1; }; }

has_containers() { [ "$(containers "$1" | wc -l)" = "$2" ]; }
are_scaled() { has_containers ingest 2 && has_containers dispatcher 3 && has_containers persister 2; }

are_confined() {
  local service container
  for service in "${services[@]}"; do
    for container in $(containers "$service"); do
      docker inspect --format '{{slice .Name 1}}: {{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}' "$container"
    done
  done >"$folder/confined"
  cat "$folder/confined"
  ! grep -vE ': (postgres|redis|messaging|haproxy) true [1-9][0-9]* unless-stopped$' "$folder/confined"
}

are_on_loopback() { ! docker ps --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '{{.Ports}}' | grep -E '(0\.0\.0\.0|::):[0-9]+->'; }
redis_is_seen() { redis XINFO GROUPS 'outbound:{sms-mms:0}' | grep -q dispatchers; }
migrate_succeeded() { [ "$(docker inspect --format '{{.State.ExitCode}}' "$(docker ps -aqf "name=${COMPOSE_PROJECT_NAME}[-_]migrate")")" = 0 ]; }
answers_all_cases() { BASE_URL=http://127.0.0.1:$PORT bin/test.sh >"$folder/http.log" || { grep -A1 FAIL "$folder/http.log" && return 1; }; }

# --- Under load

restart_under_load() { under_load "$1" bin/rolling.sh "$1"; } # SERVICE
notices_nothing() { restart_under_load "$1" && answered_only "$1" 202; }
restart_all_ingests() { compose restart --timeout 15 ingest >/dev/null 2>&1; }
waits_for_ingest() { under_load at-once restart_all_ingests && answered_only at-once 202 502-no-key; }
breaks_only_connections() { restart_under_load proxy && answered_only proxy 202 000; }
ingests_are_ready() {
  local container
  has_containers ingest 2 || return 1
  for container in $(containers ingest); do
    docker exec "$container" bin/healthcheck.sh http 8080 /readyz || return 1
  done
}
# Each ingest finds Redis again by itself, one later than the other.
restart_redis() { bin/rolling.sh redis && wait_for 60 ingests_are_ready; }
refuses_sends() { under_load redis restart_redis && answered_only redis 202 000 503; }

backlog() { redis EVAL "local n = 0
  for _, p in ipairs({'{sms-mms:0}', '{email:0}'}) do
    n = n + redis.call('XLEN', 'outbound:' .. p) + redis.call('XLEN', 'events:' .. p) + redis.call('HLEN', 'parked:' .. p)
      + redis.call('HLEN', 'held:' .. p)
  end
  return n" 0; }
is_drained() { [ "$(backlog)" = 0 ]; }

drains() { wait_for 120 is_drained || { echo "$(backlog) are left" && return 1; }; }
keeps_its_counts() { is_zero 'SELECT (SELECT sum(messages) FROM totals) - (SELECT count(*) FROM messages)'; }

# --- A container that is killed and made again

set_latency() {
  curl -fsS --noproxy '*' -X PUT "http://127.0.0.1:$PORT/api/provider/mock/config" -H 'Content-Type: application/json' \
    -d "{\"timeout_pct\":0,\"error_pct\":0,\"ratelimit_pct\":0,\"receipts_pct\":0,\"latency_ms\":$1}" >/dev/null
}
pending_of() { # CONSUMER
  redis EVAL "for _, c in ipairs(redis.call('XPENDING', 'outbound:{sms-mms:0}', 'dispatchers')[4] or {}) do
    if c[1] == ARGV[1] then return tonumber(c[2]) end
  end
  return 0" 0 "$1"
}
holds_some() { [ "$(pending_of "$1")" -gt 0 ]; }
holds_none() { [ "$(pending_of "$1")" = 0 ]; }

# The dispatcher dies while its calls are under way, and its container with it: nobody will ever have its name again.
killed_is_taken_over() {
  local container consumer
  container=$(first_container dispatcher)
  consumer=${container:0:12}-dispatcher-0
  set_latency 1000
  wait_for 30 holds_some "$consumer"
  docker kill "$container" >/dev/null
  holds_some "$consumer"
  echo "its consumer $consumer holds $(pending_of "$consumer") entries" | tee "$folder/orphaned"
  docker rm "$container" >/dev/null
  compose up --detach --no-build --no-recreate "${scale[@]}" >/dev/null 2>&1
  are_scaled
  wait_for 60 holds_none "$consumer"
  set_latency 0
}

# --- Shares

shares() { # SERVICE EVENT
  local container count total=0 line=
  for container in $(containers "$1"); do
    count=$(lines_of "$container" "$2")
    total=$((total + count))
    line+="$(name_of "$container") $count  "
  done
  printf '%s of %s: %s\n' "$total" "$2" "$line"
}
all_have_a_share() { # SERVICE EVENT
  local container
  for container in $(containers "$1"); do
    [ "$(lines_of "$container" "$2")" -gt 0 ] || { name_of "$container" && return 1; }
  done
}

# --- Down and up

summary_of_data() { sql -c "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM conversations), (SELECT count(*) FROM deliveries WHERE final)"; }
goes_down() { compose down >/dev/null 2>&1 && [ -z "$(docker ps -aq --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ]; }
has_the_same_data() { [ "$(summary_of_data)" = "$(<"$folder/data")" ]; }
removes_everything() {
  compose down --volumes >/dev/null 2>&1
  [ -z "$(docker volume ls -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ]
}

start_engine
get_images
needs_containers "$base_image"
if ! docker network inspect bridge >/dev/null 2>&1; then export COMPOSE_FILE=docker-compose.yml:tests/compose/host-network.yml; fi

begin=$(now_ms)
it 'the file is valid' compose config --quiet
it 'the images are built' compose build
say "built in $(took "$begin")"
docker images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -v '^<none>' | column -t
claim_ports # late, because what is free now may not be after minutes of building
begin=$(now_ms)
it 'up --build --scale … comes up' comes_up --build
if [ "$failed" != 0 ]; then die 'nothing else can be tried'; fi
say "from up to /readyz: $(took "$begin")"
it 'everything becomes healthy' become_healthy
compose ps
it 'there are as many as were asked for' are_scaled
it 'migrate has succeeded and is gone' migrate_succeeded
it 'no container is root, writes to its image, or lacks a limit of memory' are_confined
cat "$folder/confined"
it 'nothing is published beyond loopback' are_on_loopback
it 'redis-cli XINFO works from here' redis_is_seen
it 'all HTTP cases pass' answers_all_cases
tail -n 1 "$folder/http.log"

start_load
for service in ingest dispatcher persister mock-provider postgres; do
  it "no client notices a rolling restart of $service" notices_nothing "$service"
  say "$service restarted: $(statuses "$service")"
done
it 'requests wait while all ingests restart at once' waits_for_ingest
say "all ingests restarted at once: $(statuses at-once)"
it 'a restart of the proxy breaks connections, nothing else' breaks_only_connections
say "proxy restarted: $(statuses proxy)"
it 'while Redis restarts sends are refused with 503' refuses_sends
say "redis restarted: $(statuses redis)"
it 'every dispatcher has its share' all_have_a_share dispatcher mock_dispatch_outcome
shares dispatcher mock_dispatch_outcome
it 'every persister has its share' all_have_a_share persister persisted
shares persister persisted
it 'the entries of a killed dispatcher are taken over' under_load kill killed_is_taken_over
say "a dispatcher killed and made again: $(statuses kill); $(cat "$folder/orphaned" 2>/dev/null)"
it 'no client notices a killed dispatcher' answered_only kill 202
end_load
it 'the streams drain' drains
say "the ledger: $(cat "$folder"/ledger.* | wc -l) requests, $(promised | wc -l) promised"
it 'every 202 is stored, with its body' loses_nothing
it 'nothing is stored twice' stores_nothing_twice
it 'every 202 is sent' sends_all
it 'the totals are exact' keeps_its_counts

summary_of_data >"$folder/data"
it 'down removes the containers' goes_down
it 'up comes up again' comes_up
it 'the data is what it was' has_the_same_data
say "messages, conversations, finished deliveries: $(<"$folder/data")"
it 'a message is delivered and stored' send_sms 'after down and up'
it 'down --volumes leaves nothing' removes_everything

# shellcheck source=tests/compose/high-availability.bash
. tests/compose/high-availability.bash
say "in all: $SECONDS s; load $(cut -d ' ' -f 1 /proc/loadavg)"
finish
