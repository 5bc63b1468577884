// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCEPT_FORMER_H
#define INGEST_ACCEPT_FORMER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/mem.h"
#include "shared/message/message.h"
#include "shared/redis/keys.h"

// Where what is remembered of a sender lay before STREAM_PARTITIONS was changed, for as long as it is remembered: a
// repeat under an Idempotency-Key must find its first there.

struct former; // one thread's knowledge of the other numbers of partitions in use
struct ingest_request;
struct ingest_resources;

// with must outlive it.
struct former *former_create(uv_loop_t *loop, struct ingest_resources *with);
// with->redis must have been destroyed before. Frees itself once its handle has closed.
void former_destroy(struct former *former);
// The Redis link came up: says which number this process uses, and asks for the others. What is called after this is
// answered after that.
void former_on_up(struct former *former);

// What to look for.
struct former_wish {
    const struct partition_keys *keys; // where it lies now
    const struct message *message;
    const char *key;     // the Idempotency-Key; NULL: none
    const char *guarded; // the id of a message that is replayed, as that generation, or a webhook's hash; NULL: none is
    int64_t generation;
};

// Brings what is found in a former place to where it lies now. Returns false where there is nothing to ask: go on. Else
// the route's handler runs again when it is done, and gets false then; or the request is answered 503, nothing having
// been written. Keeps nothing of the wish.
bool former_ask(struct ingest_request *request, const struct former_wish *wish) MUST_CHECK;

#endif
