#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How the scripts read settings: the environment over .env over the file of settings.
# shellcheck disable=SC2016,SC2030,SC2031 # nothing is to be expanded, and each case has a subshell of its own
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"

is() { # EXPECTED ACTUAL
  [ "$1" = "$2" ] || { printf 'expected <%s>, got <%s>\n' "$1" "$2" && return 1; }
}

# from_dotenv NAME LINE…: what a .env of these lines gives NAME.
from_dotenv() {
  local name=$1
  shift
  printf '%s\n' "$@" >"$folder/env"
  (load_dotenv "$folder/env" && printf '%s' "${!name}")
}

from_config() { # KEY LINE…
  local key=$1
  shift
  printf '%s\n' "$@" >"$folder/config"
  API_CONFIG_FILE=$folder/config config_value "$key"
}

reads_dotenv() { is "$1" "$(from_dotenv NAME "$2")"; }
environment_wins() { is outside "$(NAME=outside from_dotenv NAME NAME=inside)"; }
empty_environment_wins() { is '' "$(NAME='' from_dotenv NAME NAME=inside)"; }
names_the_line() { fails_saying 'line 2: not a NAME=value line' from_dotenv NAME NAME=1 'no equals'; }
names_the_open_quote() { fails_saying 'a quote is not closed' from_dotenv NAME 'NAME="open'; }
first_port_wins() { # from the environment, then the file of settings, then the default
  echo 'port = 4711 # a comment' >"$folder/config"
  export API_CONFIG_FILE=$folder/config
  is 4711 "$(unset PORT && port_setting PORT port 8080 && echo "$PORT")"
  is 4712 "$(PORT=4712 && port_setting PORT port 8080 && echo "$PORT")"
  is 8080 "$(unset PORT && port_setting PORT no_such_key 8080 && echo "$PORT")"
}

# What the scripts and what a program makes of the same line of .env: `=VALUE`, or `refused`. The program is asked by a
# setting that takes none of these values, and names the one it got.
scripts_read() {
  printf '%s\n' "$1" >"$folder/env"
  (unset LOG_LEVEL && load_dotenv "$folder/env" && printf '=%s' "$LOG_LEVEL") 2>/dev/null || printf refused
}
built=$(realpath -- "$BUILD_DIR")
programs_read() {
  local said
  mkdir -p -- "$folder/cwd"
  printf '%s\n' "$1" >"$folder/cwd/.env"
  said=$(cd -- "$folder/cwd" && unset LOG_LEVEL && timeout 10 "$built/ingest" 2>&1) && return 1
  case $said in
  *"LOG_LEVEL: '"*"' is not one of them"*)
    said=${said#*"LOG_LEVEL: '"}
    printf '=%s' "${said%"' is not one of them"*}"
    ;;
  *'.env, line '*) printf refused ;;
  *) printf 'neither: %s' "$said" ;;
  esac
}
both_read_alike() { is "$(programs_read "$1")" "$(scripts_read "$1")"; }

refuses() { # PROGRAM SETTING VALUE
  fails_saying "$1: $2" timeout 10 env "$2=$3" "$BUILD_DIR/$1"
}

