// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_POSTGRES_H
#define TESTS_PROTOCOL_POSTGRES_H

#include "tests/protocol/event.h"
#include "tests/protocol/ledger.h"
#include "tests/protocol/receipts.h"
#include "tests/protocol/unread.h"

// Postgres, as far as the protocol leans on it: the rules of persister/sql/batch.sql on arrays in memory. A commit is
// one call, so it happens or doesn't.

enum delivery_status {
    DELIVERY_NONE,
    DELIVERY_QUEUED, // or held, or scheduled
    DELIVERY_RETRYING,
    DELIVERY_CANCELLED,
    DELIVERY_FAILED,
    DELIVERY_SENT
};

// Which receipt stands.
enum receipt_shown { SHOWN_NONE, SHOWN_DELIVERED, SHOWN_UNDELIVERED };

struct delivery {
    enum delivery_status status;
    int generation, call;
    bool final;
    enum receipt_shown receipt;
    int attempts; // grows with each attempt that is written: what bin/reconcile.sh tells a row that moves by
};

// One a status that a call's receipts say.
struct receipt_row {
    int message, call;
    enum receipt_status status;
    int64_t occurred_ms; // the latest by the provider's clock, or RECEIPT_NO_TIME
    int64_t arrived_ms;  // the first
};

struct attempt_row {
    int message, generation, call, delivery;
    enum attempt_verdict verdict;
};

struct dead_letter {
    bool exists, replayed;
};

// Of a webhook that is no message.
struct unread_row {
    bool exists, replayed;
};

// The latest word of a pair.
struct opt_out_row {
    enum opt_out_state state; // OPT_OUT_NONE: there is no row
    struct word_place place;
};

// Of erased_conversations, all of a sender's as one.
struct erasure_row {
    bool exists, finished;
    int64_t at_ms;
};

struct postgres {
    int stored[MOST_MESSAGES]; // 0: not, else 1 + content
    int total;                 // as the counters have it
    struct delivery deliveries[MOST_MESSAGES];
    struct attempt_row attempts[MOST_CALLS];
    int attempt_count;
    struct dead_letter dead[MOST_MESSAGES][MOST_GENERATIONS];
    struct unread_row unread[MOST_UNREAD];
    struct opt_out_row pairs[SENDERS]; // of opt_outs
    int words[MOST_MESSAGES];          // how often an entry that is one was in a batch
    struct receipt_row receipts[MOST_RECEIPTS];
    int receipt_count;
    struct erasure_row erasures[SENDERS];
    bool erased[MOST_MESSAGES]; // of erased_messages
    int64_t accepted_ms[MOST_MESSAGES];
    int64_t replayed_ms[MOST_MESSAGES]; // when the latest replay began; 0: none did
    bool last_writer_wins;              // planted faults
    bool first_receipt_wins, last_receipt_wins, letters_stay_open, stores_erased, forgets_erased;
};

// Of two words on a pair: positive where the first one is the later, or, of two of one place, the one that opts out.
int word_compare(const struct word_place *one, enum opt_out_state state, const struct word_place *other,
                 enum opt_out_state other_state);
// The transaction of a batch.
void postgres_commit(struct postgres *postgres, const struct ledger *ledger, const struct event *events, int count);
// Deletes messages for good.
void postgres_erase(struct postgres *postgres, int message);
// Whether it is stored and to be erased with its conversation.
bool postgres_is_to_erase(const struct postgres *postgres, int message);
// The page of a sender's is deleted: whether that was all.
bool postgres_finish_erasure(struct postgres *postgres, int sender);
// Whether a receipt says that it has arrived.
bool postgres_is_delivered(const struct postgres *postgres, int message);
// When what a receipt says happened: by the provider, or by when it came.
int64_t receipt_row_ms(const struct receipt_row *row);
// The latest that it may have, as a provider may cut it off to whole seconds.
int64_t receipt_row_latest_ms(const struct receipt_row *row);
// Whether bin/reconcile.sh would look at the row: stored, outbound, not final and not delivered.
bool postgres_is_unfinished(const struct postgres *postgres, const struct ledger *ledger, int message);

#endif
