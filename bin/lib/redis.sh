# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the scripts that source it
# SPDX-License-Identifier: MIT
# The private Redis. Sourced after bin/lib/process.sh and bin/lib/memory.sh.

private_redis_url() { printf 'redis://127.0.0.1:%s' "$LOCAL_REDIS_PORT"; }

redis_answers() { # URL
  [ "$(redis_to "$1" ping 2>/dev/null)" = PONG ]
}

# check_redis_version TEXT: dies below Redis 7.0, which brought the functions that this service is made of.
check_redis_version() {
  [[ $1 =~ ([0-9]+)\.[0-9]+\.[0-9]+ ]] || return 0
  [ "${BASH_REMATCH[1]}" -ge 7 ] || die "Redis 7.0 or later is needed, this is ${BASH_REMATCH[0]}"
}

redis_came_up() { redis_answers "$(private_redis_url)" || ! is_running redis; }

# start_redis: starts the private Redis where it doesn't run, and waits until it answers.
start_redis() {
  local folder=$run_dir/redis options=()
  if is_running redis; then
    say "Redis runs already on port $LOCAL_REDIS_PORT"
    return
  fi
  bin/install-deps.sh redis
  check_redis_version "$(redis-server --version)"
  if in_memory; then
    folder=$run_dir/memory/redis
    options=(--appendonly no)
  fi
  mkdir -p -- "$folder"
  cap_log "$run_dir/redis.log"
  say "starting Redis on port $LOCAL_REDIS_PORT, data in $folder"
  spawn redis "$LOCAL_REDIS_PORT" "$run_dir/redis.log" \
    redis-server "$root/redis/redis.conf" --port "$LOCAL_REDIS_PORT" --dir "$folder" --daemonize no \
    --logfile "$run_dir/redis.log" "${options[@]}"
  if ! wait_for 60 redis_came_up || ! is_running redis; then
    show_log "$run_dir/redis.log"
    die "Redis didn't start on port $LOCAL_REDIS_PORT (setting LOCAL_REDIS_PORT)"
  fi
}

# use_redis: checks the Redis that REDIS_URL names.
use_redis() {
  wait_for 5 redis_answers "$REDIS_URL" || die "no Redis answers at $(redact "$REDIS_URL") (setting REDIS_URL)"
  check_redis_version "$(redis_to "$REDIS_URL" info server 2>/dev/null | grep redis_version || true)"
  say "using the Redis at $(redact "$REDIS_URL") (REDIS_URL)"
}
