// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_DISPATCHER_PRIVATE_H
#define TESTS_PROTOCOL_DISPATCHER_PRIVATE_H

#include "tests/protocol/world.h"

// What the parts of a dispatcher share.

// dispatcher_leases.c
int leases_count(const struct dispatcher *dispatcher, enum lease_state state);
struct lease *leases_first_waiting(struct dispatcher *dispatcher);           // NULL: none waits
struct lease *leases_find(struct dispatcher *dispatcher, const char *entry); // NULL: it isn't held

// dispatcher_grant.c
// Hands back what was not used; what can't be sent lapses.
void grant_give_up(struct world *world, struct dispatcher *dispatcher);
// Whether a call may begin by it now and for margin_ms to come.
bool grant_is_good(const struct world *world, const struct dispatcher *dispatcher, int margin_ms);
bool grant_has_call(const struct dispatcher *dispatcher);
void grant_take_probe(struct dispatcher *dispatcher, struct lease *lease);

// dispatcher_take.c
void lane_ask_breaker(struct world *world, struct dispatcher *dispatcher, int want);
void lane_read(struct world *world, struct dispatcher *dispatcher);
void lane_claim(struct world *world, struct dispatcher *dispatcher);

// dispatcher_call.c
// Calls what waits, as far as the grant goes, and gives back the rest.
void lane_call_waiting(struct world *world, struct dispatcher *dispatcher);
void lane_give_back_waiting(struct world *world, struct dispatcher *dispatcher);

// dispatcher.c: whether a reply is lost or an error, which is dealt with.
bool dispatcher_failed(struct world *world, struct dispatcher *dispatcher, const char *what, const redisReply *reply);

#endif
