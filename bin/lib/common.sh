# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the scripts share: messages, settings, waiting, ports. Sourced, never run; leaves the caller in the project's
# root, with the settings below resolved.

set -euo pipefail

# What the scripts and their servers write is for its owner alone: it holds phone numbers and what people wrote. What is
# built, and what goes into the sources, keeps the caller's umask.
# shellcheck disable=SC2034 # for what sources this
given_umask=$(umask)
umask 077

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd -- "$root"

# Plain text everywhere: the output is read in logs as often as on a terminal.
export NO_COLOR=1 CLICOLOR=0 PG_COLOR=never

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
  warn "${0##*/}: $*"
  exit 1
}

# --- Settings: the environment wins over .env, .env over the file of settings, that over the default.

# parse_value TEXT: sets REPLY to a value as it stands right of a name's `=`: quoted, or bare up to a ` #` comment. Fails
# with REPLY saying what is wrong. The programs' reading is shared/settings/dotenv.c; tests/scripts/settings.sh holds the
# two together, for these scripts also run where no program is (a container that migrates, before the first build).
parse_value() {
  local text=$1 quote rest
  text=${text#"${text%%[![:blank:]]*}"}
  case $text in
  \"* | \'*)
    quote=${text:0:1}
    REPLY=
    rest=${text:1}
    while [ -n "$rest" ] && [ "${rest:0:1}" != "$quote" ]; do
      if [ "$quote" = '"' ] && [[ $rest == \\[\"\\\$\`]* ]]; then rest=${rest:1}; fi
      REPLY+=${rest:0:1}
      rest=${rest:1}
    done
    if [ -z "$rest" ]; then
      REPLY='a quote is not closed'
      return 1
    elif ! [[ ${rest:1} =~ ^[[:blank:]]*$|^[[:blank:]]+# ]]; then
      REPLY='something follows the closing quote'
      return 1
    fi
    ;;
  *)
    [[ $text == '#'* ]] && text=
    text=${text%%[[:blank:]]#*}
    REPLY=${text%"${text##*[![:blank:]]}"}
    ;;
  esac
}

# The names that this script's caller has set.
# shellcheck disable=SC2034 # for what sources this
given_names=$(compgen -e)

# load_dotenv FILE: exports the names of .env that the environment doesn't have.
load_dotenv() {
  local file=$1 line name number=0
  [ -f "$file" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line%$'\r'}
    [[ $line =~ ^[[:blank:]]*(#|$) ]] && continue
    [[ $line =~ ^[[:blank:]]*(export[[:blank:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] ||
      die "$file, line $number: not a NAME=value line"
    name=${BASH_REMATCH[2]}
    parse_value "${BASH_REMATCH[3]}" || die "$file, line $number: $REPLY"
    if [ -z "${!name+set}" ]; then export "$name=$REPLY"; fi
  done <"$file"
}

# config_value KEY: prints KEY's value in the file of settings, or nothing.
config_value() {
  local file=${API_CONFIG_FILE:-shared/default.toml} line value=
  [ -f "$file" ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:blank:]]*$1[[:blank:]]*=(.*)$ ]] && parse_value "${BASH_REMATCH[1]%$'\r'}" && value=$REPLY
  done <"$file"
  printf '%s' "$value"
}

# setting NAME KEY DEFAULT: gives the variable NAME its value and exports it.
setting() {
  local value=${!1:-}
  [ -n "$value" ] || value=$(config_value "$2")
  export "$1=${value:-$3}"
}

port_setting() {
  setting "$@"
  local value=${!1}
  if ! [[ $value =~ ^[0-9]{1,5}$ ]] || ((10#$value < 1 || 10#$value > 65535)); then
    die "$1 is '$value': it must be a port, 1 to 65535"
  fi
}

# unset_if_empty NAME: an empty URL names nothing.
unset_if_empty() { if [ -z "${!1:-}" ]; then unset "$1"; fi; }

is_true() {
  case ${1,,} in true | yes | on | 1) return 0 ;; *) return 1 ;; esac
}

load_settings() {
  load_dotenv .env
  port_setting PORT port 8080
  port_setting MOCK_PROVIDER_PORT mock_provider_port 8090
  port_setting LOCAL_REDIS_PORT local_redis_port 6379
  port_setting LOCAL_POSTGRES_PORT local_postgres_port 55432
  setting BIND_ADDRESS bind_address 127.0.0.1
  setting DRAIN_TIMEOUT_SECS drain_timeout_secs 10
  [[ $DRAIN_TIMEOUT_SECS =~ ^[0-9]{1,4}$ ]] || die "DRAIN_TIMEOUT_SECS is '$DRAIN_TIMEOUT_SECS': it must be 1 to 3600"
  setting API_ENABLE_INMEMORY_FALLBACK enable_inmemory_fallback false
  setting RUN_DIR run_dir .run
  setting API_KEY no_such_key ''
  setting REDIS_URL redis_url ''
  setting REDIS_CA_FILE redis_ca_file ''
  setting REDIS_CERT_FILE redis_cert_file ''
  setting REDIS_KEY_FILE redis_key_file ''
  setting DATABASE_URL database_url ''
  unset_if_empty REDIS_URL
  unset_if_empty DATABASE_URL
  case $RUN_DIR in /*) ;; *) RUN_DIR=$root/$RUN_DIR ;; esac
  run_dir=${RUN_DIR%/}
}

# close_run_dir: takes others' rights from what an earlier run has left in the data folder, and from the folder itself
# where nothing else lies in it. Postgres sees to its own; its user must be able to pass root's (lib-postgres.sh).
close_run_dir() {
  local name ours=()
  for name in lock memory postgres redis '*.pid' '*.state' '*.log' '*.log.1' '*.err'; do ours+=(-o -name "$name"); done
  ours=('(' "${ours[@]:1}" ')')
  find "$run_dir" -mindepth 1 -maxdepth 1 "${ours[@]}" ! -type l ! -name postgres -user "$EUID" \
    -exec chmod -R go-rwx -- {} +
  if [ -z "$(find "$run_dir" -mindepth 1 -maxdepth 1 ! "${ours[@]}" -print -quit)" ]; then
    if [ "$EUID" = 0 ] && [ -d "$run_dir/postgres" ] && [ ! -L "$run_dir/postgres" ]; then
      chgrp postgres -- "$run_dir" && chmod 710 -- "$run_dir"
    else
      chmod 700 -- "$run_dir"
    fi
  fi
}

# make_run_dir: makes the data folder, or says why it can't be used.
make_run_dir() {
  mkdir -p -- "$run_dir" 2>/dev/null || die "can't make the data folder $run_dir (setting RUN_DIR)"
  [ -w "$run_dir" ] || die "the data folder $run_dir belongs to $(stat -c %U -- "$run_dir"): choose another RUN_DIR"
  close_run_dir
}

# redact URL: the same without its password.
redact() { sed -E "s#(://[^:@/]*):.*@#\\1:***@#; s#(password=)('[^']*'|[^ &]*)#\\1***#g" <<<"$1"; }

# --- Servers. A program's arguments are there for every user of the machine to read, its environment isn't: so what
# calls psql and redis-cli takes the password out of the URL first.

# url_decode TEXT: sets REPLY to it without its percent escapes.
url_decode() {
  local text=${1//\\/\\\\}
  printf -v REPLY '%b' "${text//%/\\x}"
}

# split_password URL: sets `password` to the URL's, decoded ("" where it has none), and REPLY to the rest of it. Takes
# libpq's keyword strings, too.
split_password() {
  local quoted="^(.*[[:blank:]])?password='(([^'\\\\]|\\\\.)*)'(.*)\$" url=$1
  password=
  if [[ $url =~ ^([a-z+]+://[^:@/]*):([^/]*)@(.*)$ || $url =~ ^([a-z+]+://[^:@/?]*):([^?]*)@(.*)$ ]]; then
    url=${BASH_REMATCH[1]}@${BASH_REMATCH[3]}
    url_decode "${BASH_REMATCH[2]}"
    password=$REPLY
  elif [[ $url == *://* && $url =~ ^(.*[?&])password=([^&]*)(.*)$ ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[3]#&}
    url_decode "${BASH_REMATCH[2]}"
    password=$REPLY
  elif [[ $url =~ $quoted ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[4]}
    password=$(sed -E 's/\\(.)/\1/g' <<<"${BASH_REMATCH[2]}")
  elif [[ $url != *://* && $url =~ ^(.*[[:blank:]])?password=([^[:blank:]]*)(.*)$ ]]; then
    url=${BASH_REMATCH[1]}${BASH_REMATCH[3]}
    password=${BASH_REMATCH[2]}
  fi
  REPLY=$url
}

# lists_servers URL: whether it names several servers of Postgres, or of Redis.
lists_servers() { [[ $1 =~ ^[a-z+]+://([^/?]*@)?[^/?@]*, || $1 =~ (^|[?\&[:blank:]])host(addr)?=\'?[^\&[:blank:]]*, ]]; }

# redis_program NAME: prints the name of Redis's program (`cli`, `server`), or Valkey's where that isn't there.
redis_program() {
  if ! command -v "redis-$1" >/dev/null && command -v "valkey-$1" >/dev/null; then
    printf 'valkey-%s\n' "$1"
  else
    printf 'redis-%s\n' "$1"
  fi
}

# psql_to URL ARGUMENT… Of several servers it takes the one that takes writes, as the programs do, and doesn't wait for
# one that is dead for as long as the kernel would.
psql_to() {
  local password
  split_password "$1"
  if lists_servers "$REPLY"; then
    local -x PGTARGETSESSIONATTRS=${PGTARGETSESSIONATTRS:-read-write} PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-5}
  fi
  PGPASSWORD=${password:-${PGPASSWORD:-}} psql -d "$REPLY" "${@:2}"
}

# add_tls_options HOST: adds to `options` what redis-cli needs for TLS to it. Other than the programs, redis-cli doesn't
# look for the host's name in the certificate, and trusts REDIS_CA_FILE's authorities alone where there are any.
add_tls_options() {
  options+=(--tls)
  [[ $1 =~ ^[0-9.]+$|: ]] || options+=(--sni "$1")
  if [ -n "${REDIS_CA_FILE:-}" ]; then options+=(--cacert "$REDIS_CA_FILE"); fi
  if [ -n "${REDIS_CERT_FILE:-}" ]; then options+=(--cert "$REDIS_CERT_FILE" --key "${REDIS_KEY_FILE:-}"); fi
}

# split_host HOST[:PORT] DEFAULT: sets `host` and `port`; 1 where it is none.
split_host() {
  [[ $1 =~ ^(\[([^]]*)\]|[^:]*)(:([0-9]+))?$ ]] || return 1
  host=${BASH_REMATCH[2]:-${BASH_REMATCH[1]}}
  port=${BASH_REMATCH[4]:-$2}
}

# cli ARGUMENT…: redis-cli at `host` and `port`, by TLS where `tls` isn't empty, as `user` with `password`, in `database`; run
# by `runner`.
cli() {
  local options=(-h "$host" -p "$port")
  if [ -n "$tls" ]; then add_tls_options "$host"; fi
  if [ -n "$user" ]; then options+=(--user "$user"); fi
  if [ -n "$database" ]; then options+=(-n "$database"); fi
  if [ -n "$password" ]; then local -x REDISCLI_AUTH=$password; fi
  "${runner[@]}" "$(redis_program cli)" --no-auth-warning "${options[@]}" "$@"
}

# ask_sentinel HOST[:PORT] NAME: prints `EPOCH HOST PORT` of the master that it knows by that name, if it knows one. It is
# told a password only where it asks for one. The epoch first: an address is never older than an epoch asked for before it.
ask_sentinel() {
  local host port epoch address credentials=("$user" "$password") user='' password='' database='' runner=(timeout 2)
  split_host "$1" 26379 || return 0
  epoch=$(cli SENTINEL MASTER "$2" 2>/dev/null) || true
  if [[ $epoch == NOAUTH* || $epoch == NOPERM* ]]; then
    user=${credentials[0]} password=${credentials[1]}
    epoch=$(cli SENTINEL MASTER "$2" 2>/dev/null) || true
  fi
  address=$(cli SENTINEL GET-MASTER-ADDR-BY-NAME "$2" 2>/dev/null) || true
  epoch=$(sed -n '/^config-epoch$/{n;p;}' <<<"$epoch")
  if [[ $epoch =~ ^[0-9]+$ && $address =~ ^([^[:space:]]+)$'\n'([0-9]+)$ ]]; then
    printf '%s %s %s\n' "$epoch" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  fi
}

# What Sentinels have said, by URL: it is asked once for all that a script does.
declare -A masters=()

# find_master URL HOSTS NAME: sets `host` and `port` to the master's. All Sentinels are asked side by side, and the greatest
# epoch counts, as for the programs.
find_master() {
  local hosts sentinel said
  if [ -z "${masters[$1]:-}" ]; then
    IFS=, read -ra hosts <<<"$2"
    said=$(for sentinel in "${hosts[@]}"; do ask_sentinel "$sentinel" "$3" & done && wait)
    masters[$1]=$(sort -n <<<"$said" | tail -n 1)
  fi
  read -r _ host port <<<"${masters[$1]}"
  if [ -z "$port" ]; then
    warn "no Sentinel of $2 names a master '$3'"
    return 1
  fi
}

# locate_redis URL: sets `host`, `port`, `tls`, `user`, `password` and `database` to where the Redis is that it names.
locate_redis() {
  local address path=''
  tls='' user='' database=''
  if [[ $1 == rediss* ]]; then tls=yes; fi
  split_password "$1"
  address=${REPLY#*://}
  if [[ $address == *@* ]]; then
    url_decode "${address%@*}"
    user=$REPLY
    address=${address##*@}
  fi
  if [[ $address == */* ]]; then path=${address#*/}; fi
  address=${address%%/*}
  if [[ $1 != *+sentinel://* ]]; then
    database=$path
    split_host "$address" 6379
    return
  fi
  if [[ $path == */* ]]; then database=${path#*/}; fi
  url_decode "${path%%/*}"
  find_master "$1" "$address" "$REPLY"
}

# redis_to URL ARGUMENT…: redis-cli for redis://[[user]:password@]host[:port][/db], and for
# redis+sentinel://[[user]:password@]host[:port],…/master[/db] at the master that the Sentinels name; with TLS to all of them
# for rediss:// and rediss+sentinel://.
redis_to() {
  local host='' port='' tls user password database runner=()
  locate_redis "$1" || return 1
  cli "${@:2}"
}

# key_header: for `curl -K <(key_header)`: the header with the setting API_KEY, where it is set.
key_header() {
  local key=${API_KEY:-}
  [ -z "$key" ] || printf 'header = "Authorization: Bearer %s"\n' "${key//[\"\\]/}"
}

# --- Waiting and ports

# wait_for SECONDS COMMAND…: runs the command until it succeeds; 1 when it hasn't in that time.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}

# port_listens PORT: whether anything on this machine listens there.
port_listens() {
  local hex
  printf -v hex ':%04X' "$((10#$1))"
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } |
    awk -v port="$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 } END { exit !found }'
}

# --- Containers

# compose ARGUMENT…: Compose v2 where the docker command has it, else v1.
compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi
}
