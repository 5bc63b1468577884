// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_REPLY_H
#define SHARED_HTTP_REPLY_H

#include <stddef.h>

#include "shared/base/buf.h"

struct http_request;

// Headers to send with the answer; name and value are copied. Before http_reply only.
void http_add_header(struct http_request *request, const char *name, const char *value);
// Answers. body is copied. May be called inside on_headers and on_request, or later from the server's own loop.
void http_reply(struct http_request *request, unsigned status, const char *content_type, const char *body,
                size_t length);
// The same without a copy: body's memory is taken, and it is empty then.
void http_reply_taking(struct http_request *request, unsigned status, const char *content_type, struct buf *body);
// The same of bytes that stay as long as the process.
void http_reply_constant(struct http_request *request, unsigned status, const char *content_type, const char *body,
                         size_t length);
// Answers and closes the connection after it.
void http_reply_and_close(struct http_request *request, unsigned status, const char *content_type, const char *body,
                          size_t length);

#endif
