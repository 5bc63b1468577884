// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/receipts.h"
#include "tests/chaos/rows.h"

struct tally {
    struct run *run;
    struct receipts *heard;
    uint64_t rows, of_ambiguous, wrong;
};

// A receipt that the mock was not answered to may be recorded all the same, where an injection was on.
static bool audit_was_disturbed(const struct run *run, int64_t at_ms) {
    enum { CALLBACK_MS = 15000 }; // as long as the mock waits, and repeats
    for (size_t i = 0; i < schedule_count(run->schedule); i++) {
        const struct injection *injection = schedule_at(run->schedule, i);
        if (injection->began_ms <= at_ms + CALLBACK_MS && injection->ended_ms >= at_ms - CALLBACK_MS) {
            return true;
        }
    }
    return false;
}

static void look_at_receipt(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    const char *id = rows_text(row, 0), *stands = rows_text(row, 4), *should = rows_text(row, 5);
    struct receipt_heard receipt;
    tally->rows++;
    receipts_write(id, rows_text(row, 1), rows_text(row, 2), &receipt);
    if (!receipts_find(tally->heard, &receipt)) {
        tally->of_ambiguous++;
        if (!audit_was_disturbed(tally->run, rows_int(row, 3))) {
            report_breach(tally->run->report, "a receipt that nobody sent", id, "%s of %s", rows_text(row, 2),
                          rows_text(row, 1));
        }
    }
    if (strcmp(stands, should) != 0) {
        tally->wrong++;
        report_breach(tally->run->report, "a receipt that should not stand", id, "%s, and it should be %s", stands,
                      should);
    }
}

static void report_vanished(void *argument, const struct receipt_heard *receipt) {
    struct run *run = argument;
    char id[UUID_TEXT_SIZE];
    snprintf(id, sizeof id, "%.36s", receipt->text);
    report_breach(run->report, "a receipt that vanished", id, "%s", receipt->text);
}

void audit_receipts(struct run *run) {
    struct tally tally = {.run = run, .heard = receipts_read(run->world->receipt_file)};
    rows_each(stack_port(run->world->stack, "postgres"), "receipts.sql", look_at_receipt, &tally);
    uint64_t heard = receipts_count(tally.heard);
    uint64_t vanished = receipts_each_unfound(tally.heard, report_vanished, run);
    int64_t taken = stack_sql(run->world->stack, "SELECT count(*) FROM dispatch_attempts WHERE delivery = 0 AND late");
    report_heading("Receipts");
    report_figure("heard (2xx), of them repeats", "%" PRIu64 ", %" PRIu64, heard + receipts_repeats(tally.heard),
                  receipts_repeats(tally.heard));
    report_figure("recorded", "%" PRIu64 ", of which %" PRIu64 " were left ambiguous", tally.rows, tally.of_ambiguous);
    report_figure("lost, doubled", "%" PRIu64 ", %" PRIu64, vanished,
                  tally.rows - tally.of_ambiguous + vanished - heard);
    report_figure("of which another should stand", "%" PRIu64, tally.wrong);
    report_figure("messages that were delivered while they waited", "%" PRId64, taken);
    if (heard < RECEIPTS_LEAST) {
        report_breach(run->report, "nothing to look at", NULL, "%" PRIu64 " receipts were heard, not %d", heard,
                      RECEIPTS_LEAST);
    }
    receipts_free(tally.heard);
}
