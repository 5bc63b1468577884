// SPDX-License-Identifier: MIT
#ifndef DISPATCHER_ENTRY_H
#define DISPATCHER_ENTRY_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "shared/base/mem.h"
#include "shared/message/conversation.h"
#include "shared/message/entry.h"
#include "shared/message/message.h"

// An entry of an `outbound` stream (redis/messaging.lua has its fields).
struct entry {
    char id[ENTRY_ID_SIZE]; // the stream's
    char *message_id;
    int64_t generation;
    int64_t call;                         // the number of the call that is due, from 1
    int64_t spent;                        // failures so far that count as attempts
    int64_t at_ms;                        // when this generation began, or was to be sent, ms since 1970
    char conversation[CONVERSATION_SIZE]; // whose turn it has; "": it takes none
    struct message message;               // empty where the entry is not ENTRY_READABLE
};

enum entry_kind {
    ENTRY_READABLE,
    ENTRY_NEWER,      // of a newer release: not ours to judge
    ENTRY_UNREADABLE, // the token is whole, but its payload can't be read: it can be settled as failed
    ENTRY_POISON,     // not even a token
};

// Takes an entry as XREADGROUP and claim return it: its id, and its fields as a flat array. Anyone can XADD, so nothing
// is trusted. *why gets a static sentence unless it is ENTRY_READABLE. *out is to be released with entry_free.
enum entry_kind entry_read(const redisReply *id, const redisReply *fields, struct entry *out,
                           const char **why) MUST_CHECK;
void entry_free(struct entry *entry);

#endif
