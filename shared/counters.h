// SPDX-License-Identifier: MIT
#ifndef SHARED_COUNTERS_H
#define SHARED_COUNTERS_H

#include <stdint.h>
#include <uv.h>

#include "shared/redis_link.h"

// Fleet-wide counters: summed here and added to the Redis hash `metrics` every 200 ms (HINCRBY, one pipeline).
// What could not be sent waits; what was sent and whose reply was lost is not repeated (a counter may then be short,
// never double). Belongs to one loop.

#define COUNTER_TABLE(X)                                                                                               \
    X(RATE_LIMITED, rate_limited, "Requests refused by a sender's or an address's limit")                              \
    X(BREAKER_OPEN, breaker_open, "Times that a breaker opened")                                                       \
    X(DISPATCH_ATTEMPTS, dispatch_attempts, "Calls of a provider")                                                     \
    X(DISPATCH_SUCCESS, dispatch_success, "Calls that a provider accepted")                                            \
    X(DISPATCH_RATE_LIMITED, dispatch_rate_limited, "Calls that a provider answered with 429")                         \
    X(DISPATCH_ERROR, dispatch_error, "Calls that failed in any other way")                                            \
    X(BREAKER_TRANSITIONS, breaker_transitions, "Changes of a breaker's state")                                        \
    X(WORKER_CLAIMED, worker_claimed, "Stream entries taken over from another consumer")                               \
    X(WORKER_PROCESSED, worker_processed, "Stream entries recorded in Postgres")                                       \
    X(WORKER_ERROR, worker_error, "Batches that had to be repeated")                                                   \
    X(WORKER_DEAD_LETTER, worker_dead_letter, "Messages that became dead letters")                                     \
    X(CONVERSATIONS_CREATED, conversations_created, "Conversations begun")                                             \
    X(CONVERSATIONS_REUSED, conversations_reused, "Messages that joined a known conversation")

enum counter {
#define X(constant, name, help) COUNTER_##constant,
    COUNTER_TABLE(X)
#undef X
        COUNTER_COUNT
};

const char *counter_name(enum counter counter);
const char *counter_help(enum counter counter);

struct counters;
// link must outlive it. Starts the 200 ms timer.
struct counters *counters_create(uv_loop_t *loop, struct redis_link *link);
void counters_add(struct counters *counters, enum counter counter, uint64_t amount);
// Sends what has gathered, now; for the drain.
void counters_flush(struct counters *counters);
void counters_destroy(struct counters *counters);

#endif
