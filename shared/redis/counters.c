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

// A field that is none of those: RECEIPTS_BEFORE, provider, status, code, "}".
#define RECEIPTS_BEFORE "receipts{"
#define RECEIPTS_NAME_SIZE 128

#define GREATEST_NAME "worker_latency_max_us" // the library keeps the greater of such a field's values
#define NUMBER_SIZE 24
#define HEAD_ARGUMENTS 4

struct gathered {
    uint64_t amount[FIELD_COUNT];
    struct counter_receipts receipts[COUNTER_RECEIPTS_MAX];
    size_t receipt_count;
};

struct counters {
    uv_timer_t timer;
    struct redis_link *link;
    bool destroyed, closed;
    bool complained;  // of a refusal that lasts
    size_t in_flight; // sent and not yet answered
    struct gathered gathered;
};

struct addition {
    struct counters *counters;
    struct gathered gathered;
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
    uint64_t *into = &counters->gathered.amount[field];
    if (field == FIELD_GREATEST) {
        *into = *into > amount ? *into : amount;
    } else {
        *into += amount;
    }
}

static bool counter_receipts_are_of(const struct counter_receipts *one, const struct counter_receipts *other) {
    return one->provider == other->provider && one->status == other->status && strcmp(one->code, other->code) == 0;
}

static void gather_receipts(struct counters *counters, const struct counter_receipts *more) {
    struct gathered *into = &counters->gathered;
    for (size_t i = 0; i < into->receipt_count; i++) {
        if (counter_receipts_are_of(&into->receipts[i], more)) {
            into->receipts[i].count += more->count;
            return;
        }
    }
    if (into->receipt_count < COUNTER_RECEIPTS_MAX) {
        into->receipts[into->receipt_count++] = *more;
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
            counters_gather(counters, field, addition->gathered.amount[field]);
        }
        for (size_t i = 0; i < addition->gathered.receipt_count; i++) {
            gather_receipts(counters, &addition->gathered.receipts[i]);
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
    char receipt_names[COUNTER_RECEIPTS_MAX][RECEIPTS_NAME_SIZE];
    char receipt_amounts[COUNTER_RECEIPTS_MAX][NUMBER_SIZE];
};

static int counters_add_pairs(const struct counters *counters, struct pairs *pairs, const char **arguments, int count) {
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (counters->gathered.amount[field] == 0) {
            continue;
        }
        field_name(field, pairs->names[field]);
        snprintf(pairs->amounts[field], NUMBER_SIZE, "%" PRIu64, counters->gathered.amount[field]);
        arguments[count++] = pairs->names[field];
        arguments[count++] = pairs->amounts[field];
    }
    return count;
}

static int counters_add_receipt_pairs(const struct counters *counters, struct pairs *pairs, const char **arguments,
                                      int count) {
    for (size_t i = 0; i < counters->gathered.receipt_count; i++) {
        const struct counter_receipts *one = &counters->gathered.receipts[i];
        snprintf(pairs->receipt_names[i], RECEIPTS_NAME_SIZE, RECEIPTS_BEFORE "%s,%s,%s}", provider_name(one->provider),
                 receipt_status_name(one->status), one->code);
        snprintf(pairs->receipt_amounts[i], NUMBER_SIZE, "%" PRId64, one->count);
        arguments[count++] = pairs->receipt_names[i];
        arguments[count++] = pairs->receipt_amounts[i];
    }
    return count;
}

void counters_flush(struct counters *counters) {
    struct pairs pairs = {0};
    const char *arguments[HEAD_ARGUMENTS + 2 * (FIELD_COUNT + COUNTER_RECEIPTS_MAX)] = {
        "FCALL", library_function(LIBRARY_ADD_COUNTS), "1", KEY_METRICS};
    int count = counters_add_pairs(counters, &pairs, arguments, HEAD_ARGUMENTS);
    count = counters_add_receipt_pairs(counters, &pairs, arguments, count);
    if (count == HEAD_ARGUMENTS) {
        return;
    }
    struct addition *addition = xmalloc(sizeof *addition);
    addition->counters = counters;
    addition->gathered = counters->gathered;
    if (redis_link_call(counters->link, counters_on_added, addition, count, arguments, NULL) != 0) {
        free(addition); // the link is down: all of it waits
        return;
    }
    counters->in_flight++;
    memset(&counters->gathered, 0, sizeof counters->gathered);
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
    counters->gathered.amount[counter] += amount;
}

void counters_add_many_for(struct counters *counters, enum counter counter, enum provider provider, uint64_t amount) {
    counters_add(counters, counter, amount);
    counters_add(counters, counter_of_provider(counter, provider), amount);
}

void counters_add_for(struct counters *counters, enum counter counter, enum provider provider) {
    counters_add_many_for(counters, counter, provider, 1);
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

void counters_add_receipt(struct counters *counters, enum provider provider, enum receipt_status status,
                          const char *code) {
    struct counter_receipts one = {.provider = provider, .status = status, .count = 1};
    snprintf(one.code, sizeof one.code, "%s", code);
    gather_receipts(counters, &one);
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

// The part of a name up to `end`, which is passed over; false where it doesn't end so or is too long.
static bool counters_take_part(const char **name, char end, char *out, size_t size) {
    size_t length = strcspn(*name, (const char[]){end, '\0'});
    if ((*name)[length] != end || length >= size) {
        return false;
    }
    memcpy(out, *name, length);
    out[length] = '\0';
    *name += length + 1;
    return true;
}

// Anyone can write into the hash: what is no such field is passed over.
static bool counters_read_receipts(const char *name, const char *value, struct counter_receipts *out) {
    char provider[RECEIPTS_NAME_SIZE], status[RECEIPTS_NAME_SIZE];
    if (strncmp(name, RECEIPTS_BEFORE, strlen(RECEIPTS_BEFORE)) != 0) {
        return false;
    }
    name += strlen(RECEIPTS_BEFORE);
    out->count = strtoll(value, NULL, 10);
    return counters_take_part(&name, ',', provider, sizeof provider) && provider_parse(provider, &out->provider) == 0 &&
           counters_take_part(&name, ',', status, sizeof status) && receipt_status_parse(status, &out->status) == 0 &&
           counters_take_part(&name, '}', out->code, sizeof out->code) && *name == '\0' &&
           out->code[strspn(out->code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] == '\0';
}

static int counters_compare_receipts(const void *one, const void *other) {
    const struct counter_receipts *a = one, *b = other;
    int provider = (int)a->provider - (int)b->provider, status = (int)a->status - (int)b->status;
    return provider != 0 ? provider : status != 0 ? status : strcmp(a->code, b->code);
}

static void counters_read_all_receipts(const redisReply *hash, struct counter_values *out) {
    for (size_t i = 0; i + 1 < hash->elements && out->receipt_count < COUNTER_RECEIPTS_MAX; i += 2) {
        out->receipt_count += counters_read_receipts(hash->element[i]->str, hash->element[i + 1]->str,
                                                     &out->receipts[out->receipt_count]);
    }
    qsort(out->receipts, out->receipt_count, sizeof *out->receipts, counters_compare_receipts);
}

void counters_read(const redisReply *hash, struct counter_values *out) {
    char name[HISTOGRAM_FIELD_SIZE];
    memset(out, 0, sizeof *out);
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        field_name(field, name);
        counters_put(out, field, strtoll(redis_reply_field(hash, name, "0"), NULL, 10));
    }
    out->retention_oldest_ms = strtoll(redis_reply_field(hash, COUNTERS_RETENTION_OLDEST, "0"), NULL, 10);
    counters_read_all_receipts(hash, out);
}
