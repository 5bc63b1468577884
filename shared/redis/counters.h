// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_COUNTERS_H
#define SHARED_REDIS_COUNTERS_H

#include <hiredis/hiredis.h>
#include <stdint.h>
#include <uv.h>

#include "shared/message/message.h"
#include "shared/message/receipt_entry.h"
#include "shared/redis/histogram.h"
#include "shared/redis/link.h"

// Fleet-wide counters and histograms: summed here and added to the Redis hash `metrics` every 200 ms, by one call.
// What could not be sent waits; what was sent and whose reply was lost is not repeated (a counter may then be short,
// never double). Belongs to one loop.

#define COUNTER_TABLE(X)                                                                                               \
    X(RATE_LIMITED, rate_limited, "Requests refused by a sender's or an address's limit")                              \
    X(INVALID_ROUTING, invalid_routing, "Messages refused because of their from, to, type or channel")                 \
    X(WEBHOOKS_KEPT, webhooks_kept, "Webhooks that can't become a message and were kept as dead letters")              \
    X(WEBHOOKS_NOT_KEPT, webhooks_not_kept, "Those that were only logged, for as many were kept as may be")            \
    X(WEBHOOKS_UNSIGNED, webhooks_unsigned, "Webhooks refused because their signature is missing, wrong or stale")     \
    X(REDELIVERY_DIFFERS, redelivery_differs, "Webhooks that came again with other content")                           \
    X(READS_REPLICA, reads_replica, "Reads that DATABASE_READ_URL's server answered")                                  \
    X(READS_REPEATED, reads_repeated, "Reads that it failed at or found nothing for, which the primary was asked")     \
    X(RECEIPTS_EXPIRED, receipts_expired, "Receipts that were deleted, for their message didn't come for a day")       \
    X(RETENTION_DELETED, retention_deleted, "Messages that were deleted because of their age")                         \
    X(BREAKER_OPEN, breaker_open, "Times that a breaker opened")                                                       \
    X(DISPATCH_ATTEMPTS, dispatch_attempts, "Calls of a provider")                                                     \
    X(DISPATCH_SUCCESS, dispatch_success, "Calls that a provider accepted")                                            \
    X(DISPATCH_UNCONFIRMED, dispatch_unconfirmed, "Calls that a provider accepted without the id that it promises")    \
    X(DISPATCH_RATE_LIMITED, dispatch_rate_limited, "Calls that a provider answered with 429")                         \
    X(DISPATCH_ERROR, dispatch_error, "Calls that failed in any other way")                                            \
    X(DISPATCH_PAUSES, dispatch_pauses, "Times that a provider's 429 began a pause")                                   \
    X(SENDER_HOLDS, sender_holds, "Times that a sender's messages were held because its provider refuses them")        \
    X(RECEIPTS_DELIVERED, receipts_delivered, "Receipts that say that a message was delivered")                        \
    X(RECEIPTS_UNDELIVERED, receipts_undelivered, "Receipts that say that a message was not delivered")                \
    X(ORDER_RELEASED, order_released, "Turns that went on by the clock, before the message that had one was through")  \
    X(SCHEDULED_BEGUN, scheduled_begun, "Scheduled messages whose time came")                                          \
    X(CANCELLED, cancelled, "Messages that were cancelled")                                                            \
    X(BREAKER_TRANSITIONS, breaker_transitions, "Changes of a breaker's state")                                        \
    X(RECEIPTS_REPEATED, receipts_repeated, "Receipts that came again within a day and were not recorded again")       \
    X(RECEIPTS_UNMATCHED, receipts_unmatched, "Events of a provider without our id of the message")                    \
    X(RECEIPTS_IGNORED, receipts_ignored, "Events of a provider that say nothing about the delivery")                  \
    X(RECEIPTS_BROKEN, receipts_broken, "Events of a provider that can't be read")                                     \
    X(WORKER_CLAIMED, worker_claimed, "Stream entries taken over from another consumer")                               \
    X(WORKER_PROCESSED, worker_processed, "Stream entries recorded in Postgres")                                       \
    X(WORKER_ERROR, worker_error, "Batches that had to be repeated")                                                   \
    X(WORKER_DEAD_LETTER, worker_dead_letter, "Messages that became dead letters")                                     \
    X(CONVERSATIONS_CREATED, conversations_created, "Conversations begun")                                             \
    X(CONVERSATIONS_REUSED, conversations_reused, "Messages that joined a known conversation")                         \
    X(CONVERSATIONS_FAILURES, conversations_failures, "Stream entries that could not be recorded and were set apart")  \
    X(CONVERSATIONS_ERASED, conversations_erased, "Conversations that were erased for good")                           \
    X(MESSAGES_ERASED, messages_erased, "Messages that were erased with their conversation")

