#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What SECURITY.md says of the built programs, the systemd units and the containers is so.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

programs=(ingest dispatcher persister mock-provider)
units=(deploy/systemd/*.service)

elf() { LC_ALL=C readelf --wide "$@"; }
has() { # whether an extended regular expression fits standard input, which is read to its end: no SIGPIPE
  grep -E -- "$1" >/dev/null
}
is_sanitized() { elf --dyn-syms "$BUILD_DIR/$1" | has ' __(a|t|ub)san_'; }

is_pie() { elf -h "$BUILD_DIR/$1" | has 'Type: +DYN' && elf -d "$BUILD_DIR/$1" | has 'FLAGS_1.*PIE'; }
is_bound_at_start() { elf -l "$BUILD_DIR/$1" | has 'GNU_RELRO' && elf -d "$BUILD_DIR/$1" | has 'BIND_NOW|FLAGS_1.*NOW'; }
has_no_executable_stack() { elf -l "$BUILD_DIR/$1" | has 'GNU_STACK +[0-9a-fx ]+ RW +0x'; }
has_nothing_writable_and_executable() { ! elf -l "$BUILD_DIR/$1" | has 'LOAD.* RWE '; }
has_no_search_path() { ! elf -d "$BUILD_DIR/$1" | has 'RPATH|RUNPATH|TEXTREL'; }
guards_its_stack() { elf --dyn-syms "$BUILD_DIR/$1" | has ' __stack_chk_fail'; }
checks_its_copies() { is_sanitized "$1" || elf --dyn-syms "$BUILD_DIR/$1" | has '_chk@'; }
# By what main begins with: the programs as wholes are not marked as guarded, for Debian's own start files aren't.
guards_its_jumps() {
  local guard
  case $(uname -m) in
  x86_64) guard=endbr64 ;;
  aarch64) guard='bti|paciasp' ;;
  *) return 0 ;;
  esac
  objdump --disassemble=main --no-show-raw-insn "$BUILD_DIR/$1" | grep -A1 '<main>:' | has "$guard"
}

for program in "${programs[@]}"; do
  it "$program is position independent" is_pie "$program"
  it "$program binds its symbols at its start, and can't be made to bind others" is_bound_at_start "$program"
  it "$program has no executable stack" has_no_executable_stack "$program"
  it "$program has no memory that is writable and executable" has_nothing_writable_and_executable "$program"
  it "$program looks for libraries nowhere else" has_no_search_path "$program"
  it "$program has canaries on its stack" guards_its_stack "$program"
  it "$program checks the bounds of copies" checks_its_copies "$program"
  it "$program guards its jumps and returns" guards_its_jumps "$program"
done

# A unit as this machine can look at it: the program at its place in the build.
prepare_unit() { # FILE
  sed "s#^ExecStart=/usr/local/bin/#ExecStart=$(realpath "$BUILD_DIR")/#" "$1" >"$folder/$(basename "$1" .service | sed 's/@$/@0/').service"
}
says() { # FILE DIRECTIVE…
  local file=$1 line
  shift
  for line in "$@"; do grep -qxF -- "$line" "$file" || { echo "$file lacks $line" && return 1; }; done
}
locks_down() {
  says "$1" DynamicUser=yes NoNewPrivileges=yes CapabilityBoundingSet= ProtectSystem=strict ProtectHome=yes PrivateTmp=yes \
    PrivateDevices=yes ProtectKernelTunables=yes ProtectKernelModules=yes ProtectControlGroups=yes RestrictNamespaces=yes \
    UMask=0077 RestrictSUIDSGID=yes LockPersonality=yes MemoryDenyWriteExecute=yes SystemCallArchitectures=native \
    SystemCallFilter=@system-service 'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX'
}
is_understood() { # by systemd, where that is there
  command -v systemd-analyze >/dev/null || return 0
  prepare_unit "$1"
  local output
  output=$(systemd-analyze verify --man=no "$folder/$(basename "$1" .service | sed 's/@$/@0/').service" 2>&1) ||
    { echo "$output" && return 1; }
  # It also speaks of what other units of the machine lack.
  ! grep -F "$(basename "$1" .service)" <<<"$output"
}
is_exposed_little() { # 10.0 is without any lock; 2.0 is what systemd calls OK
  command -v systemd-analyze >/dev/null || return 0
  prepare_unit "$1"
  systemd-analyze security --offline=true --threshold=20 --no-pager \
    "$folder/$(basename "$1" .service | sed 's/@$/@0/').service"
}
for unit in "${units[@]}"; do
  it "$(basename "$unit") locks its program down" locks_down "$unit"
  it "$(basename "$unit") is understood by systemd" is_understood "$unit"
  it "$(basename "$unit") leaves little exposed" is_exposed_little "$unit"
done

# Of every stage that runs, the last USER is somebody.
no_image_runs_as_root() {
  awk '/^FROM/ { stage = $4; user[stage] = "" } /^USER/ { user[stage] = $2 } /^CMD/ { runs[stage] = 1 }
       END { for (s in runs) if (user[s] == "" || user[s] == "root") { print s " runs as root"; bad = 1 } exit bad }' Dockerfile
}
no_container_gets_privileges() {
  says docker-compose.yml '  read_only: true' '  cap_drop: [ALL]' '  security_opt: ["no-new-privileges:true"]' \
    '    user: postgres' '    user: redis' && ! grep -Ew 'privileged|cap_add' docker-compose.yml
}
it 'no image runs as root' no_image_runs_as_root
it 'no container gets privileges' no_container_gets_privileges
finish
