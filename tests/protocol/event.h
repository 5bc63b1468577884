// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_EVENT_H
#define TESTS_PROTOCOL_EVENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "shared/base/buf.h"
#include "shared/message/message.h"
#include "shared/message/receipt_entry.h"

struct ledger;
struct world;

enum event_kind {
    EVENT_MESSAGE,
    EVENT_OUTCOME,
    EVENT_REPLAYED,
    EVENT_POISON,
    EVENT_UNREAD,
    EVENT_REREAD,
    EVENT_RECEIPT,
    EVENT_ERASE
};

// When a word on a pair was said, and when it came: of two of one time the one counts that came later.
struct word_place {
    int64_t said_ms, came_ms;
};

// An entry of `events`.
struct event {
    enum event_kind kind;
    int message, generation;    // EVENT_UNREAD: the number of a body (unread.h); EVENT_ERASE: of the sender
    int content;                // EVENT_MESSAGE
    enum opt_out_state opt_out; // what it says of its pair
    struct word_place place;
    int call, delivery;
    enum attempt_verdict verdict;
    bool refused; // what came of a refusal
    bool late;
    bool scheduled; // EVENT_MESSAGE, EVENT_REPLAYED: it waits for its time
    bool unordered; // of a format that knows no turns
    bool opted_out; // uncalled, for its pair has
    bool erased;    // uncalled, for its conversation was
    bool taken;     // what came of a receipt, which took it from among the parked
    int letter;     // EVENT_REREAD: the number of the body that the message was
    int64_t at_ms;  // when Redis took it; EVENT_ERASE: until when
    int receipt;    // EVENT_RECEIPT: its number
    enum receipt_status said;
    int64_t occurred_ms; // by the provider, or RECEIPT_NO_TIME
};

// Reads an entry's fields ("name", value, …); false when the ledger knows no such message, or there is no such verdict.
bool event_read(const struct world *world, const redisReply *fields, struct event *out);
// By the value of k, or of the staging table's kind; EVENT_MESSAGE where it is none of the others.
enum event_kind event_kind_of(const char *name);
// What the library takes for the sender of a message, and for a sender: "a", …
const char *sender_of(int message);
// Appends a message's payload `p`, as ingest makes it.
void event_write_payload(const struct ledger *ledger, int message, struct buf *out);

#endif
