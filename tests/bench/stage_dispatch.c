// SPDX-License-Identifier: MIT
// How many calls a second one dispatcher makes and settles, of the mock at latency 0, and with 10,000 in flight at
// 500 ms. Here too everything is durable: each outcome is on Redis's disk when its message counts.

#include <check.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/stage.h"

struct conditions {
    const char *stage;
    unsigned rounds;
    size_t calls;
    const char *in_flight;
    const char *handles; // a multi of the ceiling's: what it is fastest with
    const char *dispatcher[2], *mock[2];
};

static const struct conditions quick = {.stage = "dispatch",
                                        .rounds = 3,
                                        .calls = 60000,
                                        .in_flight = "256",
                                        .handles = "256",
                                        .dispatcher = {"DISPATCH_MAX_IN_FLIGHT=256", NULL},
                                        .mock = {"API_PROVIDER_LATENCY_MS=0", NULL}};

static const struct conditions slow = {.stage = "in-flight",
                                       .rounds = 3,
                                       .calls = 100000,
                                       .in_flight = "10000",
                                       .handles = "500",
                                       .dispatcher = {"DISPATCH_MAX_IN_FLIGHT=10000", NULL},
                                       .mock = {"API_PROVIDER_LATENCY_MS=500", NULL}};

static double distinct_keys(struct site *site) {
    struct answer *answer = stack_call(site->stack, "mock-provider", "GET", "/mock/stats", NULL, NULL);
    double keys = answer_number(answer, "providers.sms-mms.distinct_keys");
    answer_free(answer);
    return keys;
}

// Calls a second. The dispatcher's start counts.
static double measure(struct site *site, const struct conditions *conditions) {
    site_fill(site, conditions->calls);
    site_drop(site, SITE_EVENTS);
    double keys = distinct_keys(site);
    int64_t began_us = clock_monotonic_us();
    stack_start_with(site->stack, "dispatcher-1", conditions->dispatcher);
    (void)site_drain(site, SITE_OUTBOUND, 300);
    double seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
    site_stop(site, "dispatcher-1");
    ck_assert_int_eq(site_length(site, SITE_EVENTS), (int64_t)conditions->calls);
    ck_assert(distinct_keys(site) - keys == (double)conditions->calls);
    site_drop(site, SITE_EVENTS);
    return (double)conditions->calls / seconds;
}

static double measure_ceiling(struct site *site, const struct conditions *conditions) {
    char *url = xasprintf("http://127.0.0.1:%u/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages.json",
                          stack_port(site->stack, "mock-provider"));
    char *calls = xasprintf("%zu", conditions->calls);
    const char *argv[] = {"curl_ceiling", url, conditions->in_flight, calls, conditions->handles, NULL};
    char *output = site_run(site, argv, 300);
    ck_assert_msg(site_number(output, "failed") == 0, "curl_ceiling: %s", output);
    double rate = site_number(output, "calls") / site_number(output, "seconds");
    free(output);
    free(calls);
    free(url);
    return rate;
}

static void compare(struct site *site, const struct conditions *conditions) {
    struct samples rates = {0}, ceilings = {0};
    stack_start_with(site->stack, "mock-provider", conditions->mock);
    for (unsigned i = 0; i < conditions->rounds; i++) {
        samples_add(&rates, measure(site, conditions));
        samples_add(&ceilings, measure_ceiling(site, conditions));
    }
    site_stop(site, "mock-provider");
    report_add(site->report, conditions->stage, "calls settled", samples_median(&rates), samples_median(&ceilings));
    samples_free(&rates);
    samples_free(&ceilings);
}

void stage_dispatch(struct site *site) {
    compare(site, &quick);
}

void stage_in_flight(struct site *site) {
    compare(site, &slow);
}
