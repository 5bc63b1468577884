// SPDX-License-Identifier: MIT
#include "ingest/accept/durability.h"

#include <string.h>

#include "shared/base/log.h"

static const struct {
    const char *name;
    const char *wanted;
    const char *otherwise;
} expectations[] = {
    {"appendonly", "yes", "accepted messages are lost when Redis restarts"},
    {"appendfsync", "always", "the last accepted messages can be lost when Redis or its machine dies"},
    {"maxmemory-policy", "noeviction", "Redis may drop accepted messages when its memory is full"},
};

static void durability_check_setting(const char *name, const char *value) {
    for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
        if (strcmp(name, expectations[i].name) == 0 && strcmp(value, expectations[i].wanted) != 0) {
            log_warn("redis_not_durable", "%s is %s, not %s: %s", name, value, expectations[i].wanted,
                     expectations[i].otherwise);
        }
    }
    if (strcmp(name, "maxmemory") == 0 && strcmp(value, "0") == 0) {
        log_warn("redis_unbounded", "maxmemory is 0: Redis may take all of the machine's memory");
    }
}

static void durability_on_config(void *argument, enum redis_result result, const redisReply *reply) {
    (void)argument;
    if (result == REDIS_LINK_ERROR) { // a hosted Redis may forbid CONFIG
        log_warn("redis_not_checked", "whether Redis keeps what it accepts is unknown: %s", reply->str);
    }
    if (result != REDIS_LINK_OK || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }
    for (size_t i = 0; i + 1 < reply->elements; i += 2) {
        durability_check_setting(reply->element[i]->str, reply->element[i + 1]->str);
    }
}

void durability_check(struct redis_link *redis) {
    const char *arguments[] = {"CONFIG", "GET", "appendonly", "appendfsync", "maxmemory-policy", "maxmemory"};
    (void)!redis_link_call(redis, durability_on_config, NULL, 6, arguments, NULL);
}
