#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A real browser's headers through what people put in front: nginx that ends TLS, as README.md shows it and as it comes,
# and HAProxy by deploy/compose/haproxy.cfg.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports
for name in TLS BARE_TLS RENAMED_TLS PROXY; do claim_port "${name}_PORT"; done
public=sms.example.test # a name that everybody may see, and another origin's
app=https://app.example.test
export ALLOWED_HOSTS=$public CORS_ALLOWED_ORIGINS=$app API_RATE_LIMIT_PER_SENDER_PER_MIN=1000

stop_proxies() { for name in nginx haproxy; do stop_process "$name" TERM 5; done; }
trap 'status=$?; stop_proxies >/dev/null 2>&1; clean_up "$status"' EXIT

# --- The proxies

makes_a_certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$public" -keyout "$folder/key.pem" -out "$folder/cert.pem" \
    -addext "subjectAltName=DNS:$public,DNS:localhost,IP:127.0.0.1"
}

# readme_location: the lines of README.md for nginx.
readme_location() { sed -n '/^location \/ {$/,/^}$/p' README.md | sed "s#http://127.0.0.1:8080#http://127.0.0.1:$PORT#"; }

nginx_server() { # PORT LINE…
  printf 'server {\n  listen 127.0.0.1:%s ssl;\n  server_name _;\n%s\n}\n' "$1" "$2"
}
write_nginx_conf() {
  local bare="location / { proxy_pass http://127.0.0.1:$PORT; }"
  local renamed="location / { proxy_pass http://127.0.0.1:$PORT; proxy_set_header X-Forwarded-Host \$http_host; proxy_set_header X-Forwarded-Proto \$scheme; }"
  {
    printf '%s\n' 'daemon off;' 'master_process off;' "pid $folder/nginx.pid;" "error_log $folder/nginx.log;" 'events {}' 'http {' \
      'access_log off;' "ssl_certificate $folder/cert.pem;" "ssl_certificate_key $folder/key.pem;"
    for kind in client_body proxy fastcgi uwsgi scgi; do printf '%s_temp_path %s/%s;\n' "$kind" "$folder" "$kind"; done
    nginx_server "$TLS_PORT" "$(readme_location)"
    nginx_server "$BARE_TLS_PORT" "$bare"
    nginx_server "$RENAMED_TLS_PORT" "$renamed"
    echo '}'
  } >"$folder/nginx.conf"
}
starts_nginx() {
  [ -n "$(readme_location)" ]
  write_nginx_conf
  spawn nginx "$TLS_PORT" "$folder/nginx.log" \
    "$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$folder" -c "$folder/nginx.conf"
  wait_for 10 port_listens "$RENAMED_TLS_PORT"
}

# deploy/compose/haproxy.cfg without the name server of Compose's network.
write_haproxy_cfg() {
  sed -E -e '/^resolvers/,/^$/d' -e "s/bind :8080/bind 127.0.0.1:$PROXY_PORT/" \
    -e "s/server-template ([a-z]+) 16 ingest:8080/server \\1 127.0.0.1:$PORT/" -e 's/ resolvers [a-z_]+//; s/ init-addr none//' \
    deploy/compose/haproxy.cfg >"$folder/haproxy.cfg"
}
starts_haproxy() {
  write_haproxy_cfg
  API_MAX_BODY_BYTES=262144 API_MAX_BATCH_BYTES=4194304 WEBHOOK_MAX_BODY_BYTES=31457280 spawn haproxy "$PROXY_PORT" "$folder/haproxy.log" \
    "$(PATH=$PATH:/usr/sbin command -v haproxy)" -db -f "$folder/haproxy.cfg"
  wait_for 10 port_listens "$PROXY_PORT"
  wait_for 10 answers 200 "http://localhost:$PROXY_PORT" /readyz
}

# --- Calls, as curl makes them of a browser's

