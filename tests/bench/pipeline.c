// SPDX-License-Identifier: MIT
#include "tests/bench/pipeline.h"

#include <check.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/cost.h"

static const char *const parts[PIPELINE_PARTS] = {"ingest-1",      "dispatcher-1", "persister-1",
                                                  "mock-provider", "redis",        "postgres"};

static const enum pipeline_part programs[] = {PIPELINE_MOCK, PIPELINE_DISPATCHER, PIPELINE_PERSISTER, PIPELINE_INGEST};

void pipeline_start_with(struct site *site, const char *const *environment) {
    site_start_postgres(site);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        stack_start_with(site->stack, parts[programs[i]], environment);
    }
}

void pipeline_start(struct site *site) {
    pipeline_start_with(site, NULL);
}

void pipeline_stop(struct site *site) {
    for (size_t i = sizeof programs / sizeof *programs; i-- > 0;) {
        site_stop(site, parts[programs[i]]);
    }
}

static double ended_children_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

// Adds `sign` times what each part has cost so far.
static void count_cost(struct site *site, struct pipeline_run *run, double sign) {
    for (size_t i = 0; i < PIPELINE_PARTS; i++) {
        run->cpu_us[i] += sign * cost_family_cpu_us(stack_pid(site->stack, parts[i]));
    }
    run->generator_cpu_us += sign * ended_children_us();
}

struct pipeline_run *pipeline_send(struct site *site, unsigned count, unsigned rate, unsigned watch_every) {
    struct pipeline_run *run = xcalloc(1, sizeof *run);
    char *port = xasprintf("%u", stack_port(site->stack, parts[PIPELINE_INGEST]));
    char *count_text = xasprintf("%u", count), *rate_text = xasprintf("%u", rate);
    char *watch_text = xasprintf("%u", watch_every);
    site_empty_database(site);
    count_cost(site, run, -1);
    int64_t began_us = clock_monotonic_us();
    const char *argv[] = {"generator", port, "64", count_text, rate_text, watch_text, NULL};
    run->output = site_run(site, argv, 600);
    WAIT_FOR(300000, stack_is_drained(site->stack));
    run->seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
    count_cost(site, run, 1);
    site_assert_stored(site, count);
    ck_assert_int_eq(stack_sql(site->stack, "SELECT count(*) FROM deliveries WHERE status = 'sent'"), count);
    free(watch_text);
    free(rate_text);
    free(count_text);
    free(port);
    return run;
}

void pipeline_run_free(struct pipeline_run *run) {
    free(run->output);
    free(run);
}
