// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_ARRIVAL_H
#define TESTS_SUPPORT_ARRIVAL_H

#include <stdint.h>

#include "tests/support/load.h"
#include "tests/support/stack.h"

// Whether all that a load has sent has arrived: its senders are the 100 numbers from `first` on.

// How many of its messages are stored, and how many are sent.
int64_t arrival_stored(struct stack *stack, unsigned first);
int64_t arrival_sent(struct stack *stack, unsigned first);
// Waits for the load's end. Fails the test unless `count` of it are accepted, stored once and sent, nothing is left in
// Redis, and every count in Postgres is exact.
void arrival_check(struct stack *stack, struct load *load, unsigned first, unsigned count);

#endif
