// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_HOLDS_H
#define DISPATCHER_HOLDS_H

#include <stdbool.h>

#include "dispatcher/env.h"
#include "shared/redis/keys.h"

// The senders of one partition that are held, as far as this process knows: it asks once a second, and learns of others
// by what it settles. It is a hint: whether a message may be called is for `admit` to say (redis/messaging.lua), but
// only of those that are in here, so that where nobody is held a message costs no more.

struct holds;

// env and keys must outlive it.
struct holds *holds_create(const struct dispatch_env *env, const struct partition_keys *keys);
// Asks Redis. Nothing happens where the link is down.
void holds_look(struct holds *holds);
void holds_add(struct holds *holds, const char *sender);
bool holds_has(const struct holds *holds, const char *sender);
// The link must be gone.
void holds_destroy(struct holds *holds);

#endif
