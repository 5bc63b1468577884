// SPDX-License-Identifier: MIT
#include "tests/support/reply.h"

#include <stdlib.h>
#include <string.h>

static const redisReply *element(const redisReply *reply, size_t index) {
    if (reply == NULL) {
        return NULL;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        return index == 0 ? reply : NULL;
    }
    return index < reply->elements ? reply->element[index] : NULL;
}

size_t reply_count(const redisReply *reply) {
    return reply == NULL ? 0 : reply->type == REDIS_REPLY_ARRAY ? reply->elements : 1;
}

const char *reply_text(const redisReply *reply, size_t index) {
    const redisReply *at = element(reply, index);
    bool has_text = at != NULL &&
                    (at->type == REDIS_REPLY_STRING || at->type == REDIS_REPLY_STATUS || at->type == REDIS_REPLY_ERROR);
    return has_text ? at->str : "";
}

int64_t reply_int(const redisReply *reply, size_t index) {
    const redisReply *at = element(reply, index);
    if (at == NULL || at->type == REDIS_REPLY_NIL) {
        return INT64_MIN;
    }
    return at->type == REDIS_REPLY_INTEGER ? at->integer : strtoll(reply_text(reply, index), NULL, 10);
}

const char *reply_field(const redisReply *reply, const char *name) {
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        if (strcmp(reply_text(reply, i), name) == 0) {
            return reply_text(reply, i + 1);
        }
    }
    return "";
}
