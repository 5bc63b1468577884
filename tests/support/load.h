// SPDX-License-Identifier: MIT
#ifndef TESTS_SUPPORT_LOAD_H
#define TESTS_SUPPORT_LOAD_H

#include <stddef.h>
#include <stdint.h>

// Many SMS sends over several threads, in the background, while the test kills something.

struct load;

struct load_options {
    uint16_t ports[2]; // ingests of this machine, used in turn; the second may be 0
    unsigned threads;
    unsigned count;      // sends in all
    unsigned senders;    // the i-th send is from +1555<i % senders>
    unsigned recipients; // to +1666<i / senders % recipients>; 0: one. Sends of one conversation wait for one another
    unsigned first;      // of the senders' numbers
    unsigned repeats;    // a send that got no 202 is repeated up to so often, under its own Idempotency-Key
    int pause_ms;        // after each send of a thread
};

struct load_result {
    unsigned sent;      // requests
    unsigned accepted;  // sends answered 202 in the end
    unsigned limited;   // answers 429
    unsigned refused;   // answers 503 with nothing written
    unsigned ambiguous; // answers 503 that say so, and requests without an answer
    unsigned other;     // any other answer
    char (*ids)[37];    // of the accepted ones
    int64_t slowest_ms; // of all answers
};

struct load *load_start(const struct load_options *options);
// How many sends were accepted up to now.
unsigned load_accepted(struct load *load);
// No further sends; those under way end.
void load_stop(struct load *load);
// Waits for the end. Release the result with load_result_free; the load is gone.
struct load_result *load_finish(struct load *load);
void load_result_free(struct load_result *result);

#endif
