// SPDX-License-Identifier: MIT
#include "dispatcher/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"

enum {
    TICKS_PER_LOOK = 5,
    MOST_LANES = 1024, // two providers of the most partitions, twice
    MOST_PARTITION_DIGITS = 6,
};

struct lanes {
    const struct dispatch_env *env;
    struct lanes_options options;
    struct lane **all;
    size_t count;
    unsigned ticks;
    bool stopping;
    bool complained; // about a tag that can't be ours
};

// The provider of a tag "provider:partition"; false when it is no such thing.
static bool parse_tag(const char *tag, enum provider *provider) {
    const char *colon = strchr(tag, ':');
    char name[KEY_SIZE];
    if (!colon || (size_t)(colon - tag) >= sizeof name) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(colon - tag), tag);
    size_t digits = strspn(colon + 1, "0123456789");
    return digits > 0 && digits <= MOST_PARTITION_DIGITS && colon[1 + digits] == '\0' &&
           provider_parse(name, provider) == 0;
}

static bool lanes_is_served(const struct lanes *lanes, const char *tag) {
    for (size_t i = 0; i < lanes->count; i++) {
        if (strcmp(lane_keys(lanes->all[i])->tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

static void lanes_serve(struct lanes *lanes, const char *tag) {
    enum provider provider;
    if (lanes_is_served(lanes, tag)) {
        return;
    }
    if (!parse_tag(tag, &provider) || lanes->count == MOST_LANES) {
        if (!lanes->complained) {
            log_warn("partition_ignored", "the set %s holds '%s', which can't be a partition in use", KEY_PARTITIONS,
                     tag);
        }
        lanes->complained = true;
        return;
    }
    struct upstream *upstream = lanes->options.upstreams[provider];
    struct lane *lane = lane_create(lanes->env, &(struct lane_options){
                                                    .tag = tag,
                                                    .upstream = upstream,
                                                    .settler = lanes->options.settler,
                                                    .on_idle = lanes->options.on_idle,
                                                    .argument = lanes->options.argument,
                                                });
    lanes->all = xrealloc(lanes->all, (lanes->count + 1) * sizeof(struct lane *));
    lanes->all[lanes->count++] = lane;
    heartbeat_serve(lanes->env->heartbeat, tag);
    if (redis_link_is_up(lanes->env->link)) {
        lane_up(lane);
    }
}

static void lanes_on_members(void *argument, enum redis_result result, const redisReply *reply) {
    struct lanes *lanes = argument;
    if (result == REDIS_LINK_ERROR) {
        log_error("partitions_failed", "SMEMBERS %s: %s", KEY_PARTITIONS, reply->str);
    }
    if (result != REDIS_LINK_OK || lanes->stopping || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->str) {
            lanes_serve(lanes, reply->element[i]->str);
        }
    }
}

static void lanes_look(struct lanes *lanes) {
    const char *argv[] = {"SMEMBERS", KEY_PARTITIONS};
    if (redis_link_call(lanes->env->link, lanes_on_members, lanes, 2, argv, NULL) != 0) {
        log_debug("partitions_skipped", "Redis is away");
    }
}

static void serve_own(struct lanes *lanes) {
    for (int64_t partition = 0; partition < lanes->env->settings->stream_partitions; partition++) {
        for (int provider = 0; provider < PROVIDER_COUNT; provider++) {
            char *tag = xasprintf("%s:%lld", provider_name((enum provider)provider), (long long)partition);
            lanes_serve(lanes, tag);
            free(tag);
        }
    }
}

void lanes_up(struct lanes *lanes) {
    for (size_t i = 0; i < lanes->count; i++) {
        lane_up(lanes->all[i]);
    }
    lanes_look(lanes);
}

void lanes_down(struct lanes *lanes) {
    for (size_t i = 0; i < lanes->count; i++) {
        lane_down(lanes->all[i]);
    }
}

void lanes_tick(struct lanes *lanes) {
    for (size_t i = 0; i < lanes->count; i++) {
        lane_tick(lanes->all[i]);
    }
    if (!lanes->stopping && ++lanes->ticks % TICKS_PER_LOOK == 0) {
        lanes_look(lanes);
    }
}

void lanes_stop(struct lanes *lanes) {
    lanes->stopping = true;
    for (size_t i = 0; i < lanes->count; i++) {
        lane_stop(lanes->all[i]);
    }
}

bool lanes_are_idle(const struct lanes *lanes) {
    for (size_t i = 0; i < lanes->count; i++) {
        if (!lane_is_idle(lanes->all[i])) {
            return false;
        }
    }
    return true;
}

struct lanes *lanes_create(const struct dispatch_env *env, const struct lanes_options *options) {
    struct lanes *lanes = xcalloc(1, sizeof *lanes);
    lanes->env = env;
    lanes->options = *options;
    serve_own(lanes);
    return lanes;
}

void lanes_destroy(struct lanes *lanes) {
    for (size_t i = 0; i < lanes->count; i++) {
        lane_destroy(lanes->all[i]);
    }
    free(lanes->all);
    free(lanes);
}
