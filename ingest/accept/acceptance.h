// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_ACCEPTANCE_H
#define INGEST_ACCEPT_ACCEPTANCE_H

#include <stdbool.h>
#include <stdint.h>

struct ingest_request;

// What accept/ keeps of a request that writes to Redis: its state, or the first member of its state. The handler makes
// it (request_state) before it calls anything of accept/.
struct acceptance {
    bool has_key;       // an Idempotency-Key was given
    bool call_repeated; // after NO_LIBRARY
    bool former_asked;  // former.c has looked elsewhere for its key
    int64_t sent_ms;    // when its call went to Redis, monotonic
    // What the answer will be once the replicas have it, and whether it says that it is a repeat.
    void (*answer)(struct ingest_request *request, bool replayed);
    bool is_replay;
    struct ingest_request *next_held; // in a queue of replicas.c
};

#endif