# call BASE PATH ARGUMENT…: prints the status, and leaves headers and body.
call() {
  local base=$1 path=$2
  curl -sS --noproxy '*' --max-time 10 --cacert "$folder/cert.pem" --resolve "$public:$TLS_PORT:127.0.0.1" \
    --resolve "$public:$BARE_TLS_PORT:127.0.0.1" --resolve "$public:$RENAMED_TLS_PORT:127.0.0.1" \
    --resolve "$public:$PROXY_PORT:127.0.0.1" --resolve "other.example.test:$PROXY_PORT:127.0.0.1" \
    --resolve "my-machine:$PROXY_PORT:127.0.0.1" -D "$folder/headers" -o "$folder/body" -w '%{http_code}' "${@:3}" "$base$path"
}
answers() { # STATUS BASE PATH ARGUMENT…
  local status
  status=$(call "${@:2}")
  [ "$status" = "$1" ] || { echo "expected $1, got $status: $(cat "$folder/body")" && return 1; }
}
sends() { # STATUS BASE HEADER…
  local headers=() header
  for header in "${@:3}"; do headers+=(-H "$header"); done
  answers "$1" "$2" /api/messages/sms "${headers[@]}" -H 'Content-Type: application/json' \
    -d '{"from":"+12016661234","to":"+18045551234","type":"sms","body":"x","attachments":null,"timestamp":"2024-11-01T14:00:00Z"}'
}
says() { # NAME VALUE: of the last refusal
  jq -e --arg name "$1" --arg value "$2" '.details[$name] == $value' "$folder/body" >/dev/null
}
has_header() { tr -d '\r' <"$folder/headers" | grep -ixF -- "$1" >/dev/null || { cat "$folder/headers" && return 1; }; }

refuses_a_foreign_page() { # BASE
  sends 403 "$1" 'Origin: https://evil.example' && says origin https://evil.example
  sends 403 "$1" 'Origin: https://evil.example' 'Sec-Fetch-Site: cross-site'
  sends 403 "$1" 'Origin: null'
  answers 403 "$1" /api/dead-letters/1/replay -X POST -H 'Origin: https://evil.example'
}
takes_its_own_page() { # BASE
  sends 202 "$1" "Origin: $1"
  sends 202 "$1" "Origin: $1" 'Sec-Fetch-Site: same-origin'
  sends 202 "$1" # no browser
}
serves_a_listed_page() { # BASE
  answers 204 "$1" /api/messages/sms -X OPTIONS -H "Origin: $app" -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: content-type'
  has_header "Access-Control-Allow-Origin: $app" && has_header 'Access-Control-Allow-Methods: POST'
  sends 202 "$1" "Origin: $app" 'Sec-Fetch-Site: cross-site' && has_header "Access-Control-Allow-Origin: $app"
  answers 404 "$1" /api/messages/none -H "Origin: $app" && has_header "Access-Control-Allow-Origin: $app"
  streams_to_a_listed_page "$1"
}
# The stream never ends by itself, so curl ends it once it has something.
streams_to_a_listed_page() {
  curl -sS -N --noproxy '*' --max-time 10 --cacert "$folder/cert.pem" -i -H "Origin: $app" "${1/$public/localhost}/api/events" 2>/dev/null |
    tr -d '\r' | grep -m 2 -ixF -e "access-control-allow-origin: $app" -e 'event: pipeline' >"$folder/seen" || true
  [ "$(wc -l <"$folder/seen")" = 2 ]
}

# A page that was sent in clear, which anybody on the way could have written.
refuses_a_page_without_tls() { sends 403 "https://$public:$TLS_PORT" "Origin: http://$public:$TLS_PORT"; }

# Nginx as it comes says neither the name nor the scheme by which it was called.
tells_what_nginx_leaves_out() {
  sends 202 "https://$public:$BARE_TLS_PORT" "Origin: https://$public:$BARE_TLS_PORT" 'Sec-Fetch-Site: same-origin'
  sends 202 "https://$public:$BARE_TLS_PORT"
  sends 403 "https://$public:$BARE_TLS_PORT" "Origin: https://$public:$BARE_TLS_PORT"
  jq -e '.message | contains("let the proxy pass on Host or X-Forwarded-Host")' "$folder/body" >/dev/null
}

