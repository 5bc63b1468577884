// SPDX-License-Identifier: MIT
//
// First everything that has one name in Redis, as one pipeline; its answers name the partitions, each of which is one
// call of the library's `look`, and the live processes, of each of which the troubles are read. The last answer hands
// all of it on.
#include "ingest/watch/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/decimal.h"
#include "shared/base/json.h"
#include "shared/redis/heartbeat.h"
#include "shared/redis/library.h"
#include "shared/redis/link.h"
#include "shared/redis/partitions.h"
#include "shared/redis/reply.h"

#define MOST_PROCESSES 256 // of which the troubles are read
#define MOST_REPORTS 64
#define CLOCKS_APART_MS 15000 // of two links: each asks Redis for the time every 10 s
#define WHY_SIZE 200

struct reading {
    struct redis_link *redis;
    pipeline_done done;
    void *argument;
    struct pipeline *pipeline;
    unsigned awaited;   // answers
    char why[WHY_SIZE]; // the first part that could not be read; "": none
};

// A process's troubles, while they are asked for.
struct ask {
    struct reading *reading;
    char member[PIPELINE_MEMBER_SIZE];
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
    bool complete = reading->why[0] == '\0';
    if (!complete) {
        pipeline_free(reading->pipeline);
    }
    reading->done(reading->argument, complete ? reading->pipeline : NULL, complete ? NULL : reading->why);
    free(reading);
}

void pipeline_free(struct pipeline *pipeline) {
    if (pipeline == NULL) {
        return;
    }
    for (size_t i = 0; i < pipeline->report_count; i++) {
        free(pipeline->reports[i].text);
    }
    free(pipeline->reports);
    free(pipeline->partitions);
    free(pipeline);
}

static void pipeline_fail(struct reading *reading, enum redis_result result, const redisReply *reply) {
    if (reading->why[0] != '\0') {
        return;
    }
    if (result == REDIS_LINK_LOST) {
        snprintf(reading->why, WHY_SIZE, "the connection to Redis broke");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        snprintf(reading->why, WHY_SIZE, "Redis says: %s", reply->str);
    } else {
        snprintf(reading->why, WHY_SIZE, "Redis gave an answer of another shape");
    }
}

static bool is_list(struct reading *reading, enum redis_result result, const redisReply *reply) {
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_ARRAY) {
        return true;
    }
    pipeline_fail(reading, result, reply);
    return false;
}

static int pipeline_call(struct reading *reading, redis_link_reply taken, void *argument, int count,
                         const char **arguments) {
    if (redis_link_call(reading->redis, taken, argument, count, arguments, NULL) != 0) {
        pipeline_fail(reading, REDIS_LINK_LOST, NULL);
        return -1;
    }
    reading->awaited++;
    return 0;
}

// ---- Each partition

enum { LOOK_NUMBERS = 29 };

static void take_look(struct pipeline_partition *partition, const redisReply *reply) {
    struct pipeline_stream *outbound = &partition->outbound, *events = &partition->events;
    int64_t *const into[LOOK_NUMBERS] = {
        &outbound->length,
        &outbound->added,
        &outbound->pending,
        &outbound->consumers,
        &outbound->oldest_ms,
        &outbound->waited_ms,
        &outbound->newer,
        &events->length,
        &events->added,
        &events->pending,
        &events->consumers,
        &events->oldest_ms,
        &events->waited_ms,
        &events->newer,
        &partition->parked,
        &partition->overdue,
        &partition->longest_overdue_ms,
        &partition->parked_oldest_ms,
        &partition->held_senders,
        &partition->refused_ms,
        &partition->opted_out,
        &partition->knows_opt_outs,
        &partition->held,
        &partition->held_oldest_ms,
        &partition->scheduled,
        &partition->scheduled_bytes,
        &partition->scheduled_overdue,
        &partition->scheduled_longest_overdue_ms,
        &partition->held_overdue_ms,
    };
    for (size_t i = 0; i < LOOK_NUMBERS && i < reply->elements; i++) {
        *into[i] = reply->element[i]->integer;
    }
}

static void pipeline_on_look(void *argument, enum redis_result result, const redisReply *reply) {
    struct look *look = argument;
    if (is_list(look->reading, result, reply)) {
        take_look(&look->reading->pipeline->partitions[look->partition], reply);
    }
    answer_came(look->reading);
    free(look);
}

