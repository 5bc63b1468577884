// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_DICE_H
#define TESTS_CHAOS_DICE_H

#include <stdint.h>

// Numbers that look random and depend on the seed alone, so that a run's load and injections can be had again.

struct dice {
    uint64_t state;
};

// A die of its own for each use: `what` tells them apart, `number` one of many of that use.
struct dice dice_make(uint64_t seed, const char *what, uint64_t number);
uint64_t dice_roll(struct dice *dice);
// From least to most, both included.
int64_t dice_between(struct dice *dice, int64_t least, int64_t most);
int dice_percent(struct dice *dice); // 0 to 99

#endif
