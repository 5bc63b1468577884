// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_STREAM_H
#define SHARED_HTTP_STREAM_H

#include <stddef.h>

#include "shared/base/mem.h"

struct http_request;

// Answers with a body that comes piece by piece, and whose end isn't known yet (chunked, in HTTP/1.1). A client that is
// gone is noticed when something is written, so write now and then.
// most_unsent: bytes that may wait for a client that reads too slowly.
void http_reply_stream(struct http_request *request, unsigned status, const char *content_type, size_t most_unsent);
// HEAD's answer to what would be a stream: a head alone.
void http_reply_stream_head(struct http_request *request, unsigned status, const char *content_type);
// Appends to such an answer; the bytes are copied. Returns 0, or -1 when more than most_unsent would wait: the client
// is dropped then (its on_done follows, not from within this call), and nothing more is sent.
int http_stream_write(struct http_request *request, const char *bytes, size_t length) MUST_CHECK;
// Ends it, after what was written.
void http_stream_end(struct http_request *request);

// The server's: the connection goes away.
void http_stream_break(struct http_request *request);

#endif
