// SPDX-License-Identifier: MIT
#include "shared/redis/reply.h"

#include <stdlib.h>
#include <string.h>

static const redisReply *element_of(const redisReply *list, size_t index) {
    return list->type == REDIS_REPLY_ARRAY && index < list->elements ? list->element[index] : NULL;
}

const char *redis_reply_text(const redisReply *list, size_t index, const char *otherwise) {
    const redisReply *element = element_of(list, index);
    return element != NULL && (element->type == REDIS_REPLY_STRING || element->type == REDIS_REPLY_STATUS)
               ? element->str
               : otherwise;
}

int64_t redis_reply_number(const redisReply *list, size_t index, int64_t otherwise) {
    const redisReply *element = element_of(list, index);
    if (element != NULL && element->type == REDIS_REPLY_INTEGER) {
        return element->integer;
    }
    const char *text = redis_reply_text(list, index, NULL);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

const char *redis_reply_field(const redisReply *pairs, const char *name, const char *otherwise) {
    for (size_t i = 0; element_of(pairs, i + 1) != NULL; i += 2) {
        if (strcmp(redis_reply_text(pairs, i, ""), name) == 0) {
            return redis_reply_text(pairs, i + 1, otherwise);
        }
    }
    return otherwise;
}

const redisReply *redis_reply_entries(const redisReply *reply) {
    const redisReply *stream = element_of(reply, 0);
    const redisReply *entries = stream != NULL ? element_of(stream, 1) : NULL;
    return entries != NULL && reply->elements == 1 && entries->type == REDIS_REPLY_ARRAY ? entries : NULL;
}

const char *redis_info_text(const redisReply *info, const char *name, const char *otherwise) {
    size_t length = strlen(name);
    for (const char *line = info->type == REDIS_REPLY_STRING ? info->str : NULL; line != NULL;
         line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            return line + length + 1;
        }
    }
    return otherwise;
}

int64_t redis_info_number(const redisReply *info, const char *name, int64_t otherwise) {
    const char *text = redis_info_text(info, name, NULL);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}
