// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_SCHEDULE_H
#define TESTS_PROTOCOL_SCHEDULE_H

#include "tests/protocol/world.h"

// A run is a list of decisions: which actor steps or which fault strikes, each with a random number of its own, so that
// leaving one out changes no other.

enum { DECISIONS = 240 };

struct decision_taken {
    int kind;
    uint64_t random;
};

struct run {
    unsigned classes; // of faults, a bit each
    int cap;
    bool paced;  // the provider has a rate
    bool worded; // recipients opt out
    bool erases; // conversations are erased
    bool alone;  // one process of each kind survives
    int format;  // that is written at first
    bool orders; // DISPATCH_ORDER=conversation, at first
    bool changes_format, changes_order;
    bool two_each; // conversations of a sender
    int count;
    struct decision_taken decisions[DECISIONS];
};

// The run of a seed.
struct run run_of(uint64_t seed);
// Plays it from an empty Redis, lets it settle and audits. trace: gets a line a step; may be NULL.
// World is one that was zeroed or played before; its library must be loaded.
void run_play(struct world *world, const struct run *run, struct buf *trace);
// Leaves out what the same breach doesn't need; plays it many times.
void run_shrink(struct world *world, struct run *run);

#endif
