// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_RUN_H
#define TESTS_CHAOS_RUN_H

#include "tests/chaos/bursts.h"
#include "tests/chaos/facts.h"
#include "tests/chaos/ledger.h"
#include "tests/chaos/options.h"
#include "tests/chaos/optouts.h"
#include "tests/chaos/poison.h"
#include "tests/chaos/report.h"
#include "tests/chaos/schedule.h"
#include "tests/chaos/unread.h"
#include "tests/chaos/world.h"

// What a run has, for the parts of the audit.
struct run {
    struct options options;
    struct report *report;
    struct world *world;
    struct ledger *ledger;
    struct poison *poison;
    struct unread_load *unread;
    struct optout_load *optouts;
    struct burst_load *bursts;
    struct schedule *schedule;
    struct facts *facts;
    int64_t began_ms; // the load, ms since 1970
    int64_t load_ms;  // how long it lasted
};

#endif