// BREAKER_OPEN … BREAKER_TRANSITIONS once more for each provider, in the same order.
#define COUNTER_PROVIDER_TABLE(X, PROVIDER, provider)                                                                  \
    X(PROVIDER##_BREAKER_OPEN, provider##_breaker_open, "")                                                            \
    X(PROVIDER##_ATTEMPTS, provider##_dispatch_attempts, "")                                                           \
    X(PROVIDER##_SUCCESS, provider##_dispatch_success, "")                                                             \
    X(PROVIDER##_UNCONFIRMED, provider##_dispatch_unconfirmed, "")                                                     \
    X(PROVIDER##_RATE_LIMITED, provider##_dispatch_rate_limited, "")                                                   \
    X(PROVIDER##_ERROR, provider##_dispatch_error, "")                                                                 \
    X(PROVIDER##_PAUSES, provider##_dispatch_pauses, "")                                                               \
    X(PROVIDER##_SENDER_HOLDS, provider##_sender_holds, "")                                                            \
    X(PROVIDER##_RECEIPTS_DELIVERED, provider##_receipts_delivered, "")                                                \
    X(PROVIDER##_RECEIPTS_UNDELIVERED, provider##_receipts_undelivered, "")                                            \
    X(PROVIDER##_ORDER_RELEASED, provider##_order_released, "")                                                        \
    X(PROVIDER##_SCHEDULED_BEGUN, provider##_scheduled_begun, "")                                                      \
    X(PROVIDER##_CANCELLED, provider##_cancelled, "")                                                                  \
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
// Adds 1, or the amount, to it and to the provider's.
void counters_add_for(struct counters *counters, enum counter counter, enum provider provider);
void counters_add_many_for(struct counters *counters, enum counter counter, enum provider provider, uint64_t amount);
// A duration; one below 0, as clocks of two machines may give, counts as 0.
void counters_observe(struct counters *counters, enum histogram histogram, int64_t us);
// Adds 1 to the receipts of that kind. code is the provider's, of a set that is bounded, of letters, digits and "._-";
// "": none.
void counters_add_receipt(struct counters *counters, enum provider provider, enum receipt_status status,
                          const char *code);
// Sends what has gathered, now; for the drain.
void counters_flush(struct counters *counters);
void counters_destroy(struct counters *counters);

// Receipts of one kind, field "receipts{sms-mms,undelivered,30003}" of the hash.
struct counter_receipts {
    enum provider provider;
    enum receipt_status status;
    char code[RECEIPT_CODE_MAX + 1];
    int64_t count;
};

// A field of the hash that is no sum: persister/retention.h.
#define COUNTERS_RETENTION_OLDEST "retention_oldest_ms"

#define COUNTER_RECEIPTS_MAX 256 // kinds; more are not counted

// What the hash holds.
struct counter_values {
    int64_t counter[COUNTER_COUNT];
    int64_t histogram[HISTOGRAM_COUNT][HISTOGRAM_PART_COUNT];
    int64_t worker_latency_max_us; // the longest ever
    int64_t retention_oldest_ms;   // when the oldest message that is left was accepted, ms since 1970; 0: not known
    struct counter_receipts receipts[COUNTER_RECEIPTS_MAX]; // by provider, status and code
    size_t receipt_count;
};
// From HGETALL's reply; what nobody has raised is 0, and names of another release are passed over.
void counters_read(const redisReply *hash, struct counter_values *out);

#endif