refuses_an_unknown_name() {
  sends 403 "http://other.example.test:$PROXY_PORT" && says host other.example.test && says setting ALLOWED_HOSTS
}
answers_a_large_body() {
  head -c 300000 /dev/zero | tr '\0' ' ' >"$folder/large"
  answers 413 "http://localhost:$PROXY_PORT" /api/messages/sms -H 'Expect:' -H 'Content-Type: application/json' \
    --data-binary "@$folder/large"
}
# As the proxy says it, and as ingest does of a small one.
answers_a_large_form() {
  answers 413 "http://localhost:$PROXY_PORT" /api/webhooks/sms -H 'Expect:' --data-binary "@$folder/large"
  answers 415 "http://localhost:$PROXY_PORT" /api/webhooks/sms -H 'Expect:' -H 'Content-Type: text/plain' --data-binary "@$folder/large"
  cp "$folder/body" "$folder/by-proxy"
  answers 415 "http://localhost:$PROXY_PORT" /api/webhooks/sms -H 'Content-Type: text/plain' -d x
  cmp "$folder/body" "$folder/by-proxy"
}
# posts_a_mail STATUS BASE BYTES: as Inbound Parse posts it, with a file of so many.
posts_a_mail() {
  head -c "$3" /dev/zero >"$folder/file"
  answers "$1" "$2" /api/webhooks/email -H "Expect:$4" -F 'headers=Message-ID: <proxies@x>' -F from=jane@example.com \
    -F to=support@us.example -F 'envelope={"to":["support@us.example"]}' -F text=hello -F "attachment1=@$folder/file;type=a/b"
}
passes_a_mail_of_30_mib() { posts_a_mail 200 "$1" 31000000 ""; }
# posts_a_list STATUS BASE BYTES EXPECT: of one message that is none, and so much white space.
posts_a_list() {
  { printf '{"messages":[{}]' && head -c "$3" /dev/zero | tr '\0' ' ' && printf '}'; } >"$folder/list"
  answers "$1" "$2" /api/messages/batch -H "Expect:$4" -H 'Content-Type: application/json' --data-binary "@$folder/list"
}
passes_a_list_of_4_mib() { posts_a_list 200 "$1" 4194000 ""; }
# Asked before it comes, for who is refused half-way may find the connection closed before the answer.
refuses_a_longer_list() { posts_a_list 413 "$1" 4194304 ' 100-continue'; }
refuses_a_larger_mail() { posts_a_mail 413 "$1" 31457280 ' 100-continue'; }

it 'makes a certificate' makes_a_certificate
it 'starts' bin/start.sh
it 'starts nginx with what README.md says' starts_nginx
it 'starts HAProxy with deploy/compose/haproxy.cfg' starts_haproxy
for base in "https://$public:$TLS_PORT" "https://localhost:$TLS_PORT" "https://127.0.0.1:$TLS_PORT" \
  "https://$public:$RENAMED_TLS_PORT" "http://localhost:$PROXY_PORT" "http://my-machine:$PROXY_PORT" \
  "http://127.0.0.1:$PROXY_PORT" "http://$public:$PROXY_PORT"; do
  shown=${base%:*}
  it "takes its own page's writes at $shown" takes_its_own_page "$base"
  it "refuses a foreign page's at $shown" refuses_a_foreign_page "$base"
done
for base in "https://$public:$TLS_PORT" "http://localhost:$PROXY_PORT"; do
  it "serves a listed origin's page at ${base%:*}" serves_a_listed_page "$base"
done
it 'refuses a page without TLS where the proxy ends it' refuses_a_page_without_tls
it 'says what nginx as it comes leaves out' tells_what_nginx_leaves_out
it 'says which name is unknown' refuses_an_unknown_name
it 'answers a large body by the proxy' answers_a_large_body
it 'answers a large form by the proxy' answers_a_large_form
for base in "https://$public:$TLS_PORT" "http://localhost:$PROXY_PORT"; do
  it "passes a mail of 30 MiB at ${base%:*}" passes_a_mail_of_30_mib "$base"
done
for base in "https://$public:$TLS_PORT" "http://localhost:$PROXY_PORT"; do
  it "passes a list of 4 MiB at ${base%:*}" passes_a_list_of_4_mib "$base"
done
it 'answers a longer list by the proxy' refuses_a_longer_list "http://localhost:$PROXY_PORT"
it 'answers a larger mail by the proxy' refuses_a_larger_mail "http://localhost:$PROXY_PORT"
it 'stops the proxies' stop_proxies
it 'stops' bin/stop.sh
finish
