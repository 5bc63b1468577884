// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_ERASURES_H
#define DISPATCHER_ERASURES_H

#include <stdbool.h>

#include "dispatcher/env.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"

// Whether any conversation of a partition was erased (redis/messaging.lua, erased). A look, one EXISTS, goes out before
// each read and claim, so that its answer comes first: where none was, that is all that a message costs. Else each is
// asked for (admit), which ends what was accepted before its conversation was erased.
//
// What is called was looked at, or admitted, no longer than OPT_OUTS_FRESH_MS before (opt_outs.h). Ingest answers so
// much later that nothing is called any more by then (ERASURE_FENCE_MS).

struct erasures;

struct erasures *erasures_create(const struct dispatch_env *env, const struct partition_keys *keys);
// The link must be gone.
void erasures_destroy(struct erasures *erasures);

// Looks. done may be NULL. Returns 0, or -1 where the link isn't up.
int erasures_look(struct erasures *erasures, redis_link_reply done, void *argument) MUST_CHECK;
// The connection is gone, and with it what was known.
void erasures_forget(struct erasures *erasures);

// A look over this connection was answered.
bool erasures_are_known(const struct erasures *erasures);
// So was one that is no older than OPT_OUTS_FRESH_MS.
bool erasures_are_fresh(const struct erasures *erasures);
// By the last look there are some.
bool erasures_has_any(const struct erasures *erasures);

#endif
