// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_HISTOGRAM_H
#define SHARED_REDIS_HISTOGRAM_H

#include <stdint.h>

// How long things take, counted in fixed buckets, so that the fleet's can be added up: each bucket is a field of the
// Redis hash `metrics`, as each counter is. A table: constant, name (its fields begin with it), the labels it is shown
// with, and what it measures.

#define HISTOGRAM_TABLE(X)                                                                                             \
    X(ACCEPT, accept, "", "From a message's first byte at ingest until Redis had answered")                            \
    X(DISPATCH_SMS_MMS, dispatch, "provider=\"sms-mms\"", "A provider call, from its begin to its outcome")            \
    X(DISPATCH_EMAIL, dispatch, "provider=\"email\"", "A provider call, from its begin to its outcome")                \
    X(PERSIST_BATCH, persist_batch, "", "A batch into Postgres: staging and commit")                                   \
    X(WORKER_LATENCY, worker_latency, "", "From an event's entry into its stream until it was recorded in Postgres")   \
    X(ACCEPT_TO_PERSISTED, accept_to_persisted, "", "From a message's accept until it was recorded in Postgres")       \
    X(ACCEPT_TO_SENT, accept_to_sent, "", "From a message's accept, or replay, until its provider had taken it")       \
    X(SENT_TO_DELIVERED_SMS_MMS, sent_to_delivered, "provider=\"sms-mms\"",                                            \
      "From when a provider had taken a message until it was delivered, as its receipt says")                          \
    X(SENT_TO_DELIVERED_EMAIL, sent_to_delivered, "provider=\"email\"",                                                \
      "From when a provider had taken a message until it was delivered, as its receipt says")

enum histogram {
#define X(constant, name, labels, help) HISTOGRAM_##constant,
    HISTOGRAM_TABLE(X)
#undef X
        HISTOGRAM_COUNT
};

// Upper bounds in microseconds; one more bucket takes what is above the last.
#define HISTOGRAM_BOUNDS                                                                                               \
    {                                                                                                                  \
        500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,       \
            30000000, 60000000, 600000000, 3600000000                                                                  \
    }
#define HISTOGRAM_BOUND_COUNT 18

// The parts of a histogram: a bucket for each bound, one above, and the sum of all values in microseconds.
enum { HISTOGRAM_ABOVE = HISTOGRAM_BOUND_COUNT, HISTOGRAM_SUM, HISTOGRAM_PART_COUNT };

const char *histogram_name(enum histogram histogram);
const char *histogram_labels(enum histogram histogram);
const char *histogram_help(enum histogram histogram);
// The upper bound of a bucket below HISTOGRAM_ABOVE.
int64_t histogram_bound_us(unsigned bucket);
// The bucket that a duration falls into.
unsigned histogram_bucket(int64_t us);

#define HISTOGRAM_FIELD_SIZE 64
// The name of a part's field in the hash: "accept_us:500", "dispatch_us{email}:inf", "accept_us:sum".
void histogram_field(enum histogram histogram, unsigned part, char out[HISTOGRAM_FIELD_SIZE]);

#endif
