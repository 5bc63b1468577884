// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_AUDIT_H
#define TESTS_PROTOCOL_AUDIT_H

#include "tests/protocol/world.h"

// What must hold (docs/protocol.md): after every command, and at the end.

// Takes the reply of poll.lua. Returns whether everything has to be polled before more can be said: a late success has
// ended a token, or not.
bool audit_poll(struct world *world, const redisReply *reply);
// The reply to an accept that was run after ingest had given it up.
void audit_late_accept(struct world *world, const struct zombie *zombie, const redisReply *reply);
// A dispatcher has decided upon a call of the provider, which is not in the ledger yet; or makes it, once it is
// connected.
void audit_decided(struct world *world, const struct provider_call *call);
void audit_made(struct world *world, const struct provider_call *call);
// Everything has settled.
void audit_end(struct world *world);

#endif
