// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_H
#define INGEST_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ingest/idempotency.h"
#include "shared/keys.h"
#include "shared/message.h"
#include "shared/uuid.h"

struct acceptor; // one thread's way into the streams
struct ingest_request;
struct ingest_resources;

// What goes to Redis besides the message.
struct accept_call {
    const struct partition_keys *keys; // of the sender's partition
    struct uuid id;
    bool remembered; // under `key`, for IDEMPOTENCY_TTL_SECS
    char key[IDEMPOTENCY_KEY_SIZE];
    uint8_t token[IDEMPOTENCY_TOKEN_SIZE];
};

// with must outlive it.
struct acceptor *acceptor_create(uv_loop_t *loop, struct ingest_resources *with);
void acceptor_destroy(struct acceptor *acceptor);
// The Redis link came up: makes the partitions known, before which nothing is accepted.
void acceptor_on_up(struct acceptor *acceptor);
void acceptor_on_down(struct acceptor *acceptor);

// The keys of the partition that a message belongs to. Owned by the acceptor.
const struct partition_keys *acceptor_keys(const struct acceptor *acceptor, const struct message *message);

// Puts a message into its stream and answers the request when Redis has, or at once where it can't. Keeps neither
// message nor call.
void accept_message(struct ingest_request *request, const struct message *message, const struct accept_call *call);

#endif
