// SPDX-License-Identifier: MIT
#ifndef PERSISTER_EVENT_H
#define PERSISTER_EVENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"

// One entry of an `events` stream, read from its fields (redis/messaging.lua names them). Anyone can XADD, so nothing
// is trusted: what comes out fits the columns of Postgres.

// An entry's fields travel packed, name and value in turn, each as 4 bytes of length (host order), the bytes and a NUL:
// one run of memory an entry, from which it can be decoded, and shown whole should it turn out to be poison.
void event_pack(struct buf *out, const char *text, size_t length);
// Appends the packed fields as a JSON object. Bytes that aren't UTF-8 become U+FFFD.
void event_json(const char *packed, size_t length, struct buf *out);

enum event_kind { EVENT_MESSAGE, EVENT_OUTCOME, EVENT_REPLAYED };

struct event {
    enum event_kind kind;
    char id[UUID_TEXT_SIZE]; // of the message
    int64_t generation;      // 0 … 2^31-1
    int64_t at_ms;           // when it happened, ms since 1970
    // EVENT_MESSAGE
    struct message message;
    // EVENT_OUTCOME
    enum attempt_verdict verdict;
    int64_t call, delivery; // 0 … 2^31-1
    int64_t due_ms;         // when the next attempt is due; -1: none
    bool late;
    struct attempt attempt; // its strings live in payload
    cJSON *payload;
};

enum event_result {
    EVENT_OK,
    EVENT_NEWER,  // its format is a newer release's
    EVENT_POISON, // it can't be understood, now or ever; *reason says why, as long as packed is there
};

// Decodes into *out, which is empty unless the result is EVENT_OK; then released with event_free.
enum event_result event_decode(const char *packed, size_t length, struct event *out, const char **reason) MUST_CHECK;
void event_free(struct event *event);

#endif
