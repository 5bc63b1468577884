#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The containers' health checks, in bash alone so that the images need no further programs.
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/healthcheck.sh http PORT PATH    something answers 200 on PORT of this container
       bin/healthcheck.sh answers PORT      something answers HTTP there, whatever the status
       bin/healthcheck.sh redis PROGRAM     this container's PROGRAM has a connection to the Redis of REDIS_URL
END
}

# status_of PORT PATH: prints the status line of the answer.
status_of() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$1"
  printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3
  IFS= read -r line <&3
  printf '%s\n' "$line"
}

# authenticate: says over descriptor 3 who we are, where REDIS_URL (redis://[[user]:password@]host…) has a password.
authenticate() {
  local credentials=${REDIS_URL#redis://} part parts=(AUTH) line LC_ALL=C
  [[ $credentials == *@* ]] || return 0
  credentials=${credentials%@*}
  if [ -n "${credentials%%:*}" ]; then parts+=("${credentials%%:*}"); fi
  parts+=("${credentials#*:}")
  printf '*%d\r\n' "${#parts[@]}" >&3
  for part in "${parts[@]}"; do
    part=${part//\\/\\\\}
    printf -v part '%b' "${part//%/\\x}" # percent escapes
    printf '$%d\r\n%s\r\n' "${#part}" "$part" >&3
  done
  IFS= read -r line <&3
  [[ $line == '+OK'* ]]
}

# has_connection PROGRAM: Redis lists a client of this name. A process names its connections after its instance id, which
# begins with the host's name.
has_connection() {
  local address=${REDIS_URL#redis://} length line name=${INSTANCE_ID:-$HOSTNAME-$1-0}
  address=${address%%/*}
  address=${address##*@}
  exec 3<>"/dev/tcp/${address%:*}/${address##*:}"
  authenticate
  printf 'CLIENT LIST\r\n' >&3
  IFS= read -r length <&3
  [[ $length == '$'* ]]
  while IFS= read -r line <&3 && [[ $line != $'\r' ]]; do
    if [[ $line == *" name=$name "* ]]; then return; fi
  done
  return 1
}

case ${1:-} in
http) [[ $(status_of "$2" "$3") == 'HTTP/1.'?' 200 '* ]] ;;
answers) [[ $(status_of "$2" /) == 'HTTP/1.'* ]] ;;
redis) has_connection "$2" ;;
*) usage >&2 && exit 2 ;;
esac
