// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_SETTLE_H
#define DISPATCHER_SETTLE_H

#include "dispatcher/env.h"
#include "dispatcher/lease.h"

// Brings the outcomes of calls to Redis: first to the breaker, then the entry is settled (docs/protocol.md: settle).
// What can't be sent now, or was sent and got no answer, is kept and sent again: settle is fenced, so a repeat is
// harmless.

struct settler;

struct settler_events {
    // The entry is no longer ours, its lease is the receiver's to remove; lease->decision.delay_ms says when it is due
    // again.
    void (*on_settled)(struct lease *lease);
    // By a lease that is about to be settled its sender is held now.
    void (*on_sender_held)(const struct lease *lease);
};

struct settler *settler_create(const struct dispatch_env *env, const struct settler_events *events);
// The outcome of a lease is known (lease->outcome): decides what follows, logs it, and settles at the end of the turn.
void settler_take(struct settler *settler, struct lease *lease);
// Sends what was kept: when the link is up again, and now and then.
void settler_retry(struct settler *settler);
// The link must be gone. Frees itself once its handle has closed; leases are left to their tables.
void settler_destroy(struct settler *settler);

#endif
