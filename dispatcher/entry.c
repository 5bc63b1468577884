// SPDX-License-Identifier: MIT
#include "dispatcher/entry.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/uuid.h"
#include "shared/message/format.h"

#define MOST INT32_MAX            // Postgres keeps them as integer
#define MOST_MS 253402300799999LL // the year 9999

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

static bool entry_number(const redisReply *fields, const char *name, int64_t min, int64_t max, int64_t *out) {
    const redisReply *value = entry_field(fields, name);
    if (!value || value->len == 0 || value->str[0] < '0' || value->str[0] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    *out = strtoll(value->str, &end, 10);
    return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

static bool is_newer(const redisReply *fields) {
    int64_t format;
    return entry_number(fields, "v", 0, INT64_MAX, &format) && format > STREAM_FORMAT;
}

static const char *read_token(const redisReply *fields, struct entry *out) {
    const redisReply *message_id = entry_field(fields, "id");
    struct uuid uuid;
    if (!entry_field(fields, "v")) {
        return "the field v is missing";
    }
    if (!message_id || uuid_parse(message_id->str, &uuid) != 0) {
        return "id is not a UUID";
    }
    if (!entry_number(fields, "gen", 0, MOST, &out->generation)) {
        return "gen is not a number";
    }
    if (!entry_number(fields, "call", 1, MOST, &out->call)) {
        return "call is not a number from 1";
    }
    if (!entry_number(fields, "spent", 0, MOST, &out->spent)) {
        return "spent is not a number";
    }
    if (!entry_number(fields, "at", 0, MOST_MS, &out->at_ms)) {
        return "at is not a time in milliseconds since 1970";
    }
    out->message_id = xstrdup(message_id->str); // as it stands: settle compares it bytewise
    return NULL;
}

static const char *read_payload(const redisReply *fields, struct entry *out) {
    const redisReply *payload = entry_field(fields, "p");
    if (!payload) {
        return "the field p is missing";
    }
    const char *why = message_decode(payload->str, (size_t)payload->len, &out->message);
    if (!why && out->message.direction != MESSAGE_OUTBOUND) {
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
    if (is_newer(fields)) {
        *why = "the entry is of a newer format";
        return ENTRY_NEWER;
    }
    *why = read_token(fields, out);
    if (*why) {
        return ENTRY_POISON;
    }
    *why = read_payload(fields, out);
    return *why ? ENTRY_UNREADABLE : ENTRY_READABLE;
}

void entry_free(struct entry *entry) {
    free(entry->message_id);
    message_free(&entry->message);
    entry->message_id = NULL;
}
