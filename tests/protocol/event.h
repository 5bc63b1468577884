// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_EVENT_H
#define TESTS_PROTOCOL_EVENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

#include "shared/base/buf.h"
#include "shared/message/message.h"

struct ledger;

enum event_kind { EVENT_MESSAGE, EVENT_OUTCOME, EVENT_REPLAYED, EVENT_POISON };

// An entry of `events`.
struct event {
    enum event_kind kind;
    int message, generation;
    int content; // EVENT_MESSAGE
    int call, delivery;
    enum attempt_verdict verdict;
    bool refused; // what came of a refusal
    bool late;
};

// Reads an entry's fields ("name", value, …); false when the ledger knows no such message, or there is no such verdict.
bool event_read(const struct ledger *ledger, const redisReply *fields, struct event *out);
// What the library takes for the sender of a message, and for a sender: "a", …
const char *sender_of(int message);
// Appends a message's payload `p`, as ingest makes it.
void event_write_payload(const struct ledger *ledger, int message, struct buf *out);

#endif
