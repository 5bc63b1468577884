// SPDX-License-Identifier: MIT
#include "dispatcher/watch.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/decimal.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

#define BLOCK_MS 5000

struct watch {
    struct redis_link *link;
    struct watch_options options;
    char after[ENTRY_ID_SIZE];
    bool wanted; // until something arrives
    bool asking; // an XREAD is on its way
};

static void watch_ask(struct watch *watch);

static void watch_on_reply(void *argument, enum redis_result result, const redisReply *reply) {
    struct watch *watch = argument;
    watch->asking = false;
    if (result == REDIS_LINK_LOST) { // on_up asks again
        return;
    }
    if (result != REDIS_LINK_OK) {
        // Not repeated at once, lest it runs hot: the lane looks into its stream every second by itself.
        log_error("watch_failed", "%s: %s", watch->options.stream, reply->str);
        watch->wanted = false;
    } else if (reply->type == REDIS_REPLY_ARRAY && watch->wanted) {
        watch->wanted = false;
        watch->options.on_arrival(watch->options.argument);
    } else {
        watch_ask(watch);
    }
}

static void watch_ask(struct watch *watch) {
    const char *argv[] = {"XREAD",     "COUNT", "1", "BLOCK", DECIMAL(BLOCK_MS), "STREAMS", watch->options.stream,
                          watch->after};
    if (!watch->wanted || watch->asking) {
        return;
    }
    if (redis_link_call_blocking(watch->link, BLOCK_MS, watch_on_reply, watch, 8, argv, NULL) == 0) {
        watch->asking = true;
    }
}

static void watch_on_up(void *argument) {
    watch_ask(argument);
}

struct watch *watch_create(const struct dispatch_env *env, const struct watch_options *options) {
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->options = *options;
    watch->link = redis_link_create(env->loop, &(struct redis_link_options){
                                                   .target = env->target,
                                                   .name = options->name,
                                                   .timeout_ms = env->settings->redis_timeout_ms,
                                                   .on_up = watch_on_up,
                                                   .argument = watch,
                                               });
    return watch;
}

void watch_begin(struct watch *watch, const char *after) {
    if (watch->wanted) {
        return;
    }
    snprintf(watch->after, sizeof watch->after, "%s", after);
    watch->wanted = true;
    watch_ask(watch);
}

void watch_destroy(struct watch *watch) {
    watch->wanted = false;
    redis_link_destroy(watch->link);
    free(watch);
}
