// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_ACCEPTANCE_H
#define INGEST_ACCEPT_ACCEPTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingest/accept/idempotency.h"
#include "shared/message/message.h"

struct ingest_request;
struct opt_out;

// The hash of an Idempotency-Key with its scope, and the payload's.
struct undecided_key {
    uint8_t bytes[2 * IDEMPOTENCY_HASH_SIZE];
};

// What accept/ keeps of a request that writes to Redis: its state, or the first member of its state. The handler makes
// it (request_state) before it calls anything of accept/.
struct acceptance {
    bool has_key;            // an Idempotency-Key was given
    bool call_repeated;      // after NO_LIBRARY
    bool former_asked;       // former.c has looked elsewhere for its key
    size_t recipient;        // 1 and more: which of several was found to be ours (ours.c); 0: not asked for yet
    char *sender;            // normalized, owned: of a send that Redis is told of by ours_add; NULL: it isn't
    enum provider provider;  // the sender's
    int64_t sent_ms;         // when its call went to Redis, monotonic
    int64_t waits_ms;        // since when it waits in format_wait.c, clock_boot_ms; 0: it doesn't
    struct opt_out *opt_out; // what an inbound message says of its pair, owned; NULL: nothing
    bool repeated;           // it was accepted before
    bool has_name;           // a send with an Idempotency-Key has the name that follows (undecided.c)
    struct undecided_key undecided;
    // What answers a message that was accepted: of those that come by acceptor_message.
    void (*accepted)(struct ingest_request *request, bool replayed);
    // What the answer will be once the replicas have it, and whether it says that it is a repeat.
    void (*answer)(struct ingest_request *request, bool replayed);
    bool is_replay;
    struct ingest_request *next_held; // in a queue of replicas.c, or of format_wait.c
};

#endif
