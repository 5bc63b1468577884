// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_SERVER_H
#define DISPATCHER_MOCK_SERVER_H

#include <uv.h>

#include "shared/settings/settings.h"

// The mock of both providers, as a server: their paths, POST /mock/inbound, and GET /mock/stats and
// /mock/calls/{idempotency key}.

struct mock_provider;

// listen_socket: from http_listen; owned from here on. on_finished: after mock_server_drain or _hurry, once: it frees
// itself as its handles close. NULL with errno set when the server can't be started or a file of its can't be
// opened; the process then ends. settings must outlive it.
struct mock_provider *mock_server_start(uv_loop_t *loop, const struct settings *settings, const char *instance,
                                        int listen_socket, void (*on_finished)(void *argument), void *argument);
// Takes no new connections and answers what it holds. argument is the mock (process.h).
void mock_server_drain(void *argument);
void mock_server_hurry(void *argument);

#endif
