// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_FILTER_H
#define SHARED_HTTP_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"

struct http_request;

// What the body of a request goes through as it comes, piece by piece: what a filter appends to `out` is the body that
// http_body gives, and that counts against the budget.
struct http_filter {
    void (*take)(void *state, const char *bytes, size_t length, struct buf *out);
    // The body is complete.
    void (*end)(void *state, struct buf *out);
    // Called once, with the request's end at the latest.
    void (*free)(void *state);
    void *state;
    size_t most; // bytes that it appends at most in all
};

// Sets the filter, whose state is the request's from here on; within on_headers only, and once.
void http_set_filter(struct http_request *request, const struct http_filter *filter);
// Bytes of the body as it is sent, instead of the server's max_body; within on_headers only. Of a body that is longer
// than HTTP_RENEWING_BYTES each such stretch that has come renews the time within which it must be complete.
void http_set_max_body(struct http_request *request, uint64_t bytes);
// How many it may have.
uint64_t http_max_body(const struct http_request *request);
enum { HTTP_RENEWING_BYTES = 1024 * 1024 };

#endif
