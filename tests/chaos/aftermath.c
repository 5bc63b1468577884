// SPDX-License-Identifier: MIT
#include "tests/chaos/aftermath.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "tests/chaos/load.h"
#include "tests/support/child.h"
#include "tests/support/client.h"
#include "tests/support/private_postgres.h"
#include "tests/support/reply.h"

#define REPLICAS_MARK "rate:{replicas}:mark" // ingest/accept/replicas.c

enum {
    SETTLE_MS = 120000,
    NUDGE_MS = 1000,
    MOST_LIMITER_MS = 2 * 60000,
    PLAIN_BYTES = 32, // of what is remembered; more: a STOP or START, with when it came
    MOST_WORD_MS = 24 * 3600 * 1000,
    MOST_KNOWN_MS = 2 * 24 * 3600 * 1000, // what came once, by its signature or id, and what was cancelled
    EXPIRE_MS = IDEMPOTENCY_SECS * 1000 + 15000,
};

int64_t aftermath_memory(struct world *world) {
    freeReplyObject(stack_redis(world->stack, "MEMORY PURGE"));
    redisReply *reply = stack_redis(world->stack, "INFO memory");
    const char *used = reply != NULL ? strstr(reply_text(reply, 0), "used_memory:") : NULL;
    int64_t bytes = used != NULL ? strtoll(used + strlen("used_memory:"), NULL, 10) : 0;
    freeReplyObject(reply);
    return bytes;
}

static bool nothing_pending(struct world *world) {
    static const char *const groups[][2] = {{"outbound", GROUP_DISPATCHERS}, {"events", GROUP_PERSISTERS}};
    static const char *const tags[] = {"sms-mms:0", "email:0"};
    for (size_t g = 0; g < 2; g++) {
        for (size_t t = 0; t < 2; t++) {
            redisReply *reply = stack_redis(world->stack, "XPENDING %s:{%s} %s", groups[g][0], tags[t], groups[g][1]);
            bool none = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply_int(reply, 0) == 0;
            freeReplyObject(reply);
            if (!none) {
                return false;
            }
        }
    }
    return true;
}

// The mock has told what it has to tell.
static bool is_told(struct world *world) {
    struct answer *answer = stack_call(world->stack, "mock-provider", "GET", "/mock/stats", NULL, NULL);
    bool told = answer->status == 200 && answer_number(answer, "providers.sms-mms.receipts.waiting") == 0 &&
                answer_number(answer, "providers.email.receipts.waiting") == 0;
    answer_free(answer);
    return told;
}

// Sends that have not ended: what waits for another that its provider accepts.
static bool sends_wait(struct world *world) {
    static const char *const tags[] = {"sms-mms:0", "email:0"};
    int64_t count = 0;
    for (size_t t = 0; t < 2; t++) {
        count += stack_redis_int(world->stack, "XLEN outbound:{%s}", tags[t]) +
                 stack_redis_int(world->stack, "HLEN parked:{%s}", tags[t]) +
                 stack_redis_int(world->stack, "HLEN held:{%s}", tags[t]);
    }
    return count > 0;
}

static bool nothing_is_scheduled(struct world *world) {
    return stack_redis_int(world->stack, "HLEN scheduled:{sms-mms:0}") == 0 &&
           stack_redis_int(world->stack, "HLEN scheduled:{email:0}") == 0;
}

static void print_rest(struct world *world) {
    static const char *const tags[] = {"sms-mms:0", "email:0"};
    for (size_t t = 0; t < 2; t++) {
        printf("  %s: %" PRId64 " outbound, %" PRId64 " events, %" PRId64 " parked, %" PRId64 " held, %" PRId64
               " scheduled\n",
               tags[t], stack_redis_int(world->stack, "XLEN outbound:{%s}", tags[t]),
               stack_redis_int(world->stack, "XLEN events:{%s}", tags[t]),
               stack_redis_int(world->stack, "HLEN parked:{%s}", tags[t]),
               stack_redis_int(world->stack, "HLEN held:{%s}", tags[t]),
               stack_redis_int(world->stack, "HLEN scheduled:{%s}", tags[t]));
    }
}

int64_t aftermath_settle(struct world *world, void (*nudge)(void *argument), void *argument, struct report *report) {
    int64_t began_ms = clock_unix_ms(), nudged_ms = began_ms;
    int64_t deadline = deadline_in(SETTLE_MS);
    bool settled;
    while (!(settled = is_told(world) && nothing_is_scheduled(world) && stack_is_drained(world->stack) &&
                       nothing_pending(world)) &&
           deadline_pause(deadline)) {
        if (nudge != NULL && clock_unix_ms() >= nudged_ms + NUDGE_MS && sends_wait(world)) {
            nudge(argument);
            nudged_ms = clock_unix_ms();
        }
    }
    if (!settled) {
        report_breach(report, "not settled", NULL, "something is left after %d ms", deadline_scaled(SETTLE_MS));
        print_rest(world);
    }
    return clock_unix_ms() - began_ms;
}