it 'takes a bare value' reads_dotenv plain 'NAME=plain'
it 'takes a value after export' reads_dotenv plain 'export NAME=plain'
it 'drops a comment after a bare value' reads_dotenv plain 'NAME=plain # said'
it 'keeps a # inside a bare value' reads_dotenv 'a#b' 'NAME=a#b'
it 'takes double quotes off' reads_dotenv 'a # b' 'NAME="a # b" # said'
it 'takes single quotes off' reads_dotenv 'a "b"' "NAME='a \"b\"'"
it 'takes backslashes in double quotes' reads_dotenv 'a"b$c' 'NAME="a\"b\$c"'
it 'expands nothing' reads_dotenv '$HOME' 'NAME=$HOME'
it 'takes a value with an equals sign' reads_dotenv 'a=b' 'NAME=a=b'
it 'takes a line end of Windows' reads_dotenv plain $'NAME=plain\r'
it 'takes an empty value' reads_dotenv '' 'NAME='
it 'lets the environment win over .env' environment_wins
it 'lets an empty value in the environment win, too' empty_environment_wins
it 'names the line that is wrong' names_the_line
it 'names a quote that is open' names_the_open_quote
it 'reads the file of settings' is 8081 "$(from_config port 'port = 8081 # comment')"
it 'takes quotes there' is .other "$(from_config run_dir 'run_dir = ".other"')"
it 'reads a port from the environment, then the file of settings, then takes the default' first_port_wins
dotenv_lines=(
  'LOG_LEVEL=plain' 'export LOG_LEVEL=plain' $'export\tLOG_LEVEL=plain' '  LOG_LEVEL=plain' 'LOG_LEVEL=  plain  '
  'LOG_LEVEL=a b' 'LOG_LEVEL=a # said' 'LOG_LEVEL=a#b' $'LOG_LEVEL=a\t# said' $'LOG_LEVEL=plain\r' 'LOG_LEVEL=a=b'
  'LOG_LEVEL="a # b"' 'LOG_LEVEL="a" # said' 'LOG_LEVEL="a"# said' 'LOG_LEVEL="a"b' 'LOG_LEVEL="a" b' "LOG_LEVEL='a'b"
  "LOG_LEVEL='a \"b\"'" "LOG_LEVEL='a\\'" 'LOG_LEVEL="a\"b\$c\`d\\e\f"' 'LOG_LEVEL="open' "LOG_LEVEL='open" 'LOG_LEVEL="a\"'
  'LOG_LEVEL=$HOME' 'LOG_LEVEL=a"b"' 'LOG_LEVEL=a\b' 'LOG_LEVEL =plain' 'LOG-LEVEL=plain' '9LOG_LEVEL=plain' '=plain'
  'no equals' 'LOG_LEVEL=x;y' 'LOG_LEVEL=ä'
)
for line in "${dotenv_lines[@]}"; do
  it "the programs read alike: $(printf '%q' "$line")" both_read_alike "$line"
done
it 'hides a password in a URL' is 'postgres://me:***@host/db' "$(redact 'postgres://me:p@ss@host/db')"
it 'leaves a URL without one' is 'redis://127.0.0.1:6379' "$(redact 'redis://127.0.0.1:6379')"
for program in ingest dispatcher persister mock-provider; do
  it "$program refuses a REDIS_URL of a cluster" refuses "$program" REDIS_URL redis+cluster://127.0.0.1
  it "$program refuses a LOG_LEVEL that is none" refuses "$program" LOG_LEVEL loud
done
it 'ingest refuses a DATABASE_URL that is none' refuses ingest DATABASE_URL nonsense
it 'persister refuses a DATABASE_URL that is none' refuses persister DATABASE_URL nonsense
it 'dispatcher refuses a provider URL that is neither http nor https' refuses dispatcher PROVIDER_SMS_URL ftp://127.0.0.1
it 'dispatcher refuses a kind of provider that is none' refuses dispatcher PROVIDER_SMS_KIND plivo
it 'dispatcher refuses the mock as a gateway' \
  fails_saying 'dispatcher: PROVIDER_SMS_URL: it must be where your gateway takes messages' \
  timeout 10 env PROVIDER_SMS_KIND=generic "$BUILD_DIR/dispatcher"
it 'dispatcher refuses a host that Twilio would not call' \
  fails_saying "dispatcher: WEBHOOK_PUBLIC_URL: its host must not hold '_'" \
  timeout 10 env WEBHOOK_PUBLIC_URL=https://my_host "$BUILD_DIR/dispatcher"
for program in ingest dispatcher; do
  it "$program refuses a WEBHOOK_PUBLIC_URL with a query" refuses "$program" WEBHOOK_PUBLIC_URL 'https://example.com?a=b'
done
it 'ingest refuses proxies that are no addresses' refuses ingest TRUSTED_PROXIES nonsense
finish
