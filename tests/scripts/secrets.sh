#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Passwords in the scripts: out of URLs, and never in a program's arguments, which every user of the machine can read.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

# Stand-ins that write down what they are given: arguments, and the password of their environment.
redis_cli=$(command -v redis-cli)
mkdir "$folder/bin"
for program in psql redis-cli curl; do
  printf '%s\n' '#!/bin/sh' "printf '%s' \"\$*\" >'$folder/$program.arguments'" \
    "printf '%s' \"\${PGPASSWORD-}\${REDISCLI_AUTH-}\" >'$folder/$program.password'" >"$folder/bin/$program"
  chmod +x "$folder/bin/$program"
done
export PATH=$folder/bin:$PATH

is() { # EXPECTED ACTUAL
  [ "$1" = "$2" ] || { printf 'expected <%s>, got <%s>\n' "$1" "$2" && return 1; }
}

# gives PASSWORD ARGUMENTS PROGRAM COMMAND…: what PROGRAM is called with.
gives() {
  local password=$1 arguments=$2 program=$3
  shift 3
  rm -f -- "$folder/$program".*
  "$@" || true
  is "$password" "$(cat "$folder/$program.password")"
  is "$arguments" "$(cat "$folder/$program.arguments")"
}
psql_gets() { gives "$1" "-d $2 -c x" psql psql_to "$3" -c x; }         # PASSWORD REST URL
redis_gets() { gives "$1" "--no-auth-warning $2 PING" redis-cli redis_to "$3" PING; } # PASSWORD OPTIONS URL

p=postgres
it 'splits a URL' psql_gets secret "$p://me@host:5432/db" "$p://me:secret@host:5432/db"
it 'decodes its escapes' psql_gets 's/e@c:r e%t\x' "$p://me@host/db?sslmode=require" \
  "$p://me:s%2Fe%40c%3Ar%20e%25t\\x@host/db?sslmode=require"
it 'takes one that should have been escaped' psql_gets 's/e@c' "$p://me@host/db" "$p://me:s/e@c@host/db"
it 'leaves a URL without one' psql_gets '' "$p://me@host/db?x=a:b@c" "$p://me@host/db?x=a:b@c"
it 'takes it from the parameters' psql_gets se+cret "$p://host/db?user=me&sslmode=require" \
  "$p://host/db?user=me&password=se%2bcret&sslmode=require"
it 'takes it from the last parameter' psql_gets secret "$p://host/db?" "$p://host/db?password=secret"
it 'takes it from a keyword string' psql_gets secret 'host=a  user=b' 'host=a password=secret user=b'
it 'takes a quoted one' psql_gets "it's a \\" "host=a  user=b" "host=a password='it\\'s a \\\\' user=b"
it 'gives redis-cli its parts' redis_gets secret '-h host -p 6380 --user me -n 2' redis://me:secret@host:6380/2
it 'takes the default user and port' redis_gets s/ecret '-h host -p 6379' redis://:s%2Fecret@host
it 'takes an IPv6 address' redis_gets '' '-h ::1 -p 6379' 'redis://[::1]:6379'
it 'asks for TLS, and names the host to it' redis_gets secret '-h host -p 6380 --tls --sni host --user me -n 2' \
  rediss://me:secret@host:6380/2
with_files() { REDIS_CA_FILE=ca.pem REDIS_CERT_FILE=me.pem REDIS_KEY_FILE=me.key "$@"; }
it 'gives redis-cli the certificates, and names no address' with_files redis_gets '' \
  '-h 127.0.0.1 -p 6379 --tls --cacert ca.pem --cert me.pem --key me.key' rediss://127.0.0.1
it 'gives it none without TLS' with_files redis_gets '' '-h 127.0.0.1 -p 6379' redis://127.0.0.1
it 'keeps it out of what is shown' is "$p://me:***@h/d password=*** x" "$(redact "$p://me:s/e@c@h/d password='a b' x")"

key_is_out_of_the_arguments() {
  export API_KEY=telling
  bin/dead-letters.sh list >/dev/null 2>&1 || true
  grep -q -- '-K /dev/fd/' "$folder/curl.arguments" && ! grep -q telling "$folder/curl.arguments"
}
key_goes_into_a_header() { is 'header = "Authorization: Bearer telling"' "$(API_KEY=telling key_header)"; }
no_key_no_header() { is '' "$(API_KEY='' key_header)"; }
it 'keeps the key out of the arguments of curl' key_is_out_of_the_arguments
it 'gives the key in a header' key_goes_into_a_header
it 'gives no header without a key' no_key_no_header

# A Redis that asks for a password, and a client of it that waits under a program's name.
claim_port LOCAL_REDIS_PORT
redis-server --port "$LOCAL_REDIS_PORT" --bind 127.0.0.1 --save '' --dir "$folder" --requirepass 's/e c' >/dev/null &
server=$!
wait_for 10 port_listens "$LOCAL_REDIS_PORT"
printf '%s\n' 'CLIENT SETNAME box-dispatcher-0' 'BLPOP nothing 60' |
  REDISCLI_AUTH='s/e c' "$redis_cli" -p "$LOCAL_REDIS_PORT" >/dev/null 2>&1 &
