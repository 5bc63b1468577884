# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the scripts that source it
# SPDX-License-Identifier: MIT
# The private Redis, or Valkey where there is no Redis. Sourced after bin/lib/process.sh and bin/lib/memory.sh.

private_redis_url() { printf 'redis://127.0.0.1:%s' "$LOCAL_REDIS_PORT"; }

# redis_answers URL: whether it does; where Sentinels name it, they are asked anew.
redis_answers() {
  local host='' port='' tls user password database runner=()
  masters[$1]=''
  locate_redis "$1" 2>/dev/null && [ "$(cli ping 2>/dev/null)" = PONG ]
}

# check_redis_role INFO: dies where the Redis that REDIS_URL names takes no writes of ours, by its own words, and says what
# the URL must be.
check_redis_role() {
  local name said
  case $1 in
  *_mode:sentinel*) # redis_mode, or Valkey's server_mode
    name=$(sed -n 's/^master0:name=\([^,]*\),.*/\1/p' <<<"$1")
    die "$(redact "$REDIS_URL") is a Sentinel and no Redis: REDIS_URL must be" \
      "redis+sentinel://host:port,host:port/${name:-name}, with all the Sentinels"
    ;;
  *cluster_enabled:1*)
    said=$(redis_to "$REDIS_URL" cluster info 2>/dev/null | tr -d '\r' || true)
    [[ $said == *cluster_slots_assigned:16384* && ! $said =~ cluster_size:([2-9]|[0-9]{2}) ]] ||
      die "$(redact "$REDIS_URL") is one of a cluster's masters, and clusters aren't supported yet: REDIS_URL must name" \
        "one that serves all (redis://), or its Sentinels (redis+sentinel://)"
    ;;
  *role:slave*)
    die "$(redact "$REDIS_URL") is a replica, of $(sed -n 's/^master_host://p' <<<"$1") port" \
      "$(sed -n 's/^master_port://p' <<<"$1"): REDIS_URL must name its master, or its Sentinels" \
      "(redis+sentinel://host:port,host:port/name)"
    ;;
  esac
}

# check_redis_version TEXT: dies below Redis 7.0, which brought the functions that this service is made of. Valkey, of
# whatever version, says in INFO that it is a Redis 7.2.4.
check_redis_version() {
  [[ $1 =~ ([0-9]+)\.[0-9]+\.[0-9]+ ]] || return 0
  [ "${BASH_REMATCH[1]}" -ge 7 ] || die "Redis 7.0 or later is needed, this is ${BASH_REMATCH[0]}"
}

redis_came_up() { redis_answers "$(private_redis_url)" || ! is_running redis; }

# start_redis: starts the private Redis where it doesn't run, and waits until it answers.
start_redis() {
  local folder=$run_dir/redis server options=()
  if is_running redis; then
    say "Redis runs already on port $LOCAL_REDIS_PORT"
    return
  fi
  bin/install-deps.sh redis
  server=$(redis_program server)
  check_redis_version "$("$server" --version)"
  if in_memory; then
    folder=$run_dir/memory/redis
    options=(--appendonly no)
  fi
  mkdir -p -- "$folder"
  sh "$root/redis/mend.sh" "$folder"
  cap_log "$run_dir/redis.log"
  say "starting Redis on port $LOCAL_REDIS_PORT, data in $folder"
  spawn redis "$LOCAL_REDIS_PORT" "$run_dir/redis.log" \
    "$server" "$root/redis/redis.conf" --port "$LOCAL_REDIS_PORT" --dir "$folder" --daemonize no \
    --logfile "$run_dir/redis.log" "${options[@]}"
  if ! wait_for 60 redis_came_up || ! is_running redis; then
    show_log "$run_dir/redis.log"
    die "Redis didn't start on port $LOCAL_REDIS_PORT (setting LOCAL_REDIS_PORT)"
  fi
}

# use_redis: checks the Redis that REDIS_URL names.
use_redis() {
  local info
  wait_for 5 redis_answers "$REDIS_URL" ||
    die "no Redis answers at $(redact "$REDIS_URL") (setting REDIS_URL): $(redis_to "$REDIS_URL" ping 2>&1 | head -n 1)"
  info=$(redis_to "$REDIS_URL" info 2>/dev/null | tr -d '\r' || true)
  check_redis_role "$info"
  check_redis_version "$(grep redis_version <<<"$info" || true)"
  say "using the Redis at $(redact "$REDIS_URL") (REDIS_URL)"
}
