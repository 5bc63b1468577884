// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_OPTIONS_H
#define TESTS_CHAOS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

// From the environment: how a chaos run goes.
struct options {
    int seconds; // CHAOS_SECONDS: of load and injections
    int rate; // CHAOS_RATE: messages a second that are to be accepted, over the whole run; 320, a hostile provider 60
    uint64_t seed; // CHAOS_SEED
    int copies;    // CHAOS_COPIES: of ingest, dispatcher and persister
    bool sentinel; // CHAOS_REDIS=sentinel: a replica, three Sentinels, REDIS_WAIT_REPLICAS=1
    bool pooler;   // CHAOS_POOLER=session: a PgBouncer between ingest, persister and Postgres
    bool hostile;  // CHAOS_PROVIDER=hostile: it refuses one sender, and asks for a day's pause at each hundredth call
    int plant;     // CHAOS_PLANT=1: faults are planted before the audit, which must find each (plant.h)
};

// Ends the program with status 2 and one line when a value is wrong.
struct options options_read(void);

#endif
