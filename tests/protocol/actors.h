// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_ACTORS_H
#define TESTS_PROTOCOL_ACTORS_H

#include "tests/protocol/world.h"

// Processes as state machines that do one thing a step, in the order in which the C code does it. A step that has
// nothing to do does nothing, so that any list of steps is a run. Dispatchers and persisters are no such machines:
// process.h.

// ingest.c, as ingest/accept/acceptor.c
void ingest_send(struct world *world);      // a send, with or without an Idempotency-Key
void ingest_repeat(struct world *world);    // a client repeats a send under its key
void ingest_webhook(struct world *world);   // a provider delivers
void ingest_redeliver(struct world *world); // and again
// A webhook that has not come yet, as an index into the ledger, or -1; and it comes, with others.
int ingest_new_webhook(struct world *world);
void ingest_bring(struct world *world, int message);

// operator.c: replays a dead letter, cancels a send; reconcile.c: bin/reconcile.sh
void operator_replay(struct world *world);
void operator_cancel(struct world *world);
void reconcile_step(struct world *world);

#endif
