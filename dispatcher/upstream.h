// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_UPSTREAM_H
#define DISPATCHER_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "dispatcher/breaker.h"
#include "dispatcher/env.h"
#include "dispatcher/provider/call.h"
#include "shared/loop/transport.h"
#include "shared/loop/turn.h"
#include "shared/message/message.h"

// One provider as this process sees it: where it is, its breaker, and how much of its work is held. Shared by the lanes
// of its partitions.

struct upstream_waiter {
    void (*wake)(void *argument); // there may be room, or the provider may be called again
    void *argument;
};

struct upstream {
    const struct dispatch_env *env;
    enum provider provider;
    bool mock;   // it is the mock: log with mock=true
    size_t cap;  // of held
    size_t held; // entries that were read, or may come with a read under way, and aren't settled
    bool proven; // it has accepted a call of this process, and refused none since: else a handful of calls at once
    struct breaker *breaker;
    struct transport *transport;
    struct caller *caller;
    struct upstream_waiter *waiters;
    size_t waiter_count;
    size_t first_waiter; // the one that is woken first; goes round, so that none starves
    struct turn end_of_turn;
};

struct upstream *upstream_create(const struct dispatch_env *env, enum provider provider, size_t cap);
// The settings have other credentials: calls that begin from here on go by them, and where the breaker is open, the
// next who asks may probe at once, for the former ones may have been why.
void upstream_renew(struct upstream *upstream);
// For as long as the upstream is there.
void upstream_add_waiter(struct upstream *upstream, void (*wake)(void *argument), void *argument);
// How many entries may be read.
size_t upstream_room(const struct upstream *upstream);
void upstream_hold(struct upstream *upstream, size_t count);
// Lets go of some, and wakes those that wait for room, once all that the loop's turn brings has been let go of.
void upstream_release(struct upstream *upstream, size_t count);
// The provider has accepted a call: all of the room is there again.
void upstream_trust(struct upstream *upstream);
// It refuses messages for what may be our own fault, or its breaker is open: a wrong account must not run through the
// backlog, so only a few are called until it accepts one.
void upstream_doubt(struct upstream *upstream);
// No call may be under way, and the link must be gone. Frees itself once its handles have closed.
void upstream_destroy(struct upstream *upstream);

#endif
