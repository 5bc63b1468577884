#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -euo pipefail
umask 022 # what packages' scripts make is for everybody, whatever our caller's files are

usage() {
  cat <<'END'
Usage: bin/install-deps.sh [--check] GROUP…

Installs what is missing of the groups' packages on Debian and Ubuntu, and says what; as an ordinary user it asks sudo.
Elsewhere it names what is missing. The packages' own services (Redis, Postgres, PgBouncer, nginx, HAProxy, Prometheus,
Docker) are neither started nor switched on, and services that were there before are left alone.

  build      compiler, libraries        redis      Redis's server
  run        curl, jq, redis-cli, psql  postgres   Postgres's server
  test       Check, PgBouncer, nginx,   ci         what .ci/run needs besides
             HAProxy, for `make test`
  monitoring promtool, for `make test`  browser    Chromium and its driver, for `make test-browser`
  compose    Docker, docker-compose     bench      wrk, for `make bench`
  fuzz       clang with libFuzzer, for `make fuzz`
  debian     debootstrap, for `make test-debian`
  vendors    Node.js, npm, Python's venv, for `make test-vendors`
  topologies openssl, ip, for `make test-topologies`

  --check    installs nothing; exit status 1 when something is missing
END
}

# group, Debian package, how to see that it is there: a command, a pkg-config module, a header, a file, a program of Redis's
# or Valkey's, a Postgres server, libFuzzer, a Docker engine, Compose of either version, or Python's virtual environments
packages='
build    gcc                   command gcc
build    libc6-dev             header stdio.h
build    make                  command make
build    pkg-config            command pkg-config
build    libmicrohttpd-dev     module libmicrohttpd
build    libhiredis-dev        module hiredis
build    libpq-dev             module libpq
build    libcjson-dev          module libcjson
build    libuv1-dev            module libuv
build    libcurl4-openssl-dev  module libcurl
build    libinih-dev           module inih
build    libutf8proc-dev       module libutf8proc
build    libidn2-dev           module libidn2
build    libssl-dev            module libssl
run      ca-certificates       file /etc/ssl/certs/ca-certificates.crt
run      curl                  command curl
run      jq                    command jq
run      redis-tools           redis cli
run      postgresql-client     command psql
redis    redis-server          redis server
postgres postgresql            postgres -
test     check                 module check
test     libsubunit-dev        module libsubunit
test     pgbouncer             command pgbouncer
test     nginx                 command nginx
test     haproxy               command haproxy
monitoring prometheus          command promtool
browser  chromium              command chromium
browser  chromium-driver       command chromedriver
browser  fonts-inter           file /usr/share/fonts/opentype/inter/Inter-Regular.otf
compose  docker.io             engine -
compose  docker-compose        compose -
compose  debootstrap           command debootstrap
debian   debootstrap           command debootstrap
debian   git                   command git
topologies openssl             command openssl
topologies iproute2            command ip
vendors  nodejs                command node
vendors  npm                   command npm
vendors  python3-venv          venv -
bench    wrk                   command wrk
fuzz     clang                 command clang
fuzz     libclang-rt-dev       libfuzzer -
ci       git                   command git
ci       clang                 command clang
ci       clang-format          command clang-format
ci       clang-tidy            command clang-tidy
ci       clang-tools           command clang-query
ci       cppcheck              command cppcheck
ci       shellcheck            command shellcheck
ci       valgrind              command valgrind
ci       systemd               command systemd-analyze
'

say() { printf '%s\n' "$*"; }
die() {
  printf '%s\n' "install-deps.sh: $*" >&2
  exit 1
}

is_there() { # KIND WHAT
  case $1 in
  command) PATH=$PATH:/usr/sbin command -v "$2" >/dev/null ;;
  module) command -v pkg-config >/dev/null && pkg-config --exists "$2" ;;
  header) [ -e "/usr/include/$2" ] || echo "#include <$2>" | gcc -E - >/dev/null 2>&1 ;;
  file) [ -e "$2" ] ;;
  redis) command -v "redis-$2" >/dev/null || command -v "valkey-$2" >/dev/null ;;
  libfuzzer) compgen -G '/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a' >/dev/null ;;
  engine) PATH=$PATH:/usr/sbin command -v dockerd >/dev/null || docker info >/dev/null 2>&1 ;;
  compose) command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 ;;
  venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
  postgres) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null ;;
  esac
}

# find_missing GROUP…: sets `missing` to the packages of the groups that are not there.
find_missing() {
  local group package kind what
  missing=()
  while read -r group package kind what; do
    case " $* " in *" $group "*) is_there "$kind" "$what" || missing+=("$package") ;; esac
  done <<<"${packages#$'\n'}"
}

# --- Keeping new services asleep. Debian's packages start their services when they are installed, unless a script
# /usr/sbin/policy-rc.d forbids it. Ours forbids it for the services that are being installed only, allows it again as
# soon as this process is gone, however it went, and makes way for the one that was there before.

