// SPDX-License-Identifier: MIT
#include "shared/redis/counters.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "shared/redis/library.h"
#include "shared/redis/reply.h"

enum { FLUSH_MS = 200 };

// Fields of the hash by number: the counters, then each histogram's parts, then the one greatest value.
enum {
    FIELD_HISTOGRAMS = COUNTER_COUNT,
    FIELD_GREATEST = FIELD_HISTOGRAMS + HISTOGRAM_COUNT * HISTOGRAM_PART_COUNT,
    FIELD_COUNT
};

#define GREATEST_NAME "worker_latency_max_us" // the library keeps the greater of such a field's values
#define NUMBER_SIZE 24
#define HEAD_ARGUMENTS 4

struct counters {
    uv_timer_t timer;
    struct redis_link *link;
    bool destroyed, closed;
    bool complained;  // of a refusal that lasts
    size_t in_flight; // sent and not yet answered
    uint64_t gathered[FIELD_COUNT];
};

struct addition {
    struct counters *counters;
    uint64_t amount[FIELD_COUNT];
};

const char *counter_name(enum counter counter) {
    static const char *const names[] = {
#define X(constant, name, help) #name,
        COUNTER_WHOLE_TABLE(X)
#undef X
    };
    return names[counter];
}

const char *counter_help(enum counter counter) {
    static const char *const helps[] = {
#define X(constant, name, help) help,
        COUNTER_WHOLE_TABLE(X)
#undef X
    };
    return helps[counter];
}

enum counter counter_of_provider(enum counter counter, enum provider provider) {
    unsigned first = provider == PROVIDER_EMAIL ? COUNTER_EMAIL_BREAKER_OPEN : COUNTER_SMS_MMS_BREAKER_OPEN;
    return (enum counter)(first + (unsigned)counter - COUNTER_BREAKER_OPEN);
}

static void field_name(unsigned field, char out[HISTOGRAM_FIELD_SIZE]) {
    if (field < FIELD_HISTOGRAMS) {
        snprintf(out, HISTOGRAM_FIELD_SIZE, "%s", counter_name((enum counter)field));
    } else if (field < FIELD_GREATEST) {
        unsigned part = field - FIELD_HISTOGRAMS;
        histogram_field((enum histogram)(part / HISTOGRAM_PART_COUNT), part % HISTOGRAM_PART_COUNT, out);
    } else {
        snprintf(out, HISTOGRAM_FIELD_SIZE, GREATEST_NAME);
    }
}

static void counters_gather(struct counters *counters, unsigned field, uint64_t amount) {
    uint64_t *into = &counters->gathered[field];
    if (field == FIELD_GREATEST) {
        *into = *into > amount ? *into : amount;
    } else {
        *into += amount;
    }
}

static void free_when_done(struct counters *counters) {
    if (counters->closed && counters->in_flight == 0) {
        free(counters);
    }
}

// An error reply means that nothing was added: it waits for the next flush. A lost one may have been, so it is let go.
static void counters_on_added(void *argument, enum redis_result result, const redisReply *reply) {
    struct addition *addition = argument;
    struct counters *counters = addition->counters;
    if (result == REDIS_LINK_ERROR && !counters->complained) {
        log_warn("metrics_refused", "%s: %s", KEY_METRICS, reply->str);
    }
    counters->complained = result == REDIS_LINK_ERROR;
    if (result == REDIS_LINK_ERROR || result == REDIS_LINK_NO_LIBRARY) {
        for (unsigned field = 0; field < FIELD_COUNT; field++) {
            counters_gather(counters, field, addition->amount[field]);
        }
    }
    counters->in_flight--;
    free(addition);
    free_when_done(counters);
}

// Names and amounts of the fields that are not 0, as arguments.
struct pairs {
    char names[FIELD_COUNT][HISTOGRAM_FIELD_SIZE];
    char amounts[FIELD_COUNT][NUMBER_SIZE];
};

static int counters_add_pairs(const struct counters *counters, struct pairs *pairs, const char **arguments, int count) {
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (counters->gathered[field] == 0) {
            continue;
        }
        field_name(field, pairs->names[field]);
        snprintf(pairs->amounts[field], NUMBER_SIZE, "%" PRIu64, counters->gathered[field]);
        arguments[count++] = pairs->names[field];
        arguments[count++] = pairs->amounts[field];
    }
    return count;
}

void counters_flush(struct counters *counters) {
    struct pairs pairs = {0};
    const char *arguments[HEAD_ARGUMENTS + 2 * FIELD_COUNT] = {"FCALL", library_function(LIBRARY_ADD_COUNTS), "1",
                                                               KEY_METRICS};
    int count = counters_add_pairs(counters, &pairs, arguments, HEAD_ARGUMENTS);
    if (count == HEAD_ARGUMENTS) {
        return;
    }
    struct addition *addition = xmalloc(sizeof *addition);
    addition->counters = counters;
    memcpy(addition->amount, counters->gathered, sizeof addition->amount);
    if (redis_link_call(counters->link, counters_on_added, addition, count, arguments, NULL) != 0) {
        free(addition); // the link is down: all of it waits
        return;
    }
    counters->in_flight++;
    memset(counters->gathered, 0, sizeof counters->gathered);
}

static void counters_on_timer(uv_timer_t *timer) {
    counters_flush(timer->data);
}

struct counters *counters_create(uv_loop_t *loop, struct redis_link *link) {
    struct counters *counters = xcalloc(1, sizeof *counters);
    counters->link = link;
    counters->timer.data = counters;
    uv_timer_init(loop, &counters->timer);
    uv_timer_start(&counters->timer, counters_on_timer, FLUSH_MS, FLUSH_MS);
    return counters;
}

void counters_add(struct counters *counters, enum counter counter, uint64_t amount) {
    counters->gathered[counter] += amount;
}

void counters_add_for(struct counters *counters, enum counter counter, enum provider provider) {
    counters_add(counters, counter, 1);
    counters_add(counters, counter_of_provider(counter, provider), 1);
}

void counters_observe(struct counters *counters, enum histogram histogram, int64_t us) {
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    unsigned first = FIELD_HISTOGRAMS + (unsigned)histogram * HISTOGRAM_PART_COUNT;
    counters_gather(counters, first + histogram_bucket(us), 1);
    counters_gather(counters, first + HISTOGRAM_SUM, value);
    if (histogram == HISTOGRAM_WORKER_LATENCY) {
        counters_gather(counters, FIELD_GREATEST, value);
    }
}

static void counters_on_closed(uv_handle_t *handle) {
    struct counters *counters = handle->data;
    counters->closed = true;
    free_when_done(counters);
}

void counters_destroy(struct counters *counters) {
    if (counters->destroyed) {
        return;
    }
    counters->destroyed = true;
    uv_close((uv_handle_t *)&counters->timer, counters_on_closed);
}

// ---- Reading

static void counters_put(struct counter_values *out, unsigned field, int64_t value) {
    if (field < FIELD_HISTOGRAMS) {
        out->counter[field] = value;
    } else if (field < FIELD_GREATEST) {
        unsigned part = field - FIELD_HISTOGRAMS;
        out->histogram[part / HISTOGRAM_PART_COUNT][part % HISTOGRAM_PART_COUNT] = value;
    } else {
        out->worker_latency_max_us = value;
    }
}

void counters_read(const redisReply *hash, struct counter_values *out) {
    char name[HISTOGRAM_FIELD_SIZE];
    memset(out, 0, sizeof *out);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        field_name(field, name);
        counters_put(out, field, strtoll(redis_reply_field(hash, name, "0"), NULL, 10));
    }
}
