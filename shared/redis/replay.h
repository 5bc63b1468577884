// SPDX-License-Identifier: MIT
#ifndef SHARED_REDIS_REPLAY_H
#define SHARED_REDIS_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"

// A dead letter back into its stream: the one call by which ingest replays a single one and a persister many.

struct replay {
    const struct partition_keys *keys; // of the sender's partition
    const char *id;                    // of the message
    int64_t generation;                // that begins: the dead letter's + 1
    const char *payload;               // as message_encode has it
    const struct buf *pair;            // opt_out_pair: not replayed once that has opted out; NULL: it is all the same
    int64_t cap;                       // STREAM_MAX_BACKLOG
    bool recorded;                     // Postgres says that it was replayed; only a repeat under its key is no conflict
    const char *idempotency_key;       // of Redis, or NULL
    const uint8_t *token;              // to be kept under it, REPLAY_TOKEN_SIZE bytes; NULL without a key
    int64_t ttl_ms;                    // of it
    int64_t due_ms;                    // when it is to be sent, ms since 1970; 0: now
};

#define REPLAY_TOKEN_SIZE 32

// Sends the call. Returns 0, or -1 when the link isn't up and nothing was sent. Keeps nothing of replay. The reply is
// WORD_OK, WORD_REPLAY, WORD_REUSED, WORD_ALREADY, WORD_OPTED_OUT or WORD_FULL (words.h).
int replay_send(struct redis_link *link, const struct replay *replay, redis_link_reply done, void *argument) MUST_CHECK;

#endif
