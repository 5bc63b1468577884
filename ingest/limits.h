// SPDX-License-Identifier: MIT
#ifndef INGEST_LIMITS_H
#define INGEST_LIMITS_H

#include <stdint.h>

struct ingest_request;

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

// Counts a POST or PUT of the request's client address. Sets request->limit, at once where Redis is away; the reply
// leads to ingest_request_proceed.
void limit_ask(struct ingest_request *request);
// The same for one that came with a wrong key or signature, by the address's limit of those.
void limit_ask_failures(struct ingest_request *request);

#endif
