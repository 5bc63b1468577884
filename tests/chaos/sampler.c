// SPDX-License-Identifier: MIT
#include "tests/chaos/sampler.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "tests/chaos/world.h"
#include "tests/support/child.h"
#include "tests/support/private_postgres.h"
#include "tests/support/probe.h"
#include "tests/support/reply.h"

enum {
    PERIOD_MS = 1000,
    MOST_ENTRIES = 3000, // of outbound, token by token
    PAUSE_MS = 20,
    MOST_IDLE_MS = 5500, // a transaction of ours: idle_in_transaction_session_timeout is 5 s
    IN_FLIGHT = 512,     // entries beyond a cap: what the workers had taken when it was reached, and poison
};

struct sampler {
    struct options options;
    struct report *report;
    struct probe *redis, *postgres;
    char *script;
    pthread_t thread;
    atomic_bool stopped;
    struct sampler_result result;
};

static redisReply *command(struct sampler *sampler, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = probe_vredis(sampler->redis, format, arguments);
    va_end(arguments);
    return reply;
}

static __attribute__((format(printf, 2, 3))) int64_t query(struct sampler *sampler, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int64_t number = probe_vsql(sampler->postgres, format, arguments);
    va_end(arguments);
    return number;
}

static void raise_to(int64_t *peak, int64_t value) {
    *peak = value > *peak ? value : *peak;
}

// What waits and what says when, or in which order.
static void judge_both(struct sampler *sampler, const char *kind, const char *tag, int64_t waiting, int64_t listed) {
    if (waiting != listed) {
        report_breach(sampler->report, kind, NULL, "%s: %" PRId64 " and %" PRId64 ", at %" PRId64, tag, waiting, listed,
                      clock_unix_ms());
    }
}

// One sample (sample.lua).
static void judge(struct sampler *sampler, const char *tag, const redisReply *reply) {
    int64_t outbound = reply_int(reply, 0), events = reply_int(reply, 1), parked = reply_int(reply, 2);
    int64_t held = reply_int(reply, 4), scheduled = reply_int(reply, 6), twice = reply_int(reply, 8);
    sampler->result.redis_samples++;
    sampler->result.token_samples += twice >= 0;
    raise_to(&sampler->result.peak_parked, parked);
    raise_to(&sampler->result.peak_held, held);
    raise_to(&sampler->result.peak_scheduled, scheduled);
    raise_to(&sampler->result.peak_backlog, outbound > events ? outbound : events);
    judge_both(sampler, "parked and due apart", tag, parked, reply_int(reply, 3));
    judge_both(sampler, "held and their order apart", tag, held, reply_int(reply, 5));
    judge_both(sampler, "scheduled and due apart", tag, scheduled, reply_int(reply, 7));
    if (twice > 0) {
        report_breach(sampler->report, "a token in two places", NULL, "%s: %" PRId64 ", at %" PRId64, tag, twice,
                      clock_unix_ms());
    }
    if (outbound + parked + held > WORLD_BACKLOG + IN_FLIGHT || events > 2 * WORLD_BACKLOG + IN_FLIGHT) {
        report_breach(sampler->report, "a backlog over its cap", NULL,
                      "%s: %" PRId64 " outbound, %" PRId64 " parked, %" PRId64 " held, %" PRId64 " events", tag,
                      outbound, parked, held, events);
    }
}

static void look_at_partition(struct sampler *sampler, const char *tag) {
    struct partition_keys keys;
    partition_keys(tag, &keys);
    redisReply *reply = command(sampler, "EVAL %s 8 %s %s %s %s %s %s %s %s %d", sampler->script, keys.outbound,
                                keys.events, keys.parked, keys.parked_due, keys.held, keys.held_order, keys.scheduled,
                                keys.scheduled_due, MOST_ENTRIES);
    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply_count(reply) == 9) {
        judge(sampler, tag, reply);
    }
    freeReplyObject(reply);
}

static void look_at_redis(struct sampler *sampler) {
    look_at_partition(sampler, "sms-mms:0");
    look_at_partition(sampler, "email:0");
}

static void look_at_memory(struct sampler *sampler) {
    redisReply *reply = command(sampler, "INFO memory");
    const char *used = reply != NULL && reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "used_memory:") : NULL;
    if (used != NULL) {
        raise_to(&sampler->result.peak_memory, strtoll(used + strlen("used_memory:"), NULL, 10));
    }
    freeReplyObject(reply);
}

static void look_at_postgres(struct sampler *sampler) {
    int64_t idle =
        query(sampler,
              "SELECT count(*) FROM pg_stat_activity WHERE usename = 'messaging_user' AND state LIKE 'idle in "
              "transaction%%' AND state_change < clock_timestamp() - interval '%d ms'",
              MOST_IDLE_MS);
    sampler->result.postgres_samples += idle != PROBE_NONE;
    if (idle > 0) {
        report_breach(sampler->report, "an idle transaction", NULL, "%" PRId64 " for over %d ms, at %" PRId64, idle,
                      MOST_IDLE_MS, clock_unix_ms());
    }
}

static void *run(void *argument) {
    struct sampler *sampler = argument;
    int64_t due_ms = clock_unix_ms();
    while (!atomic_load(&sampler->stopped)) {
        if (clock_unix_ms() >= due_ms) {
            look_at_redis(sampler);
            look_at_memory(sampler);
            look_at_postgres(sampler);
            due_ms = clock_unix_ms() + PERIOD_MS;
        }
        poll(NULL, 0, PAUSE_MS);
    }
    return NULL;
}

static struct sampler *create(const struct options *options, uint16_t redis_port, uint16_t postgres_port,
                              struct report *report) {
    struct sampler *sampler = xcalloc(1, sizeof *sampler);
    char *url = postgres_url(postgres_port);
    char *path = xasprintf("%s/tests/chaos/sample.lua", getenv("PROJECT_ROOT"));
    sampler->options = *options;
    sampler->report = report;
    sampler->redis = probe_create(redis_port, url);
    sampler->postgres = probe_create(redis_port, url);
    sampler->script = read_whole_file(path);
    ck_assert_msg(sampler->script != NULL, "%s can't be read", path);
    free(path);
    free(url);
    return sampler;
}

static void destroy(struct sampler *sampler) {
    probe_destroy(sampler->redis);
    probe_destroy(sampler->postgres);
    free(sampler->script);
    free(sampler);
}

struct sampler *sampler_begin(const struct options *options, uint16_t redis_port, uint16_t postgres_port,
                              struct report *report) {
    struct sampler *sampler = create(options, redis_port, postgres_port, report);
    ck_assert_int_eq(pthread_create(&sampler->thread, NULL, run, sampler), 0);
    return sampler;
}

struct sampler_result sampler_end(struct sampler *sampler) {
    atomic_store(&sampler->stopped, true);
    pthread_join(sampler->thread, NULL);
    struct sampler_result result = sampler->result;
    destroy(sampler);
    return result;
}

void sampler_look_once(const struct options *options, uint16_t redis_port, uint16_t postgres_port,
                       struct report *report) {
    struct sampler *sampler = create(options, redis_port, postgres_port, report);
    look_at_redis(sampler);
    destroy(sampler);
}
