// SPDX-License-Identifier: MIT
#ifndef TESTS_BENCH_PIPELINE_H
#define TESTS_BENCH_PIPELINE_H

#include "tests/bench/site.h"

// The whole service at a site, one process of each program, and sends through all of it.

enum pipeline_part {
    PIPELINE_INGEST,
    PIPELINE_DISPATCHER,
    PIPELINE_PERSISTER,
    PIPELINE_MOCK,
    PIPELINE_REDIS,
    PIPELINE_POSTGRES,
    PIPELINE_PARTS
};

struct pipeline_run {
    double seconds; // from the first send until the last row is `sent`
    double cpu_us[PIPELINE_PARTS];
    double generator_cpu_us;
    char *output; // the generator's
};

void pipeline_start(struct site *site);
// The same with this environment over the site's.
void pipeline_start_with(struct site *site, const char *const *environment);
void pipeline_stop(struct site *site);
// Sends `count` as programs/generator.c does, and waits until nothing is left to do. Fails unless each is stored once
// and `sent`. Release with pipeline_run_free.
struct pipeline_run *pipeline_send(struct site *site, unsigned count, unsigned rate, unsigned watch_every);
void pipeline_run_free(struct pipeline_run *run);

#endif
