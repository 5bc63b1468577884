// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_SERVER_H
#define DISPATCHER_MOCK_SERVER_H

#include <uv.h>

#include "shared/base/mem.h"
#include "shared/loop/reload.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// The mock of both providers, as a server: their paths, POST /mock/inbound, and GET /mock/stats and
// /mock/calls/{idempotency key}.

struct mock_provider;

// What SIGHUP takes (shared/loop/reload.h); argument is the mock.
extern const struct reload_plan mock_server_reload;

// What the table of settings can't see: NULL, or the one-line error (owned by the caller).
char *mock_server_check(const struct settings *settings) MUST_CHECK;
// listen_socket: from http_listen; owned from here on. on_finished: after mock_server_drain or _hurry, once: it frees
// itself as its handles close. NULL with errno set when the server can't be started or a file of its can't be
// opened; the process then ends. settings and target must outlive it; what SIGHUP takes is changed in
// them.
struct mock_provider *mock_server_start(uv_loop_t *loop, struct settings *settings, struct redis_target *target,
                                        const char *instance, int listen_socket, void (*on_finished)(void *argument),
                                        void *argument);
// Takes no new connections and answers what it holds. argument is the mock (process.h).
void mock_server_drain(void *argument);
void mock_server_hurry(void *argument);

#endif
