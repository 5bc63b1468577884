// SPDX-License-Identifier: MIT
#ifndef INGEST_LIMITS_H
#define INGEST_LIMITS_H

#include <stdint.h>
#include <uv.h>

struct ingest_request;
struct ingest_resources;
struct limiter;

#define LIMIT_WINDOW_MS 60000
#define LIMIT_WINDOW_MS_TEXT "60000"

// The window that RateLimit-* speak of.
struct rate_window {
    int64_t limit; // a minute
    int64_t left;
    int64_t reset_secs;
};

enum limit_state {
    LIMIT_NONE,     // the route has none
    LIMIT_ASKED,    // the reply is under way
    LIMIT_ADMITTED, // window is the address's
    LIMIT_REFUSED,  // window.reset_secs: when one more is admitted
    LIMIT_UNKNOWN,  // Redis is away or refused the call
};

// Counts a POST or PUT of the request's client address, with what else it sends in this turn of the loop.
// request->limit is LIMIT_ASKED until the reply, which leads to ingest_request_proceed.
void limit_ask(struct ingest_request *request);
// The same for one that came with a wrong key or signature, by the address's limit of those.
void limit_ask_failures(struct ingest_request *request);

// One a thread; with outlives it.
struct limiter *limiter_create(uv_loop_t *loop, struct ingest_resources *with);
// with->redis must have been destroyed before: what was not sent yet goes on without a verdict. Frees itself once its
// handle has closed.
void limiter_destroy(struct limiter *limiter);

#endif
