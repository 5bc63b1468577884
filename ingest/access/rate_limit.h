// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_RATE_LIMIT_H
#define INGEST_ACCESS_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ingest/request/client_address.h"
#include "shared/base/mem.h"

struct ingest_request;
struct ingest_resources;
struct limiter;

#define LIMIT_KEY_SIZE (CLIENT_LIMIT_KEY_SIZE + sizeof "rate:key:{}")
#define LIMIT_WINDOW_MS 60000

// A POST or PUT counts against its client address's limit. Where the request is for a message and Redis is no cluster,
// the call that accepts the message counts it too (LIMIT_DEFERRED), which saves a turn of Redis.
void rate_limit_begin(struct ingest_request *request);
// For a handler about to answer a request that brings no message: true where it was not counted yet. Then it is
// now, and the request comes again to where this was asked.
bool rate_limit_comes_first(struct ingest_request *request) MUST_CHECK;
// What the address is counted under, for the call that accepts.
void rate_limit_key(const struct ingest_request *request, char out[LIMIT_KEY_SIZE]);
// Counts the request now, with what else its address sends in this turn of the loop. request->limit is LIMIT_ASKED
// until the reply, with which it proceeds.
void rate_limit_ask(struct ingest_request *request);
// The same for one that came with a wrong key or signature, by the address's limit of those.
void rate_limit_ask_failures(struct ingest_request *request);

// One a thread; with outlives it. proceed(request): its limit is no longer LIMIT_ASKED, so that its checks go on.
struct limiter *rate_limiter_create(uv_loop_t *loop, struct ingest_resources *with,
                                    void (*proceed)(struct ingest_request *request));
// with->redis must have been destroyed before: what was not sent yet goes on without a verdict. Frees itself once its
// handle has closed.
void rate_limiter_destroy(struct limiter *limiter);

#endif
