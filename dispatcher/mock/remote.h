// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_REMOTE_H
#define DISPATCHER_MOCK_REMOTE_H

#include <stdbool.h>
#include <uv.h>

#include "dispatcher/mock/config.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// Follows `mock:config` in Redis, which ingest writes on PUT /api/provider/mock/config: looks every 50 ms. At its
// start it writes the settings there; without Redis the mock goes on with what it has.

struct mock_remote;

// on_change: the configuration is another now; restart: it was PUT, so that the sequences of outcomes start over.
// settings, target and config must outlive it; config is updated before on_change.
struct mock_remote *mock_remote_create(uv_loop_t *loop, const struct settings *settings, struct redis_target *target,
                                       const char *instance, struct mock_behaviour *config,
                                       void (*on_change)(void *argument, bool restart), void *argument);
void mock_remote_destroy(struct mock_remote *remote);

#endif
