// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/rows.h"

struct tally {
    struct run *run;
    uint8_t *seen; // by the poison's number: how often
    uint64_t persist, dispatch, refused, twice;
};

static void note(struct tally *tally, uint32_t number) {
    if (tally->seen[number] < UINT8_MAX) {
        tally->seen[number]++;
    }
}

static bool find_send(const struct run *run, const char *id, uint32_t *number) {
    for (*number = 0; *number < poison_count(run->poison); (*number)++) {
        const struct poison_entry *entry = poison_at(run->poison, *number);
        if (entry->is_send && strcmp(entry->id, id) == 0) {
            return true;
        }
    }
    return false;
}

// What a hostile provider has refused is no poison, but fails for good as well.
static bool is_refused(const struct run *run, const char *id) {
    struct uuid uuid;
    return uuid_parse(id, &uuid) == 0 && facts_of(run->facts, &uuid)->is_refused;
}

static void look_at_letter(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    uint32_t number = 0;
    bool is_persist = strcmp(rows_text(row, 0), "persist") == 0;
    bool known =
        is_persist ? poison_number(rows_text(row, 1), &number) : find_send(tally->run, rows_text(row, 2), &number);
    if (!is_persist && !known && is_refused(tally->run, rows_text(row, 2))) {
        tally->refused++;
        return;
    }
    tally->persist += is_persist;
    tally->dispatch += !is_persist;
    if (known && number < poison_count(tally->run->poison)) {
        note(tally, number);
    } else {
        const char *id = rows_text(row, 2);
        report_breach(tally->run->report, "a dead letter that was no poison", *id != '\0' ? id : NULL, "%s: %.200s",
                      rows_text(row, 3), rows_text(row, 1));
    }
}

void audit_quarantine(struct run *run) {
    struct tally tally = {.run = run};
    uint64_t certain = 0, to_quarantine = 0;
    tally.seen = xcalloc(poison_count(run->poison) + 1, 1);
    rows_each(stack_port(run->world->stack, "postgres"), "quarantine.sql", look_at_letter, &tally);
    for (uint32_t number = 0; number < poison_count(run->poison); number++) {
        const struct poison_entry *entry = poison_at(run->poison, number);
        certain += entry->certain;
        to_quarantine += entry->certain && !entry->is_send;
        tally.twice += tally.seen[number] > 1;
        if (entry->certain && tally.seen[number] == 0) {
            report_breach(run->report, "poison that vanished", entry->is_send ? entry->id : NULL, "number %" PRIu32,
                          number);
        }
    }
    report_heading("Poison");
    report_figure("entries put in", "%" PRIu64 " for certain, %" PRIu64 " perhaps", certain,
                  poison_count(run->poison) - certain);
    report_figure("quarantined, failed", "%" PRIu64 ", %" PRIu64, tally.persist, tally.dispatch);
    if (run->options.hostile) {
        report_figure("failed because of their sender", "%" PRIu64, tally.refused);
    }
    report_figure("quarantined twice", "%" PRIu64, tally.twice);
    if (to_quarantine < POISON_LEAST) {
        report_breach(run->report, "nothing to look at", NULL,
                      "%" PRIu64 " entries that belong into quarantine, not %d", to_quarantine, POISON_LEAST);
    }
    free(tally.seen);
}