void aftermath_reconcile(struct world *world, struct report *report) {
    if (world->redundancy == NULL) {
        return;
    }
    char *postgres = postgres_url(stack_port(world->stack, "postgres"));
    char *redis = xasprintf("REDIS_URL=redis://127.0.0.1:%u", world_redis_port(world));
    char *database = xasprintf("DATABASE_URL=%s", postgres);
    char *script = xasprintf("%s/bin/reconcile.sh", getenv("PROJECT_ROOT"));
    const char *argv[] = {script, NULL}, *environment[] = {redis, database, NULL};
    child_run(&(struct child_options){.name = "reconcile",
                                      .folder = stack_folder(world->stack),
                                      .argv = argv,
                                      .environment = environment,
                                      .death_signal = SIGKILL},
              deadline_scaled(SETTLE_MS));
    free(script);
    free(database);
    free(redis);
    free(postgres);
    (void)aftermath_settle(world, NULL, NULL, report);
}

void aftermath_turns(struct world *world, struct report *report) {
    static const char *const names[] = {"turn:{sms-mms:0}",          "turn:{email:0}",         "held-order:{sms-mms:0}",
                                        "held-order:{email:0}",      "held-due:{sms-mms:0}",   "held-due:{email:0}",
                                        "scheduled-due:{sms-mms:0}", "scheduled-due:{email:0}"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (stack_redis_int(world->stack, "EXISTS %s", names[i]) != 0) {
            report_breach(report, "a turn or a time of nobody", NULL, "%s is not empty", names[i]);
        }
    }
}

// Calls look for each key of that pattern. Returns how many there are.
static unsigned each_key(struct world *world, const char *pattern, struct report *report,
                         void (*look)(struct world *world, struct report *report, const char *key)) {
    unsigned count = 0;
    char cursor[24] = "0";
    do {
        redisReply *reply = stack_redis(world->stack, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        ck_assert(reply != NULL && reply_count(reply) == 2);
        const redisReply *keys = reply->element[1];
        for (size_t i = 0; i < keys->elements; i++, count++) {
            look(world, report, keys->element[i]->str);
        }
        snprintf(cursor, sizeof cursor, "%s", reply_text(reply, 0));
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    return count;
}

static void check_life(struct world *world, struct report *report, const char *key, int64_t most_ms) {
    int64_t left_ms = stack_redis_int(world->stack, "PTTL %s", key);
    if (left_ms == -1 || left_ms > most_ms) {
        report_breach(report, "a key that lives too long", NULL, "%s: %" PRId64 " ms", key, left_ms);
    }
}

static void look_at_limiter(struct world *world, struct report *report, const char *key) {
    check_life(world, report, key, MOST_LIMITER_MS);
    (void)stack_redis_int(world->stack, "PEXPIRE %s 1", key);
}

static void look_at_known(struct world *world, struct report *report, const char *key) {
    check_life(world, report, key, MOST_KNOWN_MS);
    (void)stack_redis_int(world->stack, "PEXPIRE %s 1", key);
}

static void look_at_idempotency(struct world *world, struct report *report, const char *key) {
    bool is_word = stack_redis_int(world->stack, "STRLEN %s", key) > PLAIN_BYTES;
    check_life(world, report, key, is_word ? MOST_WORD_MS : IDEMPOTENCY_SECS * INT64_C(1000));
    if (is_word) {
        (void)stack_redis_int(world->stack, "PEXPIRE %s 1", key);
    }
}

// What should have gone; the key by which ingest sees that replicas follow lives as long as that does.
static struct {
    unsigned count;
    char key[128]; // one of them
} left;

static void note_left(struct world *world, struct report *report, const char *key) {
    (void)world;
    (void)report;
    if (strcmp(key, REPLICAS_MARK) != 0) {
        left.count++;
        snprintf(left.key, sizeof left.key, "%s", key);
    }
}

static bool all_is_gone(struct world *world, struct report *report) {
    static const char *const patterns[] = {"idem:{*", "rate:*", "signed:*"};
    left.count = 0;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        (void)each_key(world, patterns[i], report, note_left);
    }
    return left.count == 0;
}

void aftermath_expire(struct world *world, struct report *report) {
    unsigned limiters = each_key(world, "rate:*", report, look_at_limiter);
    unsigned idempotency = each_key(world, "idem:{*", report, look_at_idempotency);
    unsigned known = each_key(world, "signed:*", report, look_at_known) +
                     each_key(world, "arrived:*", report, look_at_known) +
                     each_key(world, "cancelled:*", report, look_at_known);
    report_figure("keys looked at: limiters, idempotency, what came", "%u, %u, %u", limiters, idempotency, known);
    if (limiters == 0) {
        report_breach(report, "nothing to look at", NULL, "there is not one limiter key, right after a load of sends");
    }
    int64_t deadline = deadline_in(EXPIRE_MS);
    bool gone;
    while (!(gone = all_is_gone(world, report)) && deadline_pause(deadline)) {
    }
    if (!gone) {
        report_breach(report, "keys that don't expire", NULL, "%s is left after %d ms", left.key,
                      deadline_scaled(EXPIRE_MS));
    }
}
