// SPDX-License-Identifier: MIT
#include <inttypes.h>

#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

struct tally {
    struct run *run;
    unsigned rows[UNREAD_MOST];
    uint64_t total, of_ambiguous;
};

static void look_at_webhook(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    const char *body = rows_text(row, 0);
    uint32_t number = 0;
    tally->total++;
    if (!unread_number(body, &number) || number >= unread_count(tally->run->unread)) {
        report_breach(tally->run->report, "a webhook that nobody kept", NULL, "%.200s", body);
        return;
    }
    const struct unread_entry *entry = unread_at(tally->run->unread, number);
    tally->of_ambiguous += !entry->kept;
    if (++tally->rows[number] > 1) {
        report_breach(tally->run->report, "an unreadable webhook kept twice", NULL, "number %" PRIu32, number);
    } else if (!entry->kept && !entry->ambiguous) {
        report_breach(tally->run->report, "a webhook that nobody kept", NULL, "number %" PRIu32, number);
    }
}

void audit_unread(struct run *run) {
    struct tally tally = {.run = run};
    uint64_t kept = 0;
    rows_each(stack_port(run->world->stack, "postgres"), "unread.sql", look_at_webhook, &tally);
    for (uint32_t number = 0; number < unread_count(run->unread); number++) {
        bool was_kept = unread_at(run->unread, number)->kept;
        kept += was_kept;
        if (was_kept && tally.rows[number] == 0) {
            report_breach(run->report, "an unreadable webhook that vanished", NULL, "number %" PRIu32, number);
        }
    }
    report_heading("Unreadable webhooks");
    report_figure("answered 400, dead letters", "%" PRIu64 ", %" PRIu64 ", of which %" PRIu64 " were left ambiguous",
                  kept, tally.total, tally.of_ambiguous);
    if (kept < UNREAD_LEAST) {
        report_breach(run->report, "nothing to look at", NULL, "%" PRIu64 " unreadable webhooks were kept, not %d",
                      kept, UNREAD_LEAST);
    }
}
