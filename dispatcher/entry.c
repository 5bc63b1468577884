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

// A token's fields, as texts; NULL where there is none.
struct token {
    struct entry_words words; // those of m
    const char *id, *generation, *call, *spent, *at, *conversation;
    const redisReply *payload;
};

static void find_packed(const redisReply *packed, struct token *out) {
    entry_words_begin(packed->str, (size_t)packed->len, &out->words);
    out->generation = entry_words_next(&out->words);
    out->call = entry_words_next(&out->words);
    out->spent = entry_words_next(&out->words);
    out->at = entry_words_next(&out->words);
    out->conversation = entry_words_next(&out->words);
}

static void find_token(const redisReply *fields, struct token *out) {
    const redisReply *packed = entry_field(fields, "m");
    *out = (struct token){.id = redis_reply_field(fields, "id", NULL), .payload = entry_field(fields, "p")};
    if (packed != NULL) {
        find_packed(packed, out);
        return;
    }
    out->generation = redis_reply_field(fields, "gen", NULL);
    out->call = redis_reply_field(fields, "call", NULL);
    out->spent = redis_reply_field(fields, "spent", NULL);
    out->at = redis_reply_field(fields, "at", NULL);
}

static const char *read_token(const struct token *token, struct entry *out) {
    struct entry_head head;
    const char *why = entry_head_read(token->id, token->generation, token->at, &head);
    if (why != NULL) {
        return why;
    }
    if (!entry_integer(token->call, 1, ENTRY_MOST, &out->call)) {
        return "call is not an integer of 1 to 2147483647";
    }
    if (!entry_integer(token->spent, 0, ENTRY_MOST, &out->spent)) {
        return "spent is not an integer of 0 to 2147483647";
    }
    if (token->conversation != NULL && strcmp(token->conversation, "-") != 0) {
        if (strlen(token->conversation) >= sizeof out->conversation) {
            return "conversation is longer than 16 characters";
        }
        strcpy(out->conversation, token->conversation);
    }
    out->generation = head.generation;
    out->at_ms = head.at_ms;
    out->message_id = xstrdup(token->id); // as it stands: settle compares it bytewise
    return NULL;
}

static const char *read_payload(const struct token *token, struct entry *out) {
    if (token->payload == NULL) {
        return "the field p is missing";
    }
    const char *why = message_decode(token->payload->str, (size_t)token->payload->len, &out->message);
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
    struct token token;
    find_token(fields, &token);
    *why = format == ENTRY_FORMAT_OURS ? read_token(&token, out) : *why;
    if (*why != NULL) {
        return ENTRY_POISON;
    }
    *why = read_payload(&token, out);
    return *why != NULL ? ENTRY_UNREADABLE : ENTRY_READABLE;
}

void entry_free(struct entry *entry) {
    free(entry->message_id);
    message_free(&entry->message);
    entry->message_id = NULL;
}
