// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_SCHEDULE_H
#define TESTS_CHAOS_SCHEDULE_H

#include <stddef.h>

#include "tests/chaos/injection.h"
#include "tests/chaos/options.h"

// Which injection comes when: all kinds in an order drawn from the seed, and when each has come, all over again. Mostly
// one after the other with a pause for recovery, sometimes two at once.

struct schedule;

// Runs for options->seconds, in this thread, and ends what it has begun. A program that ends by itself is a breach.
struct schedule *schedule_run(const struct options *options, struct world *world, struct report *report);
void schedule_destroy(struct schedule *schedule); // NULL is fine: the run may have ended before it

// What was done, in the order of its beginning.
size_t schedule_count(const struct schedule *schedule);
const struct injection *schedule_at(const struct schedule *schedule, size_t index);

#endif
