# shellcheck shell=bash disable=SC2034,SC2154 # `folder` is support.bash's
# SPDX-License-Identifier: MIT
# A Redis that speaks TLS only, and serves none but who has a certificate.

redis_now() {
  local cli=(--tls --cacert "$REDIS_CA_FILE" --cert "$REDIS_CERT_FILE" --key "$REDIS_KEY_FILE")
  redis_of "$redis_port" "$@"
}

# --- Certificates

# make_ca NAME, make_certificate NAME CA SUBJECT-ALTERNATIVE-NAME [DAYS]: NAME.pem and NAME.key. One of 0 days
# has expired at once; of fewer, OpenSSL 3.5 makes none.
make_ca() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
    -keyout "$certificates/$1.key" -out "$certificates/$1.pem" 2>/dev/null
}
make_certificate() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
    -keyout "$certificates/$1.key" -out "$certificates/$1.csr" 2>/dev/null
  openssl x509 -req -in "$certificates/$1.csr" -CA "$certificates/$2.pem" -CAkey "$certificates/$2.key" -CAcreateserial \
    -days "${4:-2}" -extfile <(echo "subjectAltName=$3") -out "$certificates/$1.pem" 2>/dev/null
}
make_certificates() {
  certificates=$folder/certificates
  mkdir -- "$certificates"
  make_ca ca
  make_ca another-ca
  make_certificate server ca IP:127.0.0.1
  make_certificate expired ca IP:127.0.0.1 0
  make_certificate elsewhere ca DNS:redis.example
  make_certificate unknown another-ca IP:127.0.0.1
  make_certificate client ca DNS:client
}

# serve_tls NAME PORT CERTIFICATE: Redis with that one.
serve_tls() {
  make_redis "$1" 0 "tls-port $2" "tls-cert-file $certificates/$3.pem" "tls-key-file $certificates/$3.key" \
    "tls-ca-cert-file $certificates/ca.pem"
  wait_for 20 port_listens "$2"
}

# --- What programs say of one that is wrong

# tells CERTIFICATE REGEX [NAME=VALUE…]: a dispatcher says in one line what is wrong with that one, or its own, and goes on asking.
tells() {
  local log=$folder/run-servers/dispatcher-$1.log tls_port
  claim_port tls_port
  serve_tls "redis-$1" "$tls_port" "$1"
  serve "dispatcher-$1" 0 env REDIS_URL="rediss://127.0.0.1:$tls_port" LOG_FILE="$log" "${@:3}" "$BUILD_DIR/dispatcher"
  wait_for 10 has_said "$log" 1 || { cat -- "$log" && return 1; }
  grep '"event":"redis_down"' "$log" | head -n 1 | jq -r .message | tee "$folder/said"
  grep -Eq "$2" "$folder/said" && [ "$(wc -l <"$folder/said")" = 1 ]
  kill_server "dispatcher-$1"
  kill_server "redis-$1"
}
has_said() { [ "$(grep -c '"event":"redis_down"' "$1")" -ge "$2" ]; }

# --- Certificates are exchanged while all runs: whom one believes, who one is, and whom one believes no more.

reload() {
  local name
  for name in ingest dispatcher persister mock-provider; do kill -HUP "$(pid_of "$name")"; done
}
believe() { # FILE
  cp -- "$certificates/$1.pem" "$REDIS_CA_FILE"
  reload
  prints_line '^OK$' redis_now CONFIG SET tls-ca-cert-file "$certificates/$1.pem"
}
exchange_the_servers() {
  prints_line '^OK$' redis_now CONFIG SET tls-cert-file "$certificates/unknown.pem" tls-key-file "$certificates/unknown.key"
}
exchange_the_clients() {
  make_certificate client another-ca DNS:client
  cp -- "$certificates/client.key" "$REDIS_KEY_FILE"
  cp -- "$certificates/client.pem" "$REDIS_CERT_FILE"
  reload
}
# exchanges COMMAND…: and all connect anew.
exchanges() {
  "$@"
  redis_now CLIENT KILL TYPE normal >/dev/null
  go_on main
}

part_tls() {
  local at redis_port
  make_certificates
  export REDIS_CA_FILE=$folder/ca-file REDIS_CERT_FILE=$folder/cert-file REDIS_KEY_FILE=$folder/key-file
  cp -- "$certificates/ca.pem" "$REDIS_CA_FILE"
  cp -- "$certificates/client.pem" "$REDIS_CERT_FILE"
  cp -- "$certificates/client.key" "$REDIS_KEY_FILE"
  must 'a certificate that has expired is told in a line' tells expired 'certificate has expired'
  must 'a certificate of another host is told in a line' tells elsewhere 'is not for 127\.0\.0\.1, but for redis\.example'
  must 'a certificate of an unknown CA is told in a line' tells unknown 'another-ca.*REDIS_CA_FILE'
  must 'a certificate that one should have is told in a line' tells server 'REDIS_CERT_FILE' REDIS_CERT_FILE= REDIS_KEY_FILE=

  claim_port redis_port
  serve_tls redis "$redis_port" server
  export REDIS_URL=rediss://127.0.0.1:$redis_port
  must 'a Redis with TLS only, which asks for certificates: the service starts on it' service_starts
  must 'bin/test.sh passes' service_passes

  clients_begin main 0 "http://127.0.0.1:$PORT"
  at=$(now_ms)
  cat -- "$certificates/ca.pem" "$certificates/another-ca.pem" >"$certificates/both.pem"
  must 'both CAs are believed after SIGHUP' exchanges believe both
  must 'the server has a certificate of the new CA' exchanges exchange_the_servers
  must 'the clients have one, after SIGHUP' exchanges exchange_the_clients
  must 'the old CA is believed by nobody, after SIGHUP' exchanges believe another-ca
  fact "all certificates exchanged: longest time without a 202: $(longest_gap main "$at") ms; $(answers main "$at")"
  clients_end
  all_is_well 'TLS'
  unset REDIS_CA_FILE REDIS_CERT_FILE REDIS_KEY_FILE
}
