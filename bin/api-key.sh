#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Makes a key for the API and the line of API_KEYS_FILE that lets it in.
set -euo pipefail

usage() {
  cat <<'END'
Usage: bin/api-key.sh NAME SCOPE[+SCOPE…]

Prints a new random key on standard error, once, and on standard output the line for API_KEYS_FILE, which holds the
key's SHA-256 only:

  bin/api-key.sh acme send+read >>keys.txt && bin/reload.sh ingest

  NAME   what the log calls the key's owner: 1 to 32 of A-Z, a-z, 0-9, '.', '_', '-'
  SCOPE  send   POST /api/messages/…
         read   GET /api/messages/…, /api/conversations…, /api/events
         admin  dead letters and their replay, the mock provider's controls
END
}

refuse() {
  printf 'api-key.sh: %s; see bin/api-key.sh --help\n' "$*" >&2
  exit 2
}

case ${1:-} in -h | --help) usage && exit ;; esac
[ $# = 2 ] || refuse 'a name and scopes are needed'
[[ $1 =~ ^[A-Za-z0-9._-]{1,32}$ ]] || refuse "the name must be 1 to 32 of A-Z, a-z, 0-9, '.', '_', '-', not '$1'"
[[ $2 =~ ^(send|read|admin)([+](send|read|admin))*$ ]] || refuse "the scopes are send, read and admin, joined by +, not '$2'"

# A file that the caller's redirection has just made is nobody else's to read, and none is anybody else's to write.
if [ -f /dev/stdout ]; then
  rights=go-w
  [ -s /dev/stdout ] || rights=go-rwx
  chmod -- "$rights" /dev/stdout
fi

# The same by OpenSSL: key=$(openssl rand -hex 32); printf %s "$key" | openssl dgst -sha256
key=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
digest=$(printf %s "$key" | sha256sum)
printf 'key: %s\n' "$key" >&2
printf '%s:%s:%s\n' "$1" "$2" "${digest%% *}"