policy=/usr/sbin/policy-rc.d
policy_before=$policy.before-messaging-service
policy_mark='# bin/install-deps.sh of messaging-service'
cluster_conf=/etc/postgresql-common/createcluster.d/messaging-service.conf

allow_services() {
  if [ -f "$policy" ] && grep -qxF "$policy_mark" "$policy"; then rm -f "$policy"; fi
  if [ -e "$policy_before" ] && [ ! -e "$policy" ]; then mv "$policy_before" "$policy"; fi
  rm -f "$cluster_conf" "$policy.new-messaging-service"
}

# forbid_services PATTERN: no service whose name the shell pattern fits is started; what the policy that was there
# before says about the others holds.
forbid_services() {
  cat >"$policy.new-messaging-service" <<END
#!/bin/sh
$policy_mark
for word in "\$@"; do
  case \$word in -*) ;; *) break ;; esac
done
if [ -d /proc/$$ ]; then
  case \$word in $1) exit 101 ;; esac
fi
[ -x $policy_before ] || exit 0
exec $policy_before "\$@"
END
  chmod 755 "$policy.new-messaging-service"
  if [ -e "$policy" ]; then mv "$policy" "$policy_before"; fi
  mv "$policy.new-messaging-service" "$policy"
  if [[ $1 == *postgresql* ]]; then
    mkdir -p "${cluster_conf%/*}"
    echo 'create_main_cluster = false' >"$cluster_conf"
  fi
}

# keep_off SERVICE: nor at the machine's next start.
keep_off() {
  if command -v systemctl >/dev/null; then systemctl --quiet disable "$1" 2>/dev/null || true; fi
  if command -v update-rc.d >/dev/null; then update-rc.d "$1" disable >/dev/null 2>&1 || true; fi
  say "(the service $1 of the package was left switched off)"
}

install_missing() {
  local services=''
  log=$(mktemp) # not local: the trap outlives this function
  trap 'allow_services; rm -f "$log"' EXIT
  trap 'exit 130' INT TERM HUP
  allow_services
  case " ${missing[*]} " in *' redis-server '*) services='redis*' ;; esac
  case " ${missing[*]} " in *' postgresql '*) services=${services:+$services | }'postgresql*' ;; esac
  case " ${missing[*]} " in *' pgbouncer '*) services=${services:+$services | }'pgbouncer*' ;; esac
  case " ${missing[*]} " in *' nginx '*) services=${services:+$services | }'nginx*' ;; esac
  case " ${missing[*]} " in *' haproxy '*) services=${services:+$services | }'haproxy*' ;; esac
  case " ${missing[*]} " in *' prometheus '*) services=${services:+$services | }'prometheus*' ;; esac
  case " ${missing[*]} " in *' docker.io '*) services=${services:+$services | }'docker*' ;; esac
  if [[ $services == *docker* ]] && ! command -v containerd >/dev/null; then services+=' | containerd*'; fi
  if [ -n "$services" ]; then forbid_services "$services"; fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >"$log" 2>&1 || say "(the package lists could not all be brought up to date)"
  if ! apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "apt-get could not install: ${missing[*]}"
  fi
  case $services in *redis*) keep_off redis-server ;; esac
  case $services in *pgbouncer*) keep_off pgbouncer ;; esac
  case $services in *nginx*) keep_off nginx ;; esac
  case $services in *haproxy*) keep_off haproxy ;; esac
  case $services in *prometheus*) keep_off prometheus ;; esac
  case $services in *docker*) keep_off docker ;; esac
  case $services in *containerd*) keep_off containerd ;; esac
}

main() {
  local check=
  case ${1:-} in
  -h | --help) usage && exit 0 ;;
  --check) check=yes && shift ;;
  esac
  [ $# -gt 0 ] || die "which groups? see bin/install-deps.sh --help"
  for group in "$@"; do
    case $group in
    build | run | redis | postgres | test | monitoring | browser | compose | debian | vendors | topologies | bench | fuzz | ci) ;;
    *) die "there is no group '$group'" ;;
    esac
  done
  find_missing "$@"
  [ ${#missing[@]} -gt 0 ] || return 0
  [ -z "$check" ] || die "missing (by their Debian names): ${missing[*]}"
  command -v apt-get >/dev/null ||
    die "missing, and not a Debian or Ubuntu to install them on (their Debian names): ${missing[*]}"
  if [ "$EUID" != 0 ]; then
    command -v sudo >/dev/null || die "missing; as root, run: apt-get install ${missing[*]}"
    say "asking sudo, to install: ${missing[*]}"
    sudo -- "$0" "$@"
    return
  fi
  say "installing: ${missing[*]}"
  install_missing
  find_missing "$@"
  [ ${#missing[@]} = 0 ] || die "still missing after the installation: ${missing[*]}"
}

main "$@"
