#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The containers' health checks, in bash alone (TLS apart) so that the images need no further programs.
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

# connect HOST:PORT: opens descriptor 3 to read from it, 4 to write to it.
connect() {
  local host=${1%:*} port=${1##*:}
  host=${host#[} host=${host%]}
  if [[ $REDIS_URL == rediss* ]]; then
    connect_tls "$host" "$port"
  else
    exec 3<>"/dev/tcp/$host/$port" 4>&3
  fi
}

# connect_tls HOST PORT: the same by openssl, which the system's certificates came with. To its s_client a piece that
# begins with one of some letters is a command (from 3.2 on C: to connect anew), unless it is told that there are none.
connect_tls() {
  local options=(-noservername -verify_ip "$1") address=$1
  [[ $1 =~ ^[0-9.]+$|: ]] || options=(-servername "$1" -verify_hostname "$1")
  [[ $1 != *:* ]] || address=[$1]
  if [ -n "${REDIS_CA_FILE:-}" ]; then options+=(-CAfile "$REDIS_CA_FILE"); fi
  if [ -n "${REDIS_CERT_FILE:-}" ]; then options+=(-cert "$REDIS_CERT_FILE" -key "$REDIS_KEY_FILE"); fi
  coproc openssl s_client -quiet -no_ign_eof -nocommands -verify_return_error "${options[@]}" -connect "$address:$2" 2>/dev/null
  exec 3<&"${COPROC[0]}" 4>&"${COPROC[1]}"
}

# say WORD…: a command.
say() {
  local word LC_ALL=C
  printf '*%d\r\n' "$#" >&4
  for word in "$@"; do printf '$%d\r\n%s\r\n' "${#word}" "$word" >&4; done
}

# hear: the next line of the answer, as `line`.
hear() {
  IFS= read -r line <&3
  line=${line%$'\r'}
}

# authenticate: says who we are, where REDIS_URL (redis://[[user]:password@]host…) has a password.
authenticate() {
  local credentials=${REDIS_URL#*://} part parts=() line
  [[ $credentials == *@* ]] || return 0
  credentials=${credentials%@*}
  if [ -n "${credentials%%:*}" ]; then parts+=("${credentials%%:*}"); fi
  parts+=("${credentials#*:}")
  for part in "${!parts[@]}"; do
    parts[part]=${parts[part]//\\/\\\\}
    printf -v "parts[$part]" '%b' "${parts[part]//%/\\x}" # percent escapes
  done
  say AUTH "${parts[@]}"
  hear
  [[ $line == +OK* ]]
}

# answers_at HOST:PORT: whether somebody does within a second; a machine that is gone may take many to say that it is.
# shellcheck disable=SC2016 # expanded by the inner shell
answers_at() { timeout 1 bash -c ': <>"/dev/tcp/$1/$2"' bash "${1%:*}" "${1##*:}" 2>/dev/null; }

# ask_sentinel HOST:PORT NAME: prints the address of the master that it knows by that name; 1 when it knows none.
ask_sentinel() {
  local line host
  answers_at "$1" && connect "$1" || return 1
  say SENTINEL get-master-addr-by-name "$2"
  hear || return 1
  if [[ $line == -NOAUTH* ]]; then
    authenticate || return 1
    say SENTINEL get-master-addr-by-name "$2"
    hear || return 1
  fi
  [[ $line == '*2' ]] && hear && hear && host=$line && hear && hear && printf '%s:%s\n' "$host" "$line"
}

# redis_address: prints where REDIS_URL leads to, by the word of the first Sentinel that answers where it names those.
redis_address() {
  local address=${REDIS_URL#*://} name hosts
  address=${address##*@}
  name=${address#*/}
  address=${address%%/*}
  if [[ $REDIS_URL != *+sentinel://* ]]; then
    [[ $address =~ :[0-9]+$ ]] || address+=:6379
    printf '%s\n' "$address"
    return
  fi
  IFS=, read -ra hosts <<<"$address"
  for address in "${hosts[@]}"; do
    [[ $address =~ :[0-9]+$ ]] || address+=:26379
    if ask_sentinel "$address" "${name%%/*}"; then return; fi
  done
  return 1
}

# has_connection PROGRAM: Redis lists a client of this name. A process names its connections after its instance id, which
# begins with the host's name.
has_connection() {
  local address line name=${INSTANCE_ID:-$HOSTNAME-$1-0}
  address=$(redis_address)
  connect "$address"
  authenticate
  say CLIENT LIST
  hear
  [[ $line == '$'* ]]
  while hear && [ -n "$line" ]; do
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
