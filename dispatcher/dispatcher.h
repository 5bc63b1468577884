// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_DISPATCHER_H
#define DISPATCHER_DISPATCHER_H

#include <uv.h>

#include "shared/loop/reload.h"
#include "shared/redis/target.h"
#include "shared/settings/settings.h"

// The whole program but main(): the link to Redis, the lanes, the upstreams to the providers, from start to drain.

struct dispatcher;

// Checks what the settings table can't: NULL, or the one-line error (owned by the caller).
char *dispatcher_check(const struct settings *settings);
// What SIGHUP takes (shared/loop/reload.h); argument is the dispatcher.
extern const struct reload_plan dispatcher_reload;
// on_finished: after dispatcher_drain or dispatcher_hurry, once: everything is let go of, and the dispatcher frees
// itself as its handles close. settings and target must outlive it; what SIGHUP takes is changed in them.
struct dispatcher *dispatcher_start(uv_loop_t *loop, struct settings *settings, struct redis_target *target,
                                    const char *instance, void (*on_finished)(void *argument), void *argument);
// Takes no new work; finishes what is in flight, gives back what was not called. argument is the dispatcher
// (process.h).
void dispatcher_drain(void *argument);
// Lets go of everything now; what was in flight is called again by the dispatcher that takes it over, under the same
// idempotency key. Nothing when it has finished already.
void dispatcher_hurry(void *argument);

#endif
