// SPDX-License-Identifier: MIT
#include "tests/support/private_redis.h"

#include <check.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "tests/support/child.h"
#include "tests/support/deadline.h"
#include "tests/support/port.h"

enum { MOST_ARGUMENTS = 32 };

struct private_redis {
    char folder[64];
    uint16_t port;
    char *url;
    const char *const *extra;
    struct child *child;
};

static bool answers(const struct private_redis *redis) {
    redisContext *context = redisConnect("127.0.0.1", redis->port);
    redisReply *reply = context && context->err == 0 ? redisCommand(context, "PING") : NULL;
    bool yes = reply != NULL; // an error, too: NOAUTH
    freeReplyObject(reply);
    redisFree(context);
    return yes;
}

static void start(struct private_redis *redis) {
    char port[8];
    const char *argv[MOST_ARGUMENTS] = {"redis-server", "--port", port,    "--bind",     "127.0.0.1", "--save", "",
                                        "--appendonly", "no",     "--dir", redis->folder};
    size_t count = 11;
    for (size_t i = 0; redis->extra && redis->extra[i] && count < MOST_ARGUMENTS - 1; i++) {
        argv[count++] = redis->extra[i];
    }
    snprintf(port, sizeof port, "%u", (unsigned)redis->port);
    const struct child_options options = {
        .name = "redis", .folder = redis->folder, .argv = argv, .death_signal = SIGKILL};
    redis->child = child_start(&options);
    WAIT_FOR(10000, answers(redis));
}

struct private_redis *private_redis_start(const char *const *extra) {
    struct private_redis *redis = xcalloc(1, sizeof *redis);
    snprintf(redis->folder, sizeof redis->folder, "/tmp/private-redis-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(redis->folder));
    redis->port = free_port();
    redis->url = xasprintf("redis://127.0.0.1:%u", (unsigned)redis->port);
    redis->extra = extra;
    start(redis);
    return redis;
}

uint16_t private_redis_port(const struct private_redis *redis) {
    return redis->port;
}

const char *private_redis_url(const struct private_redis *redis) {
    return redis->url;
}

const char *private_redis_folder(const struct private_redis *redis) {
    return redis->folder;
}

void private_redis_freeze(struct private_redis *redis) {
    child_signal(redis->child, SIGSTOP);
}

void private_redis_thaw(struct private_redis *redis) {
    child_signal(redis->child, SIGCONT);
}

void private_redis_kill(struct private_redis *redis) {
    child_destroy(redis->child);
    redis->child = NULL;
}

void private_redis_restart(struct private_redis *redis) {
    if (redis->child) {
        private_redis_kill(redis);
    }
    start(redis);
}

redisReply *private_redis_command(const struct private_redis *redis, const char *format, ...) {
    va_list arguments;
    redisContext *context = redisConnect("127.0.0.1", redis->port);
    ck_assert_msg(context && context->err == 0, "no connection to the private Redis");
    va_start(arguments, format);
    redisReply *reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    ck_assert_ptr_nonnull(reply);
    ck_assert_msg(reply->type != REDIS_REPLY_ERROR, "%s: %s", format, reply->str);
    redisFree(context);
    return reply;
}

void private_redis_do(const struct private_redis *redis, const char *command) {
    freeReplyObject(private_redis_command(redis, command));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void private_redis_destroy(struct private_redis *redis) {
    if (redis->child) {
        private_redis_kill(redis);
    }
    nftw(redis->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(redis->url);
    free(redis);
}
