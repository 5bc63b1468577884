// SPDX-License-Identifier: MIT
#include "shared/http/daemon.h"

void http_daemon_run_soon(struct http_server *server) {
    turn_at_end(&server->resumed, server->run);
}

// A deadline is kept to a tenth.
enum { SWEEPS_PER_TIMEOUT = 10, SHORTEST_SWEEP_MS = 20 };

void http_daemon_sweep(struct http_server *server, bool on) {
    int64_t every = server->options.request_timeout_ms / SWEEPS_PER_TIMEOUT;
    every = every > SHORTEST_SWEEP_MS ? every : SHORTEST_SWEEP_MS;
    if (on) {
        uv_timer_start(&server->sweep, server->on_sweep, (uint64_t)every, (uint64_t)every);
    } else {
        uv_timer_stop(&server->sweep);
    }
}
