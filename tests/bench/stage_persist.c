// SPDX-License-Identifier: MIT
// How many rows a second one persister stores, from full streams until everything is settled.

#include <check.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/stage.h"
#include "tests/support/private_postgres.h"

#define ROUNDS 3
#define ROWS 200000
#define ROWS_TEXT "200000"
#define ROWS_A_BATCH "4000" // what the ceiling is fastest with

// Rows a second. The persister's start counts.
static double measure(struct site *site) {
    site_fill(site, ROWS);
    site_drop(site, SITE_OUTBOUND);
    int64_t began_us = clock_monotonic_us();
    stack_start(site->stack, "persister-1");
    (void)site_drain(site, SITE_EVENTS, 300);
    double seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
    site_stop(site, "persister-1");
    return ROWS / seconds;
}

static double measure_ceiling(struct site *site) {
    char *url = postgres_url(stack_port(site->stack, "postgres"));
    char *stage = site_path("tests/bench/sql/persist_stage.sql"),
         *batch = site_path("tests/bench/sql/persist_batch.sql");
    const char *argv[] = {"persist_ceiling", url, stage, batch, ROWS_TEXT, ROWS_A_BATCH, NULL};
    char *output = site_run(site, argv, 300);
    double rate = ROWS / site_number(output, "seconds");
    free(output);
    free(batch);
    free(stage);
    free(url);
    return rate;
}

void stage_persist(struct site *site) {
    static double (*const sides[])(struct site *) = {measure, measure_ceiling};
    struct samples rates[2] = {{0}, {0}};
    site_start_postgres(site);
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        site_empty_database(site);
        samples_add(&rates[i % 2], sides[i % 2](site));
        site_assert_stored(site, ROWS);
    }
    report_add(site->report, "persist", "rows stored", samples_median(&rates[0]), samples_median(&rates[1]));
    samples_free(&rates[0]);
    samples_free(&rates[1]);
}
