// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_POSTGRES_H
#define TESTS_PROTOCOL_POSTGRES_H

#include "tests/protocol/event.h"
#include "tests/protocol/ledger.h"

// Postgres, as far as the protocol leans on it: the rules of persister/sql/batch.sql on arrays in memory. A commit is
// one call, so it happens or doesn't.

enum delivery_status { DELIVERY_NONE, DELIVERY_QUEUED, DELIVERY_RETRYING, DELIVERY_FAILED, DELIVERY_SENT };

struct delivery {
    enum delivery_status status;
    int generation, call;
    bool final;
    int attempts; // grows with each attempt that is written: what bin/reconcile.sh tells a row that moves by
};

struct attempt_row {
    int message, generation, call, delivery;
    bool sent;
};

struct dead_letter {
    bool exists, replayed;
};

struct postgres {
    int stored[MOST_MESSAGES]; // 0: not, else 1 + content
    int total;                 // as the counters have it
    struct delivery deliveries[MOST_MESSAGES];
    struct attempt_row attempts[MOST_CALLS];
    int attempt_count;
    struct dead_letter dead[MOST_MESSAGES][MOST_GENERATIONS];
    bool last_writer_wins; // a planted fault
};

// The transaction of a batch.
void postgres_commit(struct postgres *postgres, const struct ledger *ledger, const struct event *events, int count);
// Whether bin/reconcile.sh would look at the row: stored, outbound and not final.
bool postgres_is_unfinished(const struct postgres *postgres, const struct ledger *ledger, int message);

#endif
