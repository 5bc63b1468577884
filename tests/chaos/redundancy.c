// SPDX-License-Identifier: MIT
#include "tests/chaos/redundancy.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/support/private_sentinels.h"

#define FIRST "redis"
#define SECOND "redis-2"
#define PAIR "the test to redis"

enum { LOOK_MS = 100, WHOLE_LOOK_MS = 200 };

struct redundancy {
    struct stack *stack;
    struct proxy *proxy;
    struct private_sentinels *sentinels;
    uint16_t port; // the proxy's
    const char *master;
    unsigned killed;             // Sentinels
    int64_t looked_ms, asked_ms; // for the master; whether all is whole
    bool is_whole;
};

static void start_second(struct stack *stack) {
    char of[8];
    snprintf(of, sizeof of, "%u", stack_port(stack, FIRST));
    const char *const arguments[] = {"--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", of, NULL};
    freeReplyObject(stack_redis(stack, "CONFIG SET repl-diskless-sync-delay 0"));
    stack_launch(stack, SECOND, arguments);
}

struct redundancy *redundancy_create(struct stack *stack, struct proxy *proxy) {
    struct redundancy *redundancy = xcalloc(1, sizeof *redundancy);
    *redundancy = (struct redundancy){.stack = stack, .proxy = proxy, .master = FIRST};
    start_second(stack);
    redundancy->sentinels =
        private_sentinels_start(&(struct private_sentinels_options){.master = stack_port(stack, FIRST),
                                                                    .count = REDUNDANCY_SENTINELS,
                                                                    .down_after_ms = REDUNDANCY_DOWN_MS,
                                                                    .replicas = 1});
    redundancy->port = proxy_add(proxy, PAIR, stack_port(stack, FIRST));
    stack_follow_redis(stack, redundancy->port);
    return redundancy;
}

const char *redundancy_url(const struct redundancy *redundancy) {
    return private_sentinels_url(redundancy->sentinels);
}

uint16_t redundancy_port(const struct redundancy *redundancy) {
    return redundancy->port;
}

const char *redundancy_master(const struct redundancy *redundancy) {
    return redundancy->master;
}

const char *redundancy_replica(const struct redundancy *redundancy) {
    return strcmp(redundancy->master, FIRST) == 0 ? SECOND : FIRST;
}

const char *const *redundancy_arguments(void) {
    static const char *const arguments[] = {"--repl-diskless-sync-delay", "0", NULL};
    return arguments;
}

static void look(struct redundancy *redundancy) {
    uint16_t named = private_sentinels_master(redundancy->sentinels);
    if (named == stack_port(redundancy->stack, redundancy_replica(redundancy))) {
        redundancy->master = redundancy_replica(redundancy);
        proxy_turn(redundancy->proxy, PAIR, named);
    }
}

void redundancy_follow(struct redundancy *redundancy) {
    int64_t now_ms = clock_unix_ms();
    if (now_ms >= redundancy->looked_ms + LOOK_MS) {
        redundancy->looked_ms = now_ms;
        look(redundancy);
    }
}

// What a command says to one that may not answer; owned by the caller, or NULL.
static char *said_by(struct redundancy *redundancy, const char *member, const char *command) {
    redisContext *context =
        redisConnectWithTimeout("127.0.0.1", stack_port(redundancy->stack, member), (struct timeval){.tv_sec = 1});
    redisReply *reply = NULL;
    if (context != NULL && context->err == 0) {
        (void)redisSetTimeout(context, (struct timeval){.tv_sec = 1});
        reply = redisCommand(context, command);
    }
    char *text = reply != NULL && reply->type == REDIS_REPLY_STRING ? xstrdup(reply->str) : NULL;
    freeReplyObject(reply);
    redisFree(context);
    return text;
}

static bool says(struct redundancy *redundancy, const char *member, const char *const *lines) {
    char *info = said_by(redundancy, member, "INFO");
    bool all = info != NULL;
    for (; all && *lines != NULL; lines++) {
        all = strstr(info, *lines) != NULL;
    }
    free(info);
    return all;
}

static bool ask_whether_whole(struct redundancy *redundancy) {
    static const char *const of_master[] = {"role:master", "state=online", NULL};
    static const char *const of_replica[] = {"role:slave",
                                             "master_link_status:up",
                                             "master_sync_in_progress:0",
                                             "aof_rewrite_in_progress:0",
                                             "aof_rewrite_scheduled:0",
                                             NULL};
    look(redundancy);
    return redundancy->killed == 0 &&
           private_sentinels_master(redundancy->sentinels) == stack_port(redundancy->stack, redundancy->master) &&
           says(redundancy, redundancy->master, of_master) &&
           says(redundancy, redundancy_replica(redundancy), of_replica);
}

bool redundancy_is_whole(struct redundancy *redundancy) {
    int64_t now_ms = clock_unix_ms();
    if (now_ms >= redundancy->asked_ms + WHOLE_LOOK_MS) {
        redundancy->asked_ms = now_ms;
        redundancy->is_whole = ask_whether_whole(redundancy);
    }
    return redundancy->is_whole;
}

void redundancy_fail_over(struct redundancy *redundancy) {
    private_sentinels_fail_over(redundancy->sentinels);
    look(redundancy);
}

void redundancy_kill_sentinel(struct redundancy *redundancy, unsigned number) {
    private_sentinels_kill(redundancy->sentinels, number);
    redundancy->killed++;
}

void redundancy_start_sentinel(struct redundancy *redundancy, unsigned number) {
    private_sentinels_restart(redundancy->sentinels, number);
    redundancy->killed--;
}

void redundancy_destroy(struct redundancy *redundancy) {
    if (redundancy != NULL) {
        private_sentinels_destroy(redundancy->sentinels);
        free(redundancy);
    }
}
