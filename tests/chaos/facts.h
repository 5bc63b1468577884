// SPDX-License-Identifier: MIT
#ifndef TESTS_CHAOS_FACTS_H
#define TESTS_CHAOS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/uuid.h"

// What each message id came to: gathered from the ledger, Postgres and the mock, one record an id.

struct facts;

struct fact {
    struct uuid id;
    uint32_t number; // of the load; FACT_NO_NUMBER: of none
    bool accepted;   // it was given with a 202
    bool is_send;
    bool is_refused;                // by a hostile provider, because of its sender
    bool has_failed, is_cancelled;  // as its delivery says
    bool is_certain;                // to have taken its turn (bursts.h)
    uint16_t rows;                  // in messages
    uint16_t cancels;               // rows in dispatch_attempts that say so
    uint16_t attempts;              // rows in dispatch_attempts
    uint16_t calls;                 // of the mock
    uint16_t successes;             // of those, with success, repeated or not
    int64_t begun_ms;               // the request that was accepted; 0: it is not known which
    int64_t persisted_ms;           // as its row says; 0: not
    int64_t delivered_ms;           // its first successful call; 0: none
    int64_t settled_ms;             // as its delivery says, once it is final; 0: not
    uint32_t first_call, last_call; // indexes + 1 into the calls; 0: none
};

#define FACT_NO_NUMBER UINT32_MAX

struct mock_call {
    int64_t at_ms;
    bool success;
    uint32_t next; // of the same id: index + 1; 0: none
};

struct facts *facts_create(void);
void facts_destroy(struct facts *facts);
// The record of an id, new or known; valid until the next call of this function.
struct fact *facts_of(struct facts *facts, const struct uuid *id);
void facts_add_call(struct facts *facts, const struct uuid *id, int64_t at_ms, bool success);
size_t facts_count(const struct facts *facts);
struct fact *facts_at(struct facts *facts, size_t index);
const struct mock_call *facts_call(const struct facts *facts, uint32_t index); // from 1
uint64_t facts_calls(const struct facts *facts);

#endif
