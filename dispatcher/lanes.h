// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_LANES_H
#define DISPATCHER_LANES_H

#include <stdbool.h>
#include <stddef.h>

#include "dispatcher/env.h"
#include "dispatcher/lane.h"
#include "dispatcher/settle.h"
#include "dispatcher/upstream.h"

// The lanes of all partitions in use (shared/redis/partitions.h).

struct lanes;

struct lanes_options {
    struct upstream *const *upstreams; // PROVIDER_COUNT of them
    struct settler *settler;
    void (*on_idle)(void *argument); // after lanes_stop: a lane has become idle
    void *argument;
};

struct lanes *lanes_create(const struct dispatch_env *env, const struct lanes_options *options);
void lanes_up(struct lanes *lanes);
void lanes_down(struct lanes *lanes);
// Every second.
void lanes_tick(struct lanes *lanes);
void lanes_stop(struct lanes *lanes);
bool lanes_are_idle(const struct lanes *lanes);
void lanes_destroy(struct lanes *lanes);

#endif
