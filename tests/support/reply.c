// SPDX-License-Identifier: MIT
#include "tests/support/reply.h"

#include <stdio.h>
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

// What is packed into an entry's field m (redis/messaging.lua): events begin with their kind, tokens with a number.
static const char *packed_names(const char *m) {
    static const char *const kinds[] = {
        "accepted k gen at state", "received k gen at state", "outcome k gen at call n verdict due late",
        "replayed k gen at state", "receipt k gen at",        "optout k gen at",
        "erase k gen at"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strcspn(kinds[i], " ");
        if (strncmp(kinds[i], m, length) == 0 && m[length] == ' ') {
            return kinds[i] + length + 1;
        }
    }
    return "gen call spent at conversation";
}

// Of a word that is no text ("-", and a `late` of 0) "" as where there is no such field. Valid until 64 others were
// asked.
static const char *packed_field(const char *m, const char *name) {
    static char kept[64][64];
    static unsigned next;
    for (const char *names = packed_names(m); *names != '\0'; names += strcspn(names, " "), names += *names == ' ') {
        size_t word = strcspn(m, " "), length = strcspn(names, " ");
        if (strlen(name) == length && strncmp(name, names, length) == 0) {
            bool is_none = (word == 1 && *m == '-') || (strcmp(name, "late") == 0 && *m == '0');
            char *out = kept[next++ % 64];
            snprintf(out, sizeof kept[0], "%.*s", is_none ? 0 : (int)word, m);
            return out;
        }
        m += word + (m[word] == ' ');
    }
    return "";
}

const char *reply_field(const redisReply *reply, const char *name) {
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        if (strcmp(reply_text(reply, i), name) == 0) {
            return reply_text(reply, i + 1);
        }
    }
    return strcmp(name, "m") != 0 ? packed_field(reply_field(reply, "m"), name) : "";
}
