// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_REPLY_PRIVATE_H
#define SHARED_HTTP_REPLY_PRIVATE_H

#include <microhttpd.h>

#include "shared/http/head.h"

// What becomes of an answer, for what serves a request.

struct http_request;

// Gives the answer to libmicrohttpd; from inside its callback only.
enum MHD_Result http_reply_queue(struct http_request *request);
// Adds what http_add_header gathered.
void http_reply_add_headers(const struct http_request *request, struct MHD_Response *response,
                            const char *content_type);
// Answers what is no request past the library, as far as that goes without waiting, and sends no more.
void http_reply_refusal(int fd, const struct http_refusal *refusal);
// The answer is there: it is queued as soon as libmicrohttpd asks. Takes ownership of response.
void http_reply_is_ready(struct http_request *request, unsigned status, struct MHD_Response *response);

#endif
