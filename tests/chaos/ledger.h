// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_LEDGER_H
#define TESTS_CHAOS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/uuid.h"
#include "tests/chaos/content.h"
#include "tests/chaos/report.h"

// What ingest has answered to each message of the load. Each answer is also a line of <folder>/ledger.log, for the
// trail of a message. Safe to use from several threads.

struct ledger;

struct ledger_entry {
    struct uuid id;                       // of its 202
    uint8_t digest[CONTENT_DIGEST_BYTES]; // of the row that it must become
    bool used;                            // something was sent
    bool accepted;
    bool is_send, has_key;
    bool is_refused;    // by a hostile provider, because of its sender
    uint16_t ambiguous; // answers 503 that say so, and requests without an answer
    uint16_t repeats;   // 202s after the first
    int64_t first_ms;   // its first request, ms since 1970
    int64_t begun_ms;   // the request that was answered by its first 202
};

enum ledger_fate {
    LEDGER_ACCEPTED,
    LEDGER_REFUSED,   // nothing was written
    LEDGER_AMBIGUOUS, // nobody knows
    LEDGER_WRONG,     // an answer that no injection explains
};

// An answer, as the client saw it.
struct ledger_answer {
    const struct content *content;
    const char *ingest; // who was asked
    int64_t begun_ms;
    int64_t millis;
    bool reached;
    long status; // 0: none came
    const char *code;
    bool says_ambiguous;
    const char *id;
};

struct ledger *ledger_create(const char *folder, struct report *report);
void ledger_destroy(struct ledger *ledger);
enum ledger_fate ledger_note(struct ledger *ledger, const struct ledger_answer *answer);
// One more than the greatest number that was ever noted.
uint32_t ledger_count(const struct ledger *ledger);
// Valid until the end. Not to be called while answers are still noted.
const struct ledger_entry *ledger_at(const struct ledger *ledger, uint32_t number);

struct ledger_totals {
    uint64_t answers, accepted, repeats, ambiguous, unanswered, unreached;
};
struct ledger_totals ledger_totals(struct ledger *ledger);
// The refusals, by status and code: row index from 0; false behind the last one.
bool ledger_refusal(const struct ledger *ledger, size_t index, long *status, const char **code, uint64_t *count);

#endif
