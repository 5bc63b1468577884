// SPDX-License-Identifier: MIT
// How late what is scheduled is called: 10,000 for the same second, by one dispatcher. None may be early.

#include <check.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/lib/samples.h"
#include "tests/bench/stage.h"
#include "tests/support/deadline.h"

enum { ROUNDS = 3, MANY = 10000, AHEAD_MS = 15000 };

#define LATE_MS "EXTRACT(EPOCH FROM a.started_at - m.send_at) * 1000"
#define CALLS "dispatch_attempts AS a JOIN messages AS m ON m.id = a.message_id WHERE m.send_at = to_timestamp(%lld)"

// due: of this round's, seconds since 1970.
static bool all_are_sent(struct site *site, int64_t due) {
    return stack_sql(site->stack,
                     "SELECT count(*) FROM deliveries AS d JOIN messages AS m ON m.id = d.message_id WHERE d.status = "
                     "'sent' AND m.send_at = to_timestamp(%lld)",
                     (long long)due) == MANY;
}

// In ms, of the calls that were made.
static double late_ms(struct site *site, int64_t due, double share) {
    char *text =
        stack_sql_text(site->stack, "SELECT percentile_cont(%f) WITHIN GROUP (ORDER BY " LATE_MS ") FROM " CALLS, share,
                       (long long)due);
    double ms = strtod(text, NULL);
    free(text);
    return ms;
}

static void measure_many(struct site *site, struct samples *figures) {
    int64_t due = (clock_unix_ms() + AHEAD_MS) / 1000;
    site_schedule(site, MANY, due * 1000);
    WAIT_FOR(AHEAD_MS + 120000, all_are_sent(site, due));
    double first_ms = late_ms(site, due, 0), last_ms = late_ms(site, due, 1);
    ck_assert_msg(first_ms >= 0, "%.0f ms early", -first_ms);
    samples_add(&figures[0], (last_ms - first_ms) / 1000);
    samples_add(&figures[1], first_ms);
    samples_add(&figures[2], late_ms(site, due, 0.5));
    samples_add(&figures[3], late_ms(site, due, 0.99));
}

void stage_scheduled(struct site *site) {
    static const char *const metrics[] = {"calls of 10,000 for one second, from first to last", "late by, first",
                                          "late by, p50", "late by, p99"};
    struct samples figures[4] = {{0}};
    site_start_postgres(site);
    stack_start_with(site->stack, "mock-provider", (const char *const[]){"API_PROVIDER_LATENCY_MS=0", NULL});
    stack_start(site->stack, "dispatcher-1");
    stack_start(site->stack, "persister-1");
    for (unsigned i = 0; i < ROUNDS; i++) {
        measure_many(site, figures);
    }
    for (size_t i = 0; i < 4; i++) {
        report_add(site->report, "scheduled", metrics[i], samples_median(&figures[i]), 0);
        samples_free(&figures[i]);
    }
    site_stop(site, "persister-1");
    site_stop(site, "dispatcher-1");
    site_stop(site, "mock-provider");
}
