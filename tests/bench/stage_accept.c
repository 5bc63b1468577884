// SPDX-License-Identifier: MIT
// How many sends a second ingest takes, with its limits evaluated, an Idempotency-Key on every tenth, and Redis's fsync
// before each reply; and how long one takes at a constant rate. No worker runs.

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/stage.h"
#include "tests/support/child.h"
#include "tests/support/port.h"

#define ROUNDS 5
#define ROUND_SECS "4s"
#define CONNECTIONS 64
#define CEILING_RUN 9999
#define LATENCY_ROUNDS 3
#define LATENCY_SENDS "12000"

struct run {
    double requests, rate;
};

static struct run run_wrk(struct site *site, uint16_t port, unsigned number_of_run) {
    char *script = site_path("tests/bench/sends.lua");
    char *url = xasprintf("http://127.0.0.1:%u", port), *number = xasprintf("%u-%d", number_of_run, (int)getpid());
    const char *argv[] = {"wrk", "-t1", "-c64", "-d" ROUND_SECS, "-s", script, url, "--", number, NULL};
    char *output = site_run(site, argv, 60);
    ck_assert_msg(site_number(output, "failed") == 0, "wrk: %s", output);
    struct run run = {.requests = site_number(output, "requests")};
    run.rate = run.requests / site_number(output, "seconds");
    free(output);
    free(number);
    free(url);
    free(script);
    return run;
}

// Every 202 is in events, and waits to be called; what wrk had sent and not seen the answer of may be there besides.
static void measure(struct site *site, unsigned number, struct samples *rates) {
    struct run run = run_wrk(site, stack_port(site->stack, "ingest-1"), number);
    WAIT_FOR(10000, site_length(site, SITE_EVENTS) >= (int64_t)run.requests);
    // Two looks: what wrk had sent may come in between them.
    WAIT_FOR(10000, site_length(site, SITE_EVENTS) == site_sends(site));
    ck_assert_int_le(site_length(site, SITE_EVENTS), (int64_t)run.requests + CONNECTIONS);
    samples_add(rates, run.rate);
    site_drop(site, SITE_EVENTS);
    site_drop_sends(site);
}

void stage_accept(struct site *site) {
    char *port = xasprintf("%u", free_port()), *threads = xasprintf("%ld", sysconf(_SC_NPROCESSORS_ONLN));
    struct samples rates = {0}, ceilings = {0};
    struct child *ceiling = site_start(site, (const char *const[]){"http_ceiling", port, threads, NULL});
    stack_start(site->stack, "ingest-1");
    for (unsigned i = 0; i < ROUNDS; i++) {
        measure(site, i, &rates);
        samples_add(&ceilings, run_wrk(site, (uint16_t)strtoul(port, NULL, 10), CEILING_RUN).rate);
    }
    child_destroy(ceiling);
    site_stop(site, "ingest-1");
    report_add(site->report, "accept", "sends accepted", samples_median(&rates), samples_median(&ceilings));
    samples_free(&rates);
    samples_free(&ceilings);
    free(threads);
    free(port);
}

void stage_accept_latency(struct site *site) {
    struct samples p50 = {0}, p99 = {0};
    stack_start(site->stack, "ingest-1");
    char *port = xasprintf("%u", stack_port(site->stack, "ingest-1"));
    for (unsigned i = 0; i < LATENCY_ROUNDS; i++) {
        const char *argv[] = {"generator", port, "64", LATENCY_SENDS, "2000", "0", NULL};
        char *output = site_run(site, argv, 120);
        samples_add(&p50, site_number(output, "p50_ms"));
        samples_add(&p99, site_number(output, "p99_ms"));
        free(output);
    }
    ck_assert_int_eq(site_length(site, SITE_EVENTS), LATENCY_ROUNDS * strtol(LATENCY_SENDS, NULL, 10));
    site_drop(site, SITE_EVENTS);
    site_drop_sends(site);
    site_stop(site, "ingest-1");
    report_add(site->report, "accept-latency", "p50 at 2,000/s", samples_median(&p50), 0);
    report_add(site->report, "accept-latency", "p99 at 2,000/s", samples_median(&p99), 0);
    samples_free(&p50);
    samples_free(&p99);
    free(port);
}
