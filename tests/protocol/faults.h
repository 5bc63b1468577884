// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_FAULTS_H
#define TESTS_PROTOCOL_FAULTS_H

#include "tests/protocol/world.h"

// What goes wrong, at the moment it is called. Each does nothing where this run may not have it. Lost replies are in
// wire.c, lost commits in database.c.

void fault_kill(struct world *world);
void fault_stop(struct world *world);
void fault_continue(struct world *world);
void fault_destroy(struct world *world);
void fault_delcons(struct world *world);
void fault_flush(struct world *world);
void fault_jump(struct world *world);
void fault_expire(struct world *world);
// That message's idempotency key, whether this run may have it or not.
void fault_expire_key(struct world *world, int message);
void fault_snapshot(struct world *world);
void fault_failover(struct world *world);
void fault_spoil(struct world *world);    // spoil.c: one of those that wait
void fault_lose_key(struct world *world); // the same: a key of turns, or of what is scheduled
void fault_deliver(struct world *world);  // what waited in the socket of a client that had gone
void fault_health(struct world *world);   // the provider falls ill, or recovers
void fault_refusals(struct world *world); // the provider refuses a sender, or all; or does so no more

#endif
