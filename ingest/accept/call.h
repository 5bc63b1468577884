// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_CALL_H
#define INGEST_ACCEPT_CALL_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "ingest/accept/idempotency.h"
#include "shared/base/uuid.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"
#include "shared/redis/link.h"

// The calls of redis/messaging.lua's accept: what comes in within one turn of the loop goes out in one for each
// partition, because a call costs Redis more than a message does.

struct accept_calls;
struct ingest_request;
struct ingest_resources;

// What Redis shall know a message by.
struct accept_identity {
    const struct partition_keys *keys; // of the sender's partition
    struct uuid id;
    bool remembered; // under `key`, for IDEMPOTENCY_TTL_SECS
    char key[IDEMPOTENCY_KEY_SIZE];
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
    const uint8_t *signature; // SIGNATURE_ID_SIZE bytes; NULL: it has none, or is counted for it already
};

struct accept_outcomes {
    // What became of one message. reply, valid meanwhile only: REDIS_LINK_OK, its own verdict, an array, or NULL where
    // the call's reply has another shape; REDIS_LINK_ERROR, its own or the whole call's.
    void (*replied)(struct ingest_request *request, enum redis_result result, const redisReply *reply);
    void (*not_sent)(struct ingest_request *request); // the link isn't up
};

// keys: of all partitions, `partitions` in number; they, and `with`, outlive it.
struct accept_calls *accept_calls_create(uv_loop_t *loop, struct ingest_resources *with,
                                         const struct partition_keys *keys, size_t partitions,
                                         const struct accept_outcomes *outcomes);
// with->redis must have been destroyed before: what was not sent yet is not_sent. Frees itself once its handle has
// closed.
void accept_calls_destroy(struct accept_calls *calls);

// Puts a message into the call of this turn. Keeps neither message nor identity. The request will be replied to or
// not_sent, unless nobody waits for it any more.
void accept_calls_add(struct accept_calls *calls, struct ingest_request *request, const struct message *message,
                      const struct accept_identity *identity);

#endif
