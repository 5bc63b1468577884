// SPDX-License-Identifier: MIT
#ifndef INGEST_REQUEST_VERDICTS_H
#define INGEST_REQUEST_VERDICTS_H

#include <stdint.h>

#include "shared/provider/signature.h"

// What access/ finds out about a request.

enum origin_verdict {
    ORIGIN_ADMITTED,
    ORIGIN_FOREIGN_HOST,
    ORIGIN_FOREIGN_PAGE,
};

enum access {
    ACCESS_GRANTED,
    ACCESS_BY_SIGNATURE, // it will be decided when the body is there
    ACCESS_NO_KEY,
    ACCESS_WRONG_KEY,
    ACCESS_NO_SCOPE, // a key, but not for this
    ACCESS_NO_SIGNATURE,
    ACCESS_WRONG_SIGNATURE,
    ACCESS_STALE_SIGNATURE,
};

#define API_KEY_NAME_SIZE 33 // 1 to 32 of A-Z a-z 0-9 . _ -

// The window that RateLimit-* speak of.
struct rate_window {
    int64_t limit; // a minute
    int64_t left;
    int64_t reset_secs;
};

enum rate_limit_state {
    LIMIT_NONE,     // the route has none
    LIMIT_DEFERRED, // the call that accepts the message will count it as well
    LIMIT_ASKED,    // the reply is under way
    LIMIT_ADMITTED, // window is the address's
    LIMIT_REFUSED,  // window.reset_secs: when one more is admitted
    LIMIT_UNKNOWN,  // Redis is away or refused the call
};

#endif
