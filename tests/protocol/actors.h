// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_ACTORS_H
#define TESTS_PROTOCOL_ACTORS_H

#include "tests/protocol/world.h"

// The processes, as state machines that do one thing a step, in the order in which the C code does it. A step that has
// nothing to do does nothing, so that any list of steps is a run.

// ingest.c, as ingest/accept/acceptor.c
void ingest_send(struct world *world);      // a send, with or without an Idempotency-Key
void ingest_repeat(struct world *world);    // a client repeats a send under its key
void ingest_webhook(struct world *world);   // a provider delivers
void ingest_redeliver(struct world *world); // and again

// dispatcher.c, as dispatcher/lane*.c
void dispatcher_step(struct world *world, struct dispatcher *dispatcher);   // the lane's next step
void dispatcher_tick(struct world *world, struct dispatcher *dispatcher);   // what it does every second
void dispatcher_unpark(struct world *world, struct dispatcher *dispatcher); // dispatcher/parked.c
void dispatcher_drop(struct world *world, struct dispatcher *dispatcher);   // its connection is gone
void dispatcher_forget(struct world *world, struct dispatcher *dispatcher); // it was killed
// Looks at a reply that it has left so far.
void dispatcher_catch_up(struct world *world, struct dispatcher *dispatcher);
// What it holds may be called once more by another: a fault came between.
void dispatcher_hit(struct world *world, struct dispatcher *dispatcher);
bool dispatcher_is_idle(const struct dispatcher *dispatcher);
int64_t lease_age_ms(const struct world *world, const struct lease *lease); // dispatcher/age.c
// call.c: the provider is called; calls end, and are settled (dispatcher/settle.c)
void call_begin(struct world *world, struct lease *lease);
void call_end(struct world *world, struct dispatcher *dispatcher);
void call_tell_again(struct world *world, struct dispatcher *dispatcher);
void call_settle(struct world *world, struct dispatcher *dispatcher); // what is finished

// persister.c, as persister/consumer.c and persister/writer.c
void persister_step(struct world *world, struct persister *persister); // its reader's next step
void persister_tick(struct world *world, struct persister *persister);
void persister_commit(struct world *world, struct persister *persister);
void persister_acknowledge(struct world *world, struct persister *persister);
void persister_drop(struct persister *persister);
void persister_forget(struct persister *persister);
bool persister_is_idle(const struct persister *persister);

// operator.c: replays a dead letter; reconcile.c: bin/reconcile.sh
void operator_replay(struct world *world);
void reconcile_step(struct world *world);

#endif
