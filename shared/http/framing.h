// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_FRAMING_H
#define SHARED_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buf.h"
#include "shared/http/head.h"

// The bytes that a client sends on one connection, told apart: heads and bodies, one behind the other. Each head, and
// each chunk's bounds, is judged as a whole before anybody else reads any of it.

enum http_framing_part {
    HTTP_PART_HEAD,
    HTTP_PART_BODY,        // of a declared length
    HTTP_PART_CHUNK_BEGIN, // a chunk's size and extension
    HTTP_PART_CHUNK,
    HTTP_PART_CHUNK_END, // the line end behind a chunk
    HTTP_PART_TRAILER,
};

// Zero-initialised is the begin of a connection.
struct http_framing {
    enum http_framing_part part;
    struct http_head head;
    struct buf held;             // the begin of a head, or of a chunk's line, whose end has not come
    size_t line_at;              // in it, its last line
    uint64_t left;               // of the body, or of the chunk
    size_t trailers;             // bytes
    uint64_t requests;           // whose heads have been taken whole
    struct http_refusal refusal; // once something has been refused
};

// Takes what the client has sent next, and appends what may be passed on to `out`: all but the extensions of chunks and
// the trailers. Once something is refused nothing of it is, nor of what comes behind it.
void http_framing_take(struct http_framing *framing, const char *bytes, size_t length, struct buf *out);
// Whether what was refused lies in a body, and not in a head.
bool http_framing_is_in_body(const struct http_framing *framing);
// Whether a request has begun that isn't whole.
bool http_framing_is_within(const struct http_framing *framing);
void http_framing_free(struct http_framing *framing);

#endif
