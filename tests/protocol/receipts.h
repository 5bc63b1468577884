// SPDX-License-Identifier: MIT
#ifndef TESTS_PROTOCOL_RECEIPTS_H
#define TESTS_PROTOCOL_RECEIPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/message/receipt_entry.h"

struct event;
struct world;

// What the provider says about messages that it has, and ingest hands to Redis, as ingest/accept/receipts.c: requests
// of one receipt or several, in any order, late, and again. Each receipt is known by its number, which is its code.

enum { MOST_RECEIPTS = 28, MOST_REQUESTS = 20, RECEIPTS_IN_REQUEST = 4, RECEIPT_NONE = -1 };

struct provider_receipt {
    int call; // that it is about, in the ledger
    int message;
    enum receipt_status status;
    int64_t at_ms; // by the provider's clock, or RECEIPT_NO_TIME
    bool promised; // the provider was told that it is taken
    int promised_at;
    bool possible;       // it was left in the dark
    bool may_be_gone;    // it was taken after the snapshot that a fail-over went back to
    bool awaited;        // it found nothing parked, so that Redis knows what is still to come to it
    int entries;         // of `events` that were ever seen
    int64_t recorded_ms; // the latest of them, of the processes' clock
};

// A request with its signature: when it comes again it is the same to the last byte.
struct receipt_request {
    int receipts[RECEIPTS_IN_REQUEST];
    int count;
    bool answered; // as taken
};

struct receipts_book {
    struct provider_receipt receipts[MOST_RECEIPTS];
    int count;
    struct receipt_request requests[MOST_REQUESTS];
    int request_count;
};

// Decisions: the provider sends a request, or one that it has sent before.
void receipts_deliver(struct world *world);
void receipts_repeat(struct world *world);

// The number of a receipt by its code; RECEIPT_NONE.
int receipts_find(const struct world *world, const char *code);
// An entry `receipt` of `events` is seen.
void receipts_note(struct world *world, const struct event *event);
// A call of that message was settled: what has arrived is not to be called again.
void receipts_check_settled(struct world *world, int message);
// An entry says that a receipt has taken a message from among the parked.
void receipts_check_taken(struct world *world, const struct event *event);
// A fail-over went back to what was so at that step.
void receipts_go_back(struct world *world, int step);
// The audit when all has settled.
void receipts_audit_end(struct world *world);

#endif
