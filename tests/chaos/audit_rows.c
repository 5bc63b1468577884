// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "tests/chaos/audit.h"
#include "tests/chaos/load.h"
#include "tests/chaos/rows.h"

struct tally {
    struct run *run;
    uint8_t *strangers; // by the message's number: rows under another id than its 202's
    uint32_t count;
    uint64_t total, of_ambiguous;
    uint64_t forgotten; // of a send whose fate was unknown, and whose key a fail-over forgot
    uint64_t lost, doubled, changed, strange;
};

// A row under another id than the 202's, if there was one: only an answer that nobody got can have made it. A webhook,
// or a send under a key, has one id whatever happens.
static bool is_explained(const struct ledger_entry *entry, unsigned strangers) {
    bool one_id = entry->has_key || !entry->is_send;
    return strangers <= (one_id ? entry->ambiguous > 0 && !entry->accepted : entry->ambiguous);
}

// A fail-over forgets what the replica didn't have, though a persister may have recorded it: who was told that nobody
// knows repeats it under its key. What a 202 was said to was with the replica.
static bool is_forgotten(const struct tally *tally, const struct ledger_entry *entry, unsigned strangers,
                         int64_t persisted_ms) {
    return entry->has_key && strangers <= entry->ambiguous && audit_was_forgotten_by_all(tally->run, persisted_ms);
}

static void judge_stranger(struct tally *tally, const char *id, uint32_t number, const struct ledger_entry *entry,
                           int64_t persisted_ms) {
    unsigned strangers = ++tally->strangers[number];
    if (is_explained(entry, strangers)) {
        tally->of_ambiguous++;
    } else if (is_forgotten(tally, entry, strangers, persisted_ms)) {
        tally->forgotten++;
    } else if (entry->accepted || strangers > 1) {
        tally->doubled++;
        report_breach(tally->run->report, "a doubled row", id, "of message %" PRIu32, number);
    } else {
        tally->strange++;
        report_breach(tally->run->report, "a row that was never accepted", id, "message %" PRIu32, number);
    }
}

static void judge_content(struct tally *tally, const char *id, const PGresult *row, const struct ledger_entry *entry) {
    uint8_t digest[CONTENT_DIGEST_BYTES];
    content_row_digest(&(struct content_row){.type = rows_text(row, 1),
                                             .direction = rows_text(row, 2),
                                             .from = rows_text(row, 3),
                                             .to = rows_text(row, 4),
                                             .body = rows_text(row, 5),
                                             .attachments = rows_text(row, 6),
                                             .provider_id = rows_text(row, 7),
                                             .occurred_ms = rows_int(row, 8)},
                       digest);
    if (memcmp(digest, entry->digest, sizeof digest) != 0) {
        tally->changed++;
        report_breach(tally->run->report, "a row of other content", id, "what is stored is not what was sent");
    }
}

static void look_at_row(void *argument, const PGresult *row) {
    struct tally *tally = argument;
    const char *id = rows_text(row, 0);
    uint32_t number = 0;
    struct uuid uuid;
    tally->total++;
    if (uuid_parse(id, &uuid) != 0 || !content_number(rows_text(row, 5), &number) || number >= tally->count) {
        tally->strange++;
        report_breach(tally->run->report, "a row that was never accepted", id, "it is no message of the load");
        return;
    }
    const struct ledger_entry *entry = ledger_at(tally->run->ledger, number);
    struct fact *fact = facts_of(tally->run->facts, &uuid);
    fact->rows++;
    fact->number = number;
    fact->is_send = entry->is_send;
    fact->is_refused = entry->is_refused;
    fact->persisted_ms = rows_int(row, 9);
    judge_content(tally, id, row, entry);
    if (!entry->accepted || memcmp(&entry->id, &uuid, sizeof uuid) != 0) {
        judge_stranger(tally, id, number, entry, fact->persisted_ms);
    }
}

static void note_accepted(struct tally *tally) {
    for (uint32_t number = 0; number < tally->count; number++) {
        const struct ledger_entry *entry = ledger_at(tally->run->ledger, number);
        if (entry->accepted) {
            struct fact *fact = facts_of(tally->run->facts, &entry->id);
            fact->number = number;
            fact->accepted = true;
            fact->is_send = entry->is_send;
            fact->is_refused = entry->is_refused;
            // Where an earlier request got no answer, it may have been that one which was accepted.
            fact->begun_ms = entry->ambiguous == 0 ? entry->begun_ms : 0;
        }
    }
}

static void find_lost(struct tally *tally) {
    for (uint32_t number = 0; number < tally->count; number++) {
        const struct ledger_entry *entry = ledger_at(tally->run->ledger, number);
        if (!entry->accepted) {
            continue;
        }
        const struct fact *fact = facts_of(tally->run->facts, &entry->id);
        if (fact->rows != 1) {
            char id[UUID_TEXT_SIZE];
            uuid_format(&entry->id, id);
            tally->lost++;
            report_breach(tally->run->report, "a 202 without its row", id, "message %" PRIu32 " has %u rows", number,
                          fact->rows);
        }
    }
}

void audit_rows(struct run *run) {
    struct tally tally = {.run = run, .count = ledger_count(run->ledger)};
    tally.strangers = xcalloc((size_t)tally.count + 1, sizeof *tally.strangers);
    note_accepted(&tally);
    rows_each(stack_port(run->world->stack, "postgres"), "messages.sql", look_at_row, &tally);
    find_lost(&tally);
    report_heading("Rows");
    report_figure("messages stored", "%" PRIu64 ", of which %" PRIu64 " were left ambiguous", tally.total,
                  tally.of_ambiguous);
    report_figure("lost", "%" PRIu64, tally.lost);
    report_figure("doubled", "%" PRIu64, tally.doubled);
    if (run->options.sentinel) {
        report_figure("of unknown fate, forgotten by a fail-over", "%" PRIu64, tally.forgotten);
    }
    report_figure("of other content", "%" PRIu64, tally.changed);
    report_figure("never accepted", "%" PRIu64, tally.strange);
    uint64_t accepted = ledger_totals(run->ledger).accepted;
    if (accepted < LOAD_LEAST) {
        report_breach(run->report, "nothing to look at", NULL, "%" PRIu64 " messages were accepted, not %d", accepted,
                      LOAD_LEAST);
    }
    free(tally.strangers);
}