static void look_at(struct reading *reading, size_t index) {
    const struct partition_keys *keys = &reading->pipeline->partitions[index].keys;
    const char *arguments[] = {"FCALL_RO",
                               library_function(LIBRARY_LOOK),
                               "6",
                               keys->outbound,
                               keys->events,
                               keys->parked,
                               keys->parked_due,
                               keys->held_senders,
                               keys->refused,
                               redis_link_server_mark(reading->redis)};
    struct look *look = xmalloc(sizeof *look);
    *look = (struct look){reading, index};
    if (pipeline_call(reading, pipeline_on_look, look, 10, arguments) != 0) {
        free(look);
    }
}

static int by_tag(const void *left, const void *right) {
    const struct pipeline_partition *a = left, *b = right;
    return strcmp(a->keys.tag, b->keys.tag);
}

static void pipeline_on_partitions(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    struct pipeline *pipeline = reading->pipeline;
    if (is_list(reading, result, reply)) {
        size_t most = reply->elements < PARTITIONS_MOST ? reply->elements : PARTITIONS_MOST;
        pipeline->partitions = xcalloc(most + 1, sizeof *pipeline->partitions);
        for (size_t i = 0; i < most; i++) {
            struct pipeline_partition *next = &pipeline->partitions[pipeline->partition_count];
            const redisReply *tag = reply->element[i];
            if (partition_parse(tag->str, tag->len, &next->provider) == 0) {
                partition_keys(tag->str, &next->keys);
                pipeline->partition_count++;
            }
        }
        qsort(pipeline->partitions, pipeline->partition_count, sizeof *pipeline->partitions, by_tag);
        for (size_t i = 0; i < pipeline->partition_count; i++) {
            look_at(reading, i);
        }
    }
    answer_came(reading);
}

// ---- What has one name

static int64_t left_of(const redisReply *hash, const char *name, int64_t now_ms) {
    int64_t left = strtoll(redis_reply_field(hash, name, "0"), NULL, 10) - now_ms;
    return left > 0 ? left : 0;
}

static int64_t age_of(const redisReply *hash, const char *name, int64_t now_ms) {
    int64_t at_ms = strtoll(redis_reply_field(hash, name, "0"), NULL, 10);
    return at_ms > 0 ? now_ms - at_ms : -1;
}

// `since` is when it moved last, which is often while a provider is away for long; `left` is newer than some releases.
static int64_t open_for(const redisReply *hash, int64_t now_ms) {
    const char *left = redis_reply_field(hash, "left", redis_reply_field(hash, "since", NULL));
    int64_t open_ms = left == NULL ? -1 : now_ms - strtoll(left, NULL, 10);
    return left != NULL && open_ms < 0 ? 0 : open_ms;
}

static void pipeline_on_breaker(void *argument, enum redis_result result, const redisReply *reply) {
    struct breaker_question *question = argument;
    struct reading *reading = question->reading;
    struct pipeline_breaker *breaker = &reading->pipeline->breakers[question->provider];
    if (is_list(reading, result, reply)) {
        snprintf(breaker->state, sizeof breaker->state, "%s", redis_reply_field(reply, "state", "closed"));
        snprintf(breaker->mode, sizeof breaker->mode, "%s", redis_reply_field(reply, "mode", "auto"));
        snprintf(breaker->reason, sizeof breaker->reason, "%s", redis_reply_field(reply, "reason", ""));
        breaker->fails = strtoll(redis_reply_field(reply, "fails", "0"), NULL, 10);
        breaker->open_ms = strcmp(breaker->state, "closed") == 0 ? -1 : open_for(reply, reading->pipeline->now_ms);
        breaker->reopens_in_ms = left_of(reply, "until", reading->pipeline->now_ms);
        breaker->paused_ms = left_of(reply, "paused", reading->pipeline->now_ms);
        breaker->accepted_ms = age_of(reply, "accepted", reading->pipeline->now_ms);
        breaker->slowed_ms = age_of(reply, "slowed", reading->pipeline->now_ms);
    }
    free(question);
    answer_came(reading);
}

static void pipeline_on_counters(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    if (is_list(reading, result, reply)) {
        counters_read(reply, &reading->pipeline->counters);
    }
    answer_came(reading);
}

// ---- Who lives, and what troubles them

