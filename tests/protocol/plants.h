// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_PLANTS_H
#define TESTS_PROTOCOL_PLANTS_H

#include "tests/protocol/world.h"

// The faults that can be planted, to see that the checker finds them.
extern const struct plant plants[];
extern const int plant_count;

#endif
