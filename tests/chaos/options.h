// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_OPTIONS_H
#define TESTS_CHAOS_OPTIONS_H

#include <stdint.h>

// From the environment: how a chaos run goes.
struct options {
    int seconds;   // CHAOS_SECONDS: of load and injections
    int rate;      // CHAOS_RATE: messages a second that are to be accepted, over the whole run
    uint64_t seed; // CHAOS_SEED
    int copies;    // CHAOS_COPIES: of ingest, dispatcher and persister
    int plant;     // CHAOS_PLANT=1: faults are planted before the audit, which must find each (plant.h)
};

// Ends the program with status 2 and one line when a value is wrong.
struct options options_read(void);

#endif