client=$!
healthy() { HOSTNAME=box REDIS_URL=redis://$1@127.0.0.1:$LOCAL_REDIS_PORT timeout 5 bin/healthcheck.sh redis "$2" 2>/dev/null; }
is_healthy() { wait_for 10 healthy "$@"; }
is_sick() { ! healthy "$@"; }
it 'a health check gives its password' is_healthy ':s%2Fe%20c' dispatcher
it 'a health check gives its user, too' is_healthy 'default:s%2Fe%20c' dispatcher
it 'a health check with a wrong password fails' is_sick ':wrong' dispatcher
it 'a health check of what is not connected fails' is_sick ':s%2Fe%20c' persister
kill "$client" "$server"

# The same over TLS, which asks for our certificate.
make_certificates() {
  (
    cd -- "$folder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=one \
      -addext "subjectAltName=$1" -keyout "$2.key" -out "$2.pem" 2>/dev/null
  )
}
make_certificates IP:127.0.0.1,DNS:localhost own
make_certificates DNS:other.example other
claim_port LOCAL_REDIS_PORT
redis-server --port 0 --tls-port "$LOCAL_REDIS_PORT" --bind 127.0.0.1 --save '' --dir "$folder" --requirepass secret \
  --tls-cert-file own.pem --tls-key-file own.key --tls-ca-cert-file own.pem >/dev/null &
server=$!
wait_for 10 port_listens "$LOCAL_REDIS_PORT"
printf '%s\n' 'CLIENT SETNAME box-dispatcher-0' 'BLPOP nothing 60' |
  REDISCLI_AUTH=secret "$redis_cli" -p "$LOCAL_REDIS_PORT" --tls --cacert "$folder/own.pem" --cert "$folder/own.pem" \
    --key "$folder/own.key" >/dev/null 2>&1 &
client=$!
healthy_over_tls() { # HOST CA CERTIFICATE PROGRAM
  HOSTNAME=box REDIS_URL=rediss://:secret@$1:$LOCAL_REDIS_PORT REDIS_CA_FILE=$folder/$2.pem REDIS_CERT_FILE=$folder/$3.pem \
    REDIS_KEY_FILE=$folder/$3.key timeout 5 bin/healthcheck.sh redis "$4" 2>/dev/null
}
answers_over_tls() {
  PATH=$(dirname -- "$redis_cli"):$PATH REDIS_CA_FILE=$folder/own.pem REDIS_CERT_FILE=$folder/own.pem \
    REDIS_KEY_FILE=$folder/own.key prints PONG redis_to "rediss://:secret@$1:$LOCAL_REDIS_PORT" ping
}
sick_over_tls() { ! healthy_over_tls "$@"; }
it 'a health check speaks TLS' wait_for 10 healthy_over_tls 127.0.0.1 own own dispatcher
healthy_each_time() { # HOST: it depends on the pieces in which a command is written
  for ((i = 0; i < 20; i++)); do healthy_over_tls "$1" own own dispatcher || return 1; done
}
it 'a health check speaks TLS by name, each time' healthy_each_time localhost
it 'a health check over TLS fails of what is not connected' sick_over_tls 127.0.0.1 own own persister
it 'a health check trusts no other authority' sick_over_tls 127.0.0.1 other own dispatcher
it 'a health check with a certificate that Redis refuses fails' sick_over_tls 127.0.0.1 own other dispatcher
it 'redis-cli speaks TLS by an address' answers_over_tls 127.0.0.1
it 'redis-cli speaks TLS by a name' answers_over_tls localhost
kill "$client" "$server"

# What is made is taken: the line's hash is that of the key.
makes_a_key() {
  local line key
  line=$(bin/api-key.sh acme send+read 2>"$folder/key")
  key=$(sed -n 's/^key: //p' "$folder/key")
  [[ $key =~ ^[0-9a-f]{64}$ ]]
  is "acme:send+read:$(printf %s "$key" | sha256sum | cut -d ' ' -f 1)" "$line"
  [ "$(bin/api-key.sh acme send+read 2>/dev/null)" != "$line" ]
}
it 'makes a key and its line' makes_a_key
it 'refuses a scope that is none' fails_saying 'the scopes are send, read and admin' bin/api-key.sh acme write
it 'refuses a name that is none' fails_saying 'the name must be' bin/api-key.sh 'a:b' send

bad_file() {
  printf '# keys\n%s\n\nacme:send\n' "$(bin/api-key.sh acme send 2>/dev/null)" >"$folder/keys"
  fails_saying "ingest: API_KEYS_FILE: $folder/keys, line 4: it must have three parts; allowed: name:scope[+scope]:sha256hex" \
    timeout 10 env API_KEYS_FILE="$folder/keys" "$BUILD_DIR/ingest"
}
missing_file() {
  fails_saying 'ingest: API_KEYS_FILE: /nowhere/keys: No such file' timeout 10 env API_KEYS_FILE=/nowhere/keys "$BUILD_DIR/ingest"
}
it 'a bad line stops the start, and is named with what is allowed' bad_file
it 'a file that is missing stops the start' missing_file
finish
