// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_COUNTERS_H
#define SHARED_REDIS_COUNTERS_H

#include <hiredis/hiredis.h>
#include <stdint.h>
#include <uv.h>

#include "shared/message/message.h"
#include "shared/redis/histogram.h"
#include "shared/redis/link.h"

// Fleet-wide counters and histograms: summed here and added to the Redis hash `metrics` every 200 ms, by one call.
// What could not be sent waits; what was sent and whose reply was lost is not repeated (a counter may then be short,
// never double). Belongs to one loop.

#define COUNTER_TABLE(X)                                                                                               \
    X(RATE_LIMITED, rate_limited, "Requests refused by a sender's or an address's limit")                              \
    X(INVALID_ROUTING, invalid_routing, "Messages refused because of their from, to, type or channel")                 \
    X(BREAKER_OPEN, breaker_open, "Times that a breaker opened")                                                       \
    X(DISPATCH_ATTEMPTS, dispatch_attempts, "Calls of a provider")                                                     \
    X(DISPATCH_SUCCESS, dispatch_success, "Calls that a provider accepted")                                            \
    X(DISPATCH_RATE_LIMITED, dispatch_rate_limited, "Calls that a provider answered with 429")                         \
    X(DISPATCH_ERROR, dispatch_error, "Calls that failed in any other way")                                            \
    X(DISPATCH_PAUSES, dispatch_pauses, "Times that a provider's 429 began a pause")                                   \
    X(SENDER_HOLDS, sender_holds, "Times that a sender's messages were held because its provider refuses them")        \
    X(BREAKER_TRANSITIONS, breaker_transitions, "Changes of a breaker's state")                                        \
    X(WORKER_CLAIMED, worker_claimed, "Stream entries taken over from another consumer")                               \
    X(WORKER_PROCESSED, worker_processed, "Stream entries recorded in Postgres")                                       \
    X(WORKER_ERROR, worker_error, "Batches that had to be repeated")                                                   \
    X(WORKER_DEAD_LETTER, worker_dead_letter, "Messages that became dead letters")                                     \
    X(CONVERSATIONS_CREATED, conversations_created, "Conversations begun")                                             \
    X(CONVERSATIONS_REUSED, conversations_reused, "Messages that joined a known conversation")                         \
    X(CONVERSATIONS_FAILURES, conversations_failures, "Stream entries that could not be recorded and were set apart")

// BREAKER_OPEN … BREAKER_TRANSITIONS once more for each provider, in the same order.
#define COUNTER_PROVIDER_TABLE(X, PROVIDER, provider)                                                                  \
    X(PROVIDER##_BREAKER_OPEN, provider##_breaker_open, "")                                                            \
    X(PROVIDER##_ATTEMPTS, provider##_dispatch_attempts, "")                                                           \
    X(PROVIDER##_SUCCESS, provider##_dispatch_success, "")                                                             \
    X(PROVIDER##_RATE_LIMITED, provider##_dispatch_rate_limited, "")                                                   \
    X(PROVIDER##_ERROR, provider##_dispatch_error, "")                                                                 \
    X(PROVIDER##_PAUSES, provider##_dispatch_pauses, "")                                                               \
    X(PROVIDER##_SENDER_HOLDS, provider##_sender_holds, "")                                                            \
    X(PROVIDER##_BREAKER_TRANSITIONS, provider##_breaker_transitions, "")

#define COUNTER_WHOLE_TABLE(X)                                                                                         \
    COUNTER_TABLE(X)                                                                                                   \
    COUNTER_PROVIDER_TABLE(X, SMS_MMS, sms_mms)                                                                        \
    COUNTER_PROVIDER_TABLE(X, EMAIL, email)

enum counter {
#define X(constant, name, help) COUNTER_##constant,
    COUNTER_WHOLE_TABLE(X)
#undef X
        COUNTER_COUNT
};

enum { COUNTER_FIRST_OF_PROVIDERS = COUNTER_SMS_MMS_BREAKER_OPEN }; // those before it have a help line each

const char *counter_name(enum counter counter);
const char *counter_help(enum counter counter);
// The counter that counts the same for one provider, of BREAKER_OPEN … BREAKER_TRANSITIONS.
enum counter counter_of_provider(enum counter counter, enum provider provider);

struct counters;
// link must outlive it. Starts the 200 ms timer.
struct counters *counters_create(uv_loop_t *loop, struct redis_link *link);
void counters_add(struct counters *counters, enum counter counter, uint64_t amount);
// Adds 1 to it and to the provider's.
void counters_add_for(struct counters *counters, enum counter counter, enum provider provider);
// A duration; one below 0, as clocks of two machines may give, counts as 0.
void counters_observe(struct counters *counters, enum histogram histogram, int64_t us);
// Sends what has gathered, now; for the drain.
void counters_flush(struct counters *counters);
void counters_destroy(struct counters *counters);

// What the hash holds.
struct counter_values {
    int64_t counter[COUNTER_COUNT];
    int64_t histogram[HISTOGRAM_COUNT][HISTOGRAM_PART_COUNT];
    int64_t worker_latency_max_us; // the longest ever
};
// From HGETALL's reply; what nobody has raised is 0, and names of another release are passed over.
void counters_read(const redisReply *hash, struct counter_values *out);

#endif
