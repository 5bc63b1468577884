#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# README on a bare Debian: tests/debian/run.sh RELEASE… (bookworm trixie). Each release is debootstrapped from where this
# machine's apt finds Debian, a clean clone of HEAD is laid into it, and there README's commands are run as it says, by a
# machine that has nothing of what they need: bin/start.sh, bin/test.sh, bin/stop.sh, make test. Where the release has
# Valkey, that takes Redis's place once. Takes root.
#
# All of it happens in a mount and a process namespace of its own: with it end its mounts and whatever was left running.
# The base is kept for a month in DEBIAN_CACHE (/var/cache/messaging-service).
# shellcheck source=bin/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../bin/lib/common.sh"
# shellcheck source=tests/support/ports.bash
. "$(dirname -- "${BASH_SOURCE[0]}")/../support/ports.bash"
umask 022

cache=${DEBIAN_CACHE:-/var/cache/messaging-service}
place=/srv/messaging-service # of the clone, in the release's tree
folder=$(mktemp -d "${TMPDIR:-/var/tmp}/messaging-debian.XXXXXX")
trap 'rm -rf --one-file-system -- "$folder"' EXIT
trap 'exit 130' INT TERM HUP

# mirror: prints where this machine's apt finds Debian.
mirror() {
  # shellcheck disable=SC2016 # apt's own names
  apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(COMPONENT) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 == "Debian" && $3 == "main" && $4 !~ /-/ { print $1; exit }'
}

# make_base RELEASE FILE
make_base() {
  local tree=$folder/base from
  from=$(mirror)
  [ -n "$from" ] || die "this machine's apt has no source of Debian"
  debootstrap --variant=minbase "$1" "$tree" "$from" >"$folder/log" 2>&1 || { tail -n 5 "$folder/log" >&2 && die 'debootstrap failed'; }
  rm -rf -- "$tree"/var/{cache/apt,lib/apt/lists}/*
  echo force-unsafe-io >"$tree/etc/dpkg/dpkg.cfg.d/speed"
  tar -C "$tree" -c . >"$2.new"
  mv -- "$2.new" "$2"
  rm -rf --one-file-system -- "$tree"
}

# base RELEASE: prints the tar of its base, made again when there is none or it is old.
base() {
  local file=$cache/debian-$1.tar
  mkdir -p -- "$cache" 2>/dev/null || file=$folder/debian-$1.tar
  if [ -z "$(find "$file" -mtime -30 2>/dev/null)" ]; then make_base "$1" "$file"; fi
  printf '%s\n' "$file"
}

# lay_out RELEASE TREE
lay_out() {
  local tar
  tar=$(base "$1")
  mkdir -p -- "$2"
  tar -C "$2" -x -f "$tar"
  apt-config dump | grep '^Acquire::' >"$2/etc/apt/apt.conf.d/99of-the-machine" || true
  cp -L /etc/resolv.conf "$2/etc/resolv.conf"
  git clone --quiet --no-hardlinks "$root" "$2$place"
  git -C "$2$place" checkout --quiet --detach "$(git rev-parse HEAD)"
}

# What runs in the release's tree. Its ports are its own, as other tests may run beside it; which ones are taken is
# written in one folder for all.
commands=$(
  cat <<'END'
set -euo pipefail
. /etc/os-release
printf '%s: ' "$PRETTY_NAME"
begin=$SECONDS
bin/start.sh >/tmp/start.log 2>&1 || { tail -n 30 /tmp/start.log; exit 1; }
printf 'bin/start.sh %s s, ' "$((SECONDS - begin))"
dpkg-query -W -f '${Package} ${Version}, ' libmicrohttpd-dev libcurl4-openssl-dev libhiredis-dev redis-server postgresql gcc | sed 's/, $/\n/'
bin/test.sh >/tmp/try.log 2>&1 || { tail -n 20 /tmp/try.log; exit 1; }
tail -n 1 /tmp/try.log
bin/stop.sh >/dev/null
make test >/tmp/test.log 2>&1 || { grep -vE '^\{' /tmp/test.log | tail -n 300; exit 1; }
grep '^all tests took' /tmp/test.log

# Where the release has Valkey: the same in Redis's place, on data of its own, for it can't read what a Redis 8 has written;
# and the suites next to it, which call it by Redis's name.
apt-cache show valkey-server >/dev/null 2>&1 || exit 0
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # start no service
chmod 755 /usr/sbin/policy-rc.d
{ apt-get purge -y -q redis-server redis-tools && apt-get install -y -q --no-install-recommends valkey-server valkey-tools; } \
  >/tmp/apt.log 2>&1 || { tail -n 10 /tmp/apt.log; exit 1; }
dpkg-query -W -f 'with ${Package} ${Version}: ' valkey-server
export RUN_DIR=/srv/with-valkey
bin/start.sh >/tmp/start.log 2>&1 || { tail -n 30 /tmp/start.log; exit 1; }
bin/test.sh >/tmp/try.log 2>&1 || { tail -n 20 /tmp/try.log; exit 1; }
tail -n 1 /tmp/try.log
bin/stop.sh >/dev/null
mkdir /tmp/as-redis
for name in server cli; do ln -s "/usr/bin/valkey-$name" "/tmp/as-redis/redis-$name"; done
export PATH=/tmp/as-redis:$PATH
for suite in library receipts_library token waiting scheduled roles restart; do
  build/tests/integration "$suite" >/tmp/test.log 2>&1 || { grep -vE '^\{' /tmp/test.log | tail -n 100; exit 1; }
done
PROTOCOL_SEEDS=100 build/tests/protocol seeds >/tmp/test.log 2>&1 || { tail -n 100 /tmp/test.log; exit 1; }
END
)

# in_tree TREE COMMANDS: runs them there; PID 1 of the namespace is the shell, with which all ends.
in_tree() {
  # shellcheck disable=SC2016,SC2153 # for the inner shell; claim_ports sets them by name
  unshare --mount --pid --fork --kill-child --propagation private bash -c '
    set -e
    mount -t proc proc "$1/proc"
    mount --rbind /sys "$1/sys"
    mount --rbind /dev "$1/dev"
    mkdir -p "$1$8"
    mount --bind "$8" "$1$8"
    cd "$1"
    exec chroot "$1" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/srv LANG=C.UTF-8 \
      PORT="$3" MOCK_PROVIDER_PORT="$4" LOCAL_REDIS_PORT="$5" LOCAL_POSTGRES_PORT="$6" \
      bash -c "cd $7 && $2"' tree "$1" "$2" "$PORT" "$MOCK_PROVIDER_PORT" "$LOCAL_REDIS_PORT" "$LOCAL_POSTGRES_PORT" \
    "$place" "$ports_folder" </dev/null
}

[ $# -gt 0 ] || die 'which releases? bookworm trixie'
[ "$EUID" = 0 ] || die 'a chroot takes root'
for release in "$@"; do
  claim_ports
  lay_out "$release" "$folder/$release"
  in_tree "$folder/$release" "$commands" || die "README's commands fail on $release"
  rm -rf --one-file-system -- "${folder:?}/$release"
done
say "README's commands pass on: $*"
