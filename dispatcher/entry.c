// SPDX-License-Identifier: MIT
#include "dispatcher/entry.h"

#include <stdlib.h>
#include <string.h>

#include "shared/message/entry.h"
#include "shared/redis/reply.h"

static const redisReply *entry_field(const redisReply *fields, const char *name) {
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *key = fields->element[i];
        const redisReply *value = fields->element[i + 1];
        if (key->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING && strcmp(key->str, name) == 0) {
            return value;
        }
    }
    return NULL;
}

static const char *read_token(const redisReply *fields, struct entry *out) {
    const char *message_id = redis_reply_field(fields, "id", NULL);
    struct entry_head head;
    const char *why = entry_head_read(message_id, redis_reply_field(fields, "gen", NULL),
                                      redis_reply_field(fields, "at", NULL), &head);
    if (why != NULL) {
        return why;
    }
    if (!entry_integer(redis_reply_field(fields, "call", NULL), 1, ENTRY_MOST, &out->call)) {
        return "call is not an integer of 1 to 2147483647";
    }
    if (!entry_integer(redis_reply_field(fields, "spent", NULL), 0, ENTRY_MOST, &out->spent)) {
        return "spent is not an integer of 0 to 2147483647";
    }
    out->generation = head.generation;
    out->at_ms = head.at_ms;
    out->message_id = xstrdup(message_id); // as it stands: settle compares it bytewise
    return NULL;
}

static const char *read_payload(const redisReply *fields, struct entry *out) {
    const redisReply *payload = entry_field(fields, "p");
    if (payload == NULL) {
        return "the field p is missing";
    }
    const char *why = message_decode(payload->str, (size_t)payload->len, &out->message);
    if (why == NULL && out->message.direction != MESSAGE_OUTBOUND) {
        message_free(&out->message);
        why = "the message is not outbound";
    }
    return why;
}

enum entry_kind entry_read(const redisReply *id, const redisReply *fields, struct entry *out, const char **why) {
    *out = (struct entry){0};
    *why = NULL;
    if (id->type == REDIS_REPLY_STRING) {
        strncat(out->id, id->str, ENTRY_ID_SIZE - 1);
    }
    if (fields->type != REDIS_REPLY_ARRAY) {
        *why = "the entry has no fields";
        return ENTRY_POISON;
    }
    enum entry_format format = entry_format(redis_reply_field(fields, "v", NULL), why);
    if (format == ENTRY_FORMAT_NEWER) {
        *why = "the entry is of a newer format";
        return ENTRY_NEWER;
    }
    *why = format == ENTRY_FORMAT_OURS ? read_token(fields, out) : *why;
    if (*why != NULL) {
        return ENTRY_POISON;
    }
    *why = read_payload(fields, out);
    return *why != NULL ? ENTRY_UNREADABLE : ENTRY_READABLE;
}

void entry_free(struct entry *entry) {
    free(entry->message_id);
    message_free(&entry->message);
    entry->message_id = NULL;
}
