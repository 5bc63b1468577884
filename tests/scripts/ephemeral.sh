#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bin/start.sh --ephemeral: the data is in memory only and gone at bin/stop.sh.
# shellcheck source=tests/scripts/support.bash
. "$(dirname -- "$0")/support.bash"
claim_ports

memory() { readlink -- "$run_dir/memory"; }
redis_has_no_file() { prints no redis-cli -p "$LOCAL_REDIS_PORT" config get appendonly; }
memory_is_gone() { [ ! -e "$kept" ] && [ ! -L "$run_dir/memory" ] && [ ! -e "$run_dir/redis" ] && [ ! -e "$run_dir/postgres" ]; }
starts_by_setting() { API_ENABLE_INMEMORY_FALLBACK=true DATABASE_URL=postgres://127.0.0.1:1/x bin/start.sh; }
has_no_message() { get /api/conversations | grep -Eq '"total": *0[,}]'; }

it 'starts' bin/start.sh --ephemeral
kept=$(memory)
it 'writes no append-only file' redis_has_no_file
it 'delivers and stores a message' send_sms 'short-lived'
it 'refuses to go on as one with data on disk' fails_saying 'in memory only' bin/start.sh
it 'stops' bin/stop.sh
it 'takes its data away' memory_is_gone
it 'starts by API_ENABLE_INMEMORY_FALLBACK too, whatever DATABASE_URL says' starts_by_setting
kept=$(memory)
it 'is empty then' has_no_message
it 'stops again' bin/stop.sh
it 'takes its data away again' memory_is_gone
it 'leaves nothing running' nothing_runs
finish
