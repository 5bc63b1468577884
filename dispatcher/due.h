// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_DUE_H
#define DISPATCHER_DUE_H

#include <stdint.h>

#include "dispatcher/env.h"
#include "dispatcher/upstream.h"
#include "shared/redis/keys.h"

// Brings the messages of one partition that wait back into its stream when they are due: those that are parked, those
// that were to be sent later, and those that have waited for their turn for too long (unpark in redis/messaging.lua).
// It looks whenever this process knows of one, and every second, for others park and accept messages, too. Every
// dispatcher does it; unpark is atomic.
//
// For a turn is waited only while the provider may be called: while somebody does, the breaker's state is known, at
// most a second old, and goes with each look.

struct due;

// All must outlive it.
struct due *due_create(const struct dispatch_env *env, const struct partition_keys *keys, struct upstream *upstream);
// The link is up: look at once.
void due_look(struct due *due);
// A message was parked for so long.
void due_expect(struct due *due, int64_t delay_ms);
// Looks no more; to be called before the link is dropped as well as long before that.
void due_stop(struct due *due);
// The link must be gone. Frees itself once its handle has closed.
void due_destroy(struct due *due);

#endif
