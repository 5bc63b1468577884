// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_ACCESS_H
#define INGEST_ACCESS_ACCESS_H

#include <stdbool.h>

#include "shared/base/mem.h"

struct ingest_request;

// Who may do what: keys for /api, signatures for the webhooks. Where neither is configured, nothing is looked at.
//
// Wrong ones are counted per client address in Redis's limiter, and answered 429 once they are too many. A right key
// always gets in, whatever others behind its address have tried: the limit is there to keep guessing slow and the log
// short, and 256 random bits are not guessed.

// Decides request->access by its headers, the route having been found; answers at once where that can be.
void access_read_headers(struct ingest_request *request);
// The whole of the request is there: decides what access_read_headers left open.
void access_read_body(struct ingest_request *request);
// Whether it is granted; if not, it has answered.
bool access_check(struct ingest_request *request) MUST_CHECK;
// For an answer that goes on and on: whether the key by which it was granted still is one, with the scope that it
// needs.
bool access_holds(const struct ingest_request *request) MUST_CHECK;

#endif
