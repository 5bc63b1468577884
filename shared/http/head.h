// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_HEAD_H
#define SHARED_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/mem.h"

// A request's head, judged line by line: its syntax, its size, and how long the body behind it is. Of two ways to
// understand one there must be no choice (RFC 9112, 3, 5 and 6). What the target and Host name is not judged here.

// What a head may cost: its bytes, and what libmicrohttpd adds to each header, parameter and cookie.
enum { HTTP_HEAD_MOST = 8192 };

struct http_refusal {
    unsigned status; // 400, 413, 414, 431 or 505; 0: nothing has been refused
    const char *why; // a literal
};

struct http_head {
    size_t cost;
    bool has_request_line;
    bool is_http_1_0;
    unsigned hosts, lengths, encodings;
    uint64_t content_length;     // once it is whole; 0 where it is chunked
    struct http_refusal refusal; // of HTTP_HEAD_REFUSED
};

enum http_head_step { HTTP_HEAD_MORE, HTTP_HEAD_WHOLE, HTTP_HEAD_REFUSED };

// Takes the next line, without its end; `line` need not be terminated. A head begins as {0}, and takes nothing more
// once it is whole or refused.
enum http_head_step http_head_take(struct http_head *head, const char *line, size_t length) MUST_CHECK;
// Whether a line of which so many bytes have come, and not its end, is too long already; the head is refused then.
bool http_head_is_too_long(struct http_head *head, size_t length) MUST_CHECK;

// A header or trailer by itself: a name that is one, a colon, a value without NUL or CR.
bool http_head_is_field(const char *line, size_t length) MUST_CHECK;

#endif
