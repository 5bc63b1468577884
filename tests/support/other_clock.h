// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_OTHER_CLOCK_H
#define TESTS_SUPPORT_OTHER_CLOCK_H

#include <stdint.h>

// A time of day that isn't the machine's, by build/tests/clock.so, for the programs that are started with its
// environment. It begins as the machine's.

struct other_clock;
struct stack;

// name is that of a file in the stack's folder.
struct other_clock *other_clock_create(struct stack *stack, const char *name);
// NULL-terminated; owned by the clock.
const char *const *other_clock_environment(const struct other_clock *clock);
// Later than the machine's by so much, or earlier.
void other_clock_set(struct other_clock *clock, int64_t shift_ms);
// The programs keep the time that it had last.
void other_clock_destroy(struct other_clock *clock);

// Redis goes by it from now on: it is killed, and started again.
void other_clock_of_redis(struct other_clock *clock, struct stack *stack);

#endif
