// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_EVENT_H
#define TESTS_PROTOCOL_EVENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

struct ledger;

enum event_kind { EVENT_MESSAGE, EVENT_OUTCOME, EVENT_REPLAYED, EVENT_POISON };
enum verdict { VERDICT_RETRY, VERDICT_FAILED, VERDICT_SENT };

// An entry of `events`.
struct event {
    enum event_kind kind;
    int message, generation;
    int content; // EVENT_MESSAGE
    int call, delivery;
    enum verdict verdict;
    bool refused; // what came of a refusal
    bool late;
};

// Reads an entry's fields ("name", value, …); false when the ledger knows no such message.
bool event_read(const struct ledger *ledger, const redisReply *fields, struct event *out);

#endif
