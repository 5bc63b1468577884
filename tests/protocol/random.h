// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_RANDOM_H
#define TESTS_PROTOCOL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

// A generator that gives the same numbers on every machine (SplitMix64, public domain, by Sebastiano Vigna).

struct random {
    uint64_t state;
};

static inline uint64_t random_next(struct random *random) {
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// 0 to count - 1.
static inline int random_below(struct random *random, int count) {
    return (int)(random_next(random) % (uint64_t)count);
}

// min to max, both included.
static inline int random_within(struct random *random, int min, int max) {
    return min + random_below(random, max - min + 1);
}

static inline bool random_chance(struct random *random, int percent) {
    return random_below(random, 100) < percent;
}

#endif