static void add_report(struct pipeline *pipeline, const char *member, const cJSON *trouble) {
    const char *code = json_string(trouble, "code"), *text = json_string(trouble, "text");
    int64_t since_ms;
    if (code == NULL || text == NULL || !json_integer(trouble, "since_ms", &since_ms) ||
        pipeline->report_count == MOST_REPORTS) {
        return;
    }
    if (pipeline->reports == NULL) {
        pipeline->reports = xcalloc(MOST_REPORTS, sizeof *pipeline->reports);
    }
    struct pipeline_report *report = &pipeline->reports[pipeline->report_count++];
    snprintf(report->member, sizeof report->member, "%s", member);
    snprintf(report->code, sizeof report->code, "%s", code);
    report->since_ms = since_ms;
    report->text = xstrdup(text);
}

static void pipeline_on_trouble(void *argument, enum redis_result result, const redisReply *reply) {
    struct ask *ask = argument;
    struct reading *reading = ask->reading;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_STRING) {
        const char *error;
        cJSON *list = json_parse(reply->str, reply->len, &error);
        const cJSON *trouble;
        cJSON_ArrayForEach(trouble, list) {
            add_report(reading->pipeline, ask->member, trouble);
        }
        cJSON_Delete(list);
    } else if (result != REDIS_LINK_OK) {
        pipeline_fail(reading, result, reply);
    }
    free(ask);
    answer_came(reading);
}

static void ask_trouble(struct reading *reading, const char *member) {
    struct ask *ask = xmalloc(sizeof *ask);
    ask->reading = reading;
    snprintf(ask->member, sizeof ask->member, "%s", member);
    char *key = xasprintf(KEY_TROUBLE "%s", member);
    const char *get[] = {"GET", key};
    if (pipeline_call(reading, pipeline_on_trouble, ask, 2, get) != 0) {
        free(ask);
    }
    free(key);
}

static void count_process(struct pipeline *pipeline, const char *member) {
    for (int program = 0; program < PROGRAM_COUNT; program++) {
        const char *name = pipeline_program_name((enum pipeline_program)program);
        size_t length = strlen(name);
        if (strncmp(member, name, length) == 0 && member[length] == ':') {
            pipeline->alive[program]++;
        }
    }
}

static void pipeline_on_processes(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    if (is_list(reading, result, reply)) {
        for (size_t i = 0; i < reply->elements; i++) {
            count_process(reading->pipeline, reply->element[i]->str);
            if (i < MOST_PROCESSES) {
                ask_trouble(reading, reply->element[i]->str);
            }
        }
    }
    answer_came(reading);
}

// ---- The replay of many dead letters at the head of the queue

// {{entry, fields}} or {}: its age by its id.
static void pipeline_on_job(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    struct pipeline *pipeline = reading->pipeline;
    pipeline->job = (struct pipeline_job){-1, -1};
    if (is_list(reading, result, reply) && reply->elements > 0 && reply->element[0]->elements == 2) {
        int64_t age_ms = pipeline->now_ms - strtoll(reply->element[0]->element[0]->str, NULL, 10);
        pipeline->job.age_ms = pipeline->job.idle_ms = age_ms > 0 ? age_ms : 0;
    }
    answer_came(reading);
}

// Until when the one that runs it has it: sent behind the former question, so answered behind it.
static void pipeline_on_running(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    struct pipeline_job *job = &reading->pipeline->job;
    if (result == REDIS_LINK_OK && reply->type == REDIS_REPLY_STRING && job->age_ms >= 0) {
        int64_t idle_ms = reading->pipeline->now_ms - strtoll(reply->str, NULL, 10);
        job->idle_ms = idle_ms < 0 ? -1 : idle_ms < job->age_ms ? idle_ms : job->age_ms;
    } else if (result != REDIS_LINK_OK) {
        pipeline_fail(reading, result, reply);
    }
    answer_came(reading);
}

// ---- Redis itself

static bool says_err(const redisReply *info, const char *name) {
    return strncmp(redis_info_text(info, name, ""), "err", 3) == 0;
}

static void pipeline_on_info(void *argument, enum redis_result result, const redisReply *reply) {
    struct reading *reading = argument;
    struct pipeline *pipeline = reading->pipeline;
    if (result == REDIS_LINK_OK && reply->str != NULL) {
        pipeline->memory_used = redis_info_number(reply, "used_memory", 0);
        pipeline->memory_max = redis_info_number(reply, "maxmemory", 0);
        pipeline->keeps_log = redis_info_number(reply, "aof_enabled", 0) != 0;
        pipeline->writes_fail = says_err(reply, "aof_last_write_status") || says_err(reply, "rdb_last_bgsave_status");
    } else {
        pipeline_fail(reading, result, reply);
    }
    answer_came(reading);
}

