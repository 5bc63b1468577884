// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_AFTERMATH_H
#define TESTS_CHAOS_AFTERMATH_H

#include <stdint.h>

#include "tests/chaos/report.h"
#include "tests/chaos/world.h"

// What Redis must come back to when the load has ended: empty streams, nothing pending, nothing that waits, no turn of
// anybody, no key of a limiter or of an Idempotency-Key that lives for ever, and the memory of the beginning.

// Redis's memory in use, bytes, after it has given back what it can.
int64_t aftermath_memory(struct world *world);
// Waits until all is settled; a breach when that takes too long. nudge, which may be NULL, is called once a second
// meanwhile. Returns how long it took, ms.
int64_t aftermath_settle(struct world *world, void (*nudge)(void *argument), void *argument, struct report *report);
// Where there were fail-overs: bin/reconcile.sh sends again what they forgot, as an operator has it do.
void aftermath_reconcile(struct world *world, struct report *report);
// Nobody has a turn any more, and nothing that waited has left its place or time.
void aftermath_turns(struct world *world, struct report *report);
// Looks at what may be left, and waits until what Idempotency-Keys left has gone. Limiter keys live for two minutes,
// so theirs is cut short once it was seen that each has an end.
void aftermath_expire(struct world *world, struct report *report);

#endif
