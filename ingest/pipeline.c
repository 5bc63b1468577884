// SPDX-License-Identifier: MIT
//
// First everything that has one name in Redis, as one pipeline; its answers name the partitions, and each of those is
// one call of the library's `look`. The last answer hands all of it on.
#include "ingest/pipeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/resources.h"
#include "shared/heartbeat.h"
#include "shared/library.h"
#include "shared/redis_link.h"

#define NUMBER_SIZE 24
#define MOST_PARTITIONS 1024 // a set that is greater is not ours

struct reading {
    struct ingest_resources *with;
    pipeline_done done;
    void *argument;
    struct pipeline pipeline;
    unsigned awaited; // answers
    bool failed;
};

struct look {
    struct reading *reading;
    size_t partition;
};

struct breaker_question {
    struct reading *reading;
    enum provider provider;
};

const char *pipeline_program_name(enum pipeline_program program) {
    static const char *const names[] = {"ingest", "dispatcher", "persister", "mock-provider"};
    return names[program];
}

// To be called once an answer has been taken in.
static void answer_came(struct reading *reading) {
    if (--reading->awaited > 0) {
        return;
    }
    reading->done(reading->argument, reading->failed ? NULL : &reading->pipeline);
    free(reading->pipeline.partitions);
    free(reading);
}

static bool is_list(struct reading *reading, enum redis_result result, const redisReply *reply) {
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        return true;
    }
    reading->failed = true;
    return false;
}

static int call(struct reading *reading, redis_link_reply taken, void *argument, int count, const char **arguments) {
    if (redis_link_call(reading->with->redis, taken, argument, count, arguments, NULL) != 0) {
        reading->failed = true;
        return -1;
    }
    reading->awaited++;
    return 0;
}

// ---- Each partition

enum { LOOK_NUMBERS = 14 };

static void take_look(struct pipeline_partition *partition, const redisReply *reply) {
    struct pipeline_stream *outbound = &partition->outbound, *events = &partition->events;
    int64_t *const into[LOOK_NUMBERS] = {
        &outbound->length,
        &outbound->added,
        &outbound->pending,
        &outbound->consumers,
        &outbound->oldest_ms,
        &events->length,
        &events->added,
        &events->pending,
        &events->consumers,
        &events->oldest_ms,
        &partition->parked,
        &partition->overdue,
        &partition->longest_overdue_ms,
        &partition->parked_oldest_ms,
    };
    for (size_t i = 0; i < LOOK_NUMBERS && i < reply->elements; i++) {
        *into[i] = reply->element[i]->integer;
    }
}

static void on_look(void *argument, enum redis_result result, const redisReply *reply) {
    struct look *look = argument;
    if (is_list(look->reading, result, reply)) {
        take_look(&look->reading->pipeline.partitions[look->partition], reply);
    }
    answer_came(look->reading);
    free(look);
}

static void look_at(struct reading *reading, size_t index) {
    const struct partition_keys *keys = &reading->pipeline.partitions[index].keys;
    const char *arguments[] = {
        "FCALL_RO", library_function(LIBRARY_LOOK), "4", keys->outbound, keys->events, keys->parked, keys->parked_due};
    struct look *look = xmalloc(sizeof *look);
    *look = (struct look){reading, index};
    if (call(reading, on_look, look, 7, arguments) != 0) {
        free(look);
    }
}

// "sms-mms:0": the provider's name up to the colon.
static int take_tag(const char *tag, struct pipeline_partition *out) {
    char name[KEY_SIZE];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(tag, ":"), tag);
    if (strchr(tag, ':') == NULL || provider_parse(name, &out->provider) != 0) {
        return -1;
    }
    partition_keys(tag, &out->keys);
    return 0;
}

static int by_tag(const void *left, const void *right) {
    const struct pipeline_partition *a = left, *b = right;
    return strcmp(a->keys.tag, b->keys.tag);
}

static void on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    struct pipeline *pipeline = &reading->pipeline;
    if (is_list(reading, result, reply)) {
        size_t most = reply->elements < MOST_PARTITIONS ? reply->elements : MOST_PARTITIONS;
        pipeline->partitions = xcalloc(most + 1, sizeof *pipeline->partitions);
        for (size_t i = 0; i < most; i++) {
            pipeline->partition_count +=
                take_tag(reply->element[i]->str, &pipeline->partitions[pipeline->partition_count]) == 0;
        }
        qsort(pipeline->partitions, pipeline->partition_count, sizeof *pipeline->partitions, by_tag);
        for (size_t i = 0; i < pipeline->partition_count; i++) {
            look_at(reading, i);
        }
    }
    answer_came(reading);
}

// ---- What has one name

static const char *field(const redisReply *hash, const char *name, const char *fallback) {
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        if (strcmp(hash->element[i]->str, name) == 0) {
            return hash->element[i + 1]->str;
        }
    }
    return fallback;
}

static int64_t left_of(const redisReply *hash, const char *name, int64_t now_ms) {
    int64_t left = strtoll(field(hash, name, "0"), NULL, 10) - now_ms;
    return left > 0 ? left : 0;
}

