// SPDX-License-Identifier: MIT
#include <inttypes.h>

#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

struct tally {
    struct run *run;
    uint64_t rules;
    int64_t wrong;
};

static void look_at_rule(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    int64_t wrong = rows_int(row, 1);
    tally->rules++;
    tally->wrong += wrong;
    if (wrong != 0) {
        report_breach(tally->run->report, "wrong counts", NULL, "%s: %" PRId64, rows_text(row, 0), wrong);
    }
}

void audit_counts(struct run *run) {
    struct tally tally = {.run = run};
    rows_each(stack_port(run->world->stack, "postgres"), "counts.sql", look_at_rule, &tally);
    report_heading("Counts");
    report_figure("rules between the tables", "%" PRIu64, tally.rules);
    report_figure("wrong counts", "%" PRId64, tally.wrong);
}
