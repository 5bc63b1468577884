// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_PARKED_H
#define DISPATCHER_PARKED_H

#include <stdint.h>

#include "dispatcher/env.h"
#include "shared/redis/keys.h"

// Brings the parked messages of one partition back into its stream when they are due: whenever this process knows of
// one, and every second, for others park messages too. Every dispatcher does it; unpark is atomic.

struct parked;

// env and keys must outlive it.
struct parked *parked_create(const struct dispatch_env *env, const struct partition_keys *keys);
// The link is up: look at once.
void parked_look(struct parked *parked);
// A message was parked for so long.
void parked_expect(struct parked *parked, int64_t delay_ms);
// Looks no more; to be called before the link is dropped as well as long before that.
void parked_stop(struct parked *parked);
// The link must be gone. Frees itself once its handle has closed.
void parked_destroy(struct parked *parked);

#endif