static void pipeline_ask_breaker(struct reading *reading, enum provider provider) {
    const char *arguments[] = {"HGETALL", breaker_key(provider)};
    struct breaker_question *question = xmalloc(sizeof *question);
    *question = (struct breaker_question){reading, provider};
    if (pipeline_call(reading, pipeline_on_breaker, question, 2, arguments) != 0) {
        free(question);
    }
}

static void ask_all(struct reading *reading) {
    const char *since = DECIMAL(reading->pipeline->now_ms - HEARTBEAT_ALIVE_MS);
    const char *until = DECIMAL(reading->pipeline->now_ms + CLOCKS_APART_MS); // what is later a wrong clock said
    const char *processes[] = {"ZRANGEBYSCORE", KEY_PROCESSES, since, until};
    const char *counters[] = {"HGETALL", KEY_METRICS}, *info[] = {"INFO", "memory", "persistence"};
    const char *partitions[] = {"SMEMBERS", KEY_PARTITIONS};
    const char *job[] = {"XRANGE", KEY_REPLAY_JOBS, "-", "+", "COUNT", "1"};
    const char *running[] = {"HGET", KEY_REPLAY_RUNNING, "until"};
    (void)!pipeline_call(reading, pipeline_on_partitions, reading, 2, partitions);
    (void)!pipeline_call(reading, pipeline_on_counters, reading, 2, counters);
    (void)!pipeline_call(reading, pipeline_on_processes, reading, 4, processes);
    (void)!pipeline_call(reading, pipeline_on_info, reading, 3, info);
    (void)!pipeline_call(reading, pipeline_on_job, reading, 6, job);
    (void)!pipeline_call(reading, pipeline_on_running, reading, 3, running);
    for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
        pipeline_ask_breaker(reading, (enum provider)provider);
    }
}

int pipeline_read(struct redis_link *redis, pipeline_done done, void *argument) {
    if (!redis_link_is_up(redis)) {
        return -1;
    }
    struct reading *reading = xcalloc(1, sizeof *reading);
    *reading = (struct reading){.redis = redis, .done = done, .argument = argument, .awaited = 1};
    reading->pipeline = xcalloc(1, sizeof *reading->pipeline);
    reading->pipeline->now_ms = redis_link_now_ms(redis);
    ask_all(reading);
    if (reading->awaited == 1) { // none was taken
        pipeline_free(reading->pipeline);
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
    sum->waited_ms = greater(sum->waited_ms, one->waited_ms);
    sum->newer = greater(sum->newer, one->newer);
}

void pipeline_sum(const struct pipeline *pipeline, enum provider provider, struct pipeline_partition *out) {
    *out = (struct pipeline_partition){.outbound = {.oldest_ms = -1, .waited_ms = -1},
                                       .events = {.oldest_ms = -1, .waited_ms = -1},
                                       .longest_overdue_ms = -1,
                                       .parked_oldest_ms = -1,
                                       .held_oldest_ms = -1,
                                       .held_overdue_ms = -1,
                                       .scheduled_longest_overdue_ms = -1,
                                       .knows_opt_outs = 1};
    for (size_t i = 0; i < pipeline->partition_count; i++) {
        const struct pipeline_partition *one = &pipeline->partitions[i];
        if (one->provider != provider) {
            continue;
        }
        add_stream(&out->outbound, &one->outbound);
        add_stream(&out->events, &one->events);
        out->parked += one->parked;
        out->overdue += one->overdue;
        out->held_senders += one->held_senders;
        out->opted_out = greater(out->opted_out, one->opted_out); // each partition has all of the provider
        out->knows_opt_outs = out->knows_opt_outs && one->knows_opt_outs;
        out->longest_overdue_ms = greater(out->longest_overdue_ms, one->longest_overdue_ms);
        out->parked_oldest_ms = greater(out->parked_oldest_ms, one->parked_oldest_ms);
        out->held += one->held;
        out->held_oldest_ms = greater(out->held_oldest_ms, one->held_oldest_ms);
        out->held_overdue_ms = greater(out->held_overdue_ms, one->held_overdue_ms);
        out->scheduled += one->scheduled;
        out->scheduled_bytes += one->scheduled_bytes;
        out->scheduled_overdue += one->scheduled_overdue;
        out->scheduled_longest_overdue_ms =
            greater(out->scheduled_longest_overdue_ms, one->scheduled_longest_overdue_ms);
    }
}