static void on_breaker(void *argument, enum redis_result result, const redisReply *reply) {
    struct breaker_question *question = argument;
    struct reading *reading = question->reading;
    struct pipeline_breaker *breaker = &reading->pipeline.breakers[question->provider];
    if (is_list(reading, result, reply)) {
        snprintf(breaker->state, sizeof breaker->state, "%s", field(reply, "state", "closed"));
        snprintf(breaker->mode, sizeof breaker->mode, "%s", field(reply, "mode", "auto"));
        snprintf(breaker->reason, sizeof breaker->reason, "%s", field(reply, "reason", ""));
        breaker->fails = strtoll(field(reply, "fails", "0"), NULL, 10);
        breaker->reopens_in_ms = left_of(reply, "until", reading->pipeline.now_ms);
        breaker->paused_ms = left_of(reply, "paused", reading->pipeline.now_ms);
    }
    free(question);
    answer_came(reading);
}

static void on_counters(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    if (is_list(reading, result, reply)) {
        counters_read(reply, &reading->pipeline.counters);
    }
    answer_came(reading);
}

static void on_processes(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    if (is_list(reading, result, reply)) {
        for (size_t i = 0; i < reply->elements; i++) {
            for (int program = 0; program < PROGRAM_COUNT; program++) {
                const char *name = pipeline_program_name((enum pipeline_program)program);
                size_t length = strlen(name);
                if (strncmp(reply->element[i]->str, name, length) == 0 && reply->element[i]->str[length] == ':') {
                    reading->pipeline.alive[program]++;
                }
            }
        }
    }
    answer_came(reading);
}

static int64_t info_number(const char *info, const char *name) {
    const char *at = strstr(info, name);
    return at == NULL ? 0 : strtoll(at + strlen(name), NULL, 10);
}

static void on_memory(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    if (result == REDIS_LINK_OK && reply->str != NULL) {
        reading->pipeline.memory_used = info_number(reply->str, "\nused_memory:");
        reading->pipeline.memory_max = info_number(reply->str, "\nmaxmemory:");
    } else {
        reading->failed = true;
    }
    answer_came(reading);
}

static void ask_breaker(struct reading *reading, enum provider provider) {
    const char *arguments[] = {"HGETALL", breaker_key(provider)};
    struct breaker_question *question = xmalloc(sizeof *question);
    *question = (struct breaker_question){reading, provider};
    if (call(reading, on_breaker, question, 2, arguments) != 0) {
        free(question);
    }
}

int pipeline_read(struct ingest_resources *with, pipeline_done done, void *argument) {
    if (!redis_link_is_up(with->redis)) {
        return -1;
    }
    struct reading *reading = xcalloc(1, sizeof *reading);
    *reading = (struct reading){.with = with, .done = done, .argument = argument, .awaited = 1};
    reading->pipeline.now_ms = redis_link_now_ms(with->redis);
    char since[NUMBER_SIZE];
    snprintf(since, sizeof since, "%" PRId64, reading->pipeline.now_ms - HEARTBEAT_ALIVE_MS);
    const char *processes[] = {"ZRANGEBYSCORE", KEY_PROCESSES, since, "+inf"};
    const char *counters[] = {"HGETALL", KEY_METRICS}, *memory[] = {"INFO", "memory"};
    const char *partitions[] = {"SMEMBERS", KEY_PARTITIONS};
    counters_flush(with->counters); // so that what this thread counted is in the answer
    (void)!call(reading, on_partitions, reading, 2, partitions);
    (void)!call(reading, on_counters, reading, 2, counters);
    (void)!call(reading, on_processes, reading, 4, processes);
    (void)!call(reading, on_memory, reading, 2, memory);
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        ask_breaker(reading, (enum provider)provider);
    }
    if (reading->awaited == 1) { // none was taken
        free(reading);
        return -1;
    }
    reading->awaited--;
    return 0;
}

// ---- Showing it

static int64_t greater(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void add_stream(struct pipeline_stream *sum, const struct pipeline_stream *one) {
    sum->length += one->length;
    sum->added += one->added;
    sum->pending += one->pending;
    sum->consumers = greater(sum->consumers, one->consumers);
    sum->oldest_ms = greater(sum->oldest_ms, one->oldest_ms);
}

void pipeline_sum(const struct pipeline *pipeline, enum provider provider, struct pipeline_partition *out) {
    *out = (struct pipeline_partition){
        .outbound.oldest_ms = -1, .events.oldest_ms = -1, .longest_overdue_ms = -1, .parked_oldest_ms = -1};
    for (size_t i = 0; i < pipeline->partition_count; i++) {
        const struct pipeline_partition *one = &pipeline->partitions[i];
        if (one->provider != provider) {
            continue;
        }
        add_stream(&out->outbound, &one->outbound);
        add_stream(&out->events, &one->events);
        out->parked += one->parked;
        out->overdue += one->overdue;
        out->longest_overdue_ms = greater(out->longest_overdue_ms, one->longest_overdue_ms);
        out->parked_oldest_ms = greater(out->parked_oldest_ms, one->parked_oldest_ms);
    }
}
