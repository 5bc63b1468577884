// SPDX-License-Identifier: MIT
#ifndef PERSISTER_EVENT_H
#define PERSISTER_EVENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/uuid.h"
#include "shared/message/erasure.h"
#include "shared/message/message.h"
#include "shared/message/opt_out.h"
#include "shared/message/receipt_entry.h"

// One entry of an `events` stream, read from its fields (redis/messaging.lua names them). Anyone can XADD, so nothing
// is trusted: what comes out fits the columns of Postgres.

// An entry's fields travel packed, name and value in turn, each as 4 bytes of length (host order), the bytes and a NUL:
// one run of memory an entry, from which it can be decoded, and shown whole should it turn out to be poison.
void event_pack(struct buf *out, const char *text, size_t length);
// Appends the packed fields as a JSON object. Bytes that aren't UTF-8 become U+FFFD.
void event_json(const char *packed, size_t length, struct buf *out);

enum event_kind {
    EVENT_MESSAGE,
    EVENT_OUTCOME,
    EVENT_REPLAYED,
    EVENT_UNREAD,
    EVENT_REREAD,
    EVENT_RECEIPT,
    EVENT_OPT_OUT,
    EVENT_ERASE
};

// A webhook that can't become a message. Its texts lie in the packed fields.
struct unread_webhook {
    enum channel channel; // of the route that it came to
    const char *hash;     // 64 hexadecimal digits, of channel and body
    const char *field;    // that is wrong; "" the body as a whole
    const char *reason;
    const char *media_type; // "": none, or none that can be told
    const char *address;    // that it came from
    const char *request_id;
    const char *raw; // its body in base64
};

// What a send waits for as it is accepted, or replayed.
enum event_state { EVENT_STATE_QUEUED, EVENT_STATE_HELD, EVENT_STATE_SCHEDULED };

struct event {
    enum event_kind kind;
    char id[UUID_TEXT_SIZE]; // of the message, the opt-out or the erasure; EVENT_UNREAD: ""
    int64_t generation;      // 0 … 2^31-1
    int64_t at_ms; // when it happened, of EVENT_RECEIPT when it came in, of EVENT_ERASE up to when, ms since 1970
    enum event_state state; // EVENT_MESSAGE, EVENT_REPLAYED
    // EVENT_MESSAGE
    struct message message;
    // EVENT_OUTCOME
    enum attempt_verdict verdict;
    int64_t call, delivery; // 0 … 2^31-1
    int64_t due_ms;         // when the next attempt is due; -1: none
    bool late;
    struct attempt attempt; // its strings live in payload
    cJSON *payload;
    struct unread_webhook unread; // EVENT_UNREAD
    const char *letter; // EVENT_REREAD: the hash of the dead letter that the message was; in the packed fields
    struct receipt_entry receipt; // EVENT_RECEIPT
    struct opt_out opt_out;       // EVENT_OPT_OUT
    struct erasure erasure;       // EVENT_ERASE
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
