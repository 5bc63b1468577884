// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_ENV_H
#define DISPATCHER_ENV_H

#include <uv.h>

#include "shared/redis/counters.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/link.h"
#include "shared/settings/settings.h"

// What every part of the dispatcher works with. Owned by struct dispatcher.
struct dispatch_env {
    uv_loop_t *loop;
    const struct settings *settings;
    struct redis_target *target; // where Redis is
    struct redis_link *link;     // everything but the watches goes over it, so that acks follow reads on one connection
    struct counters *counters;
    struct heartbeat *heartbeat;
    const char *me; // the consumer's name: the stable instance id
};

#endif
