// SPDX-License-Identifier: MIT
#ifndef INGEST_ACCESS_ORIGIN_H
#define INGEST_ACCESS_ORIGIN_H

#include <stdbool.h>

#include "shared/base/mem.h"

struct ingest_request;

// What pages in browsers may do here. A page of another origin must not write: it can send what needs no leave of ours
// (a POST without a body, say), and never sees the answer, but the deed is done. Nor may a page whose own name was made
// to lead to this machine, to the browser this is then the page's origin (DNS rebinding): where no key stops it,
// /api is served under names alone that nobody else can point here. Who isn't a browser sends neither Origin nor
// Sec-Fetch-Site, and passes.

// Decides request->origin by its headers, the route having been found.
void origin_read_headers(struct ingest_request *request);
// Whether it is admitted; if not, it has answered 403.
bool origin_check(struct ingest_request *request) MUST_CHECK;

// CORS (WHATWG Fetch, 3.2), off unless CORS_ALLOWED_ORIGINS lists an origin: lets such an origin's page read the
// answer.
void origin_add_headers(struct ingest_request *request);
// Whether the request is OPTIONS where CORS is on; then it has been answered, a listed origin's page with leave to send
// what the route takes.
bool origin_answer_options(struct ingest_request *request) MUST_CHECK;

#endif
