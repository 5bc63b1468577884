// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_SAMPLER_H
#define TESTS_CHAOS_SAMPLER_H

#include <stdint.h>

#include "tests/chaos/options.h"
#include "tests/chaos/report.h"

// Looks every second at what must hold at every instant: a message's token stands in one place, in `outbound` or among
// the parked, the held or the scheduled; each that waits has a time or a place, and the other way round; backlogs stay
// below their caps, no transaction of ours idles. It runs in a thread of its own, past the proxies; while
// a server is away nothing is looked at.

struct sampler;

struct sampler *sampler_begin(const struct options *options, uint16_t redis_port, uint16_t postgres_port,
                              struct report *report);

struct sampler_result {
    unsigned redis_samples, postgres_samples;
    unsigned token_samples; // of Redis, those that looked at each token
    int64_t peak_memory;    // of Redis, bytes
    int64_t peak_backlog;   // entries of one partition's streams
    int64_t peak_parked, peak_held, peak_scheduled;
};
struct sampler_result sampler_end(struct sampler *sampler);

// Once, at Redis.
void sampler_look_once(const struct options *options, uint16_t redis_port, uint16_t postgres_port,
                       struct report *report);

#endif
