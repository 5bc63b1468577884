// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_MOCK_STATS_H
#define DISPATCHER_MOCK_STATS_H

#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/message/message.h"

// What the mock counts, a provider.

enum mock_verdict {
    MOCK_VERDICT_ACCEPTED,     // a success
    MOCK_VERDICT_REPEATED,     // a success again, for a key that was accepted before
    MOCK_VERDICT_TIMEOUT,      // left without an answer
    MOCK_VERDICT_ERROR,        // 500 or 503
    MOCK_VERDICT_RATE_LIMITED, // 429
    MOCK_VERDICT_REJECTED,     // 400, 413 or 415: not a message
    MOCK_VERDICT_UNAUTHORIZED, // 401
    MOCK_VERDICT_REFUSED,      // 403: a sender that is refused
    MOCK_VERDICT_COUNT
};

struct mock_stats {
    struct mock_counts {
        uint64_t calls;
        uint64_t distinct_keys;
        uint64_t repeats; // calls whose key had been seen
        uint64_t by_verdict[MOCK_VERDICT_COUNT];
        // Receipts, a vendor's event each: those that are neither told, given up nor dropped wait.
        struct mock_receipt_counts {
            uint64_t scheduled;
            uint64_t told;     // and heard: the answer was 2xx
            uint64_t given_up; // it never was, as often as the vendor tries
            uint64_t dropped;  // there was no room for them
        } receipts;
    } providers[PROVIDER_COUNT];
};

const char *mock_verdict_name(enum mock_verdict verdict);
// Appends the document of GET /mock/stats.
void mock_stats_write(const struct mock_stats *stats, struct buf *out);

#endif
