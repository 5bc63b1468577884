// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_SERVER_H
#define SHARED_HTTP_SERVER_H

#include <stddef.h>
#include <uv.h>

#include "shared/http/filter.h"
#include "shared/http/listen.h"
#include "shared/http/options.h"
#include "shared/http/reply.h"
#include "shared/http/request.h"
#include "shared/http/stream.h"

// libmicrohttpd on a libuv loop: MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, its epoll descriptor polled by libuv, one
// daemon a loop on a listening socket of its own with SO_REUSEPORT. It knows HTTP, nothing of messages.
//
// Life of a request: on_headers (may already reply), then the body is gathered, then on_request, once. The owner
// replies in either, or later (the connection is suspended meanwhile); exactly once. on_done is the end of it:
// the owner lets go of what it hung on the request.

struct http_server;

// NULL with errno set when the daemon can't be started.
struct http_server *http_server_create(uv_loop_t *loop, const struct http_server_options *options);
// Ends the wait of a server that was created `held`; nothing where there is none.
void http_server_begin(struct http_server *server);
// Stops accepting; requests under way go on, and each answer closes its connection.
void http_server_quiesce(struct http_server *server);
// Requests begun whose answer has not left yet; it excludes a request from its on_done on.
size_t http_server_pending(const struct http_server *server);
// Every request should have been answered (what has not is closed without an answer, and gets its on_done). May be
// called from the server's own callbacks. Frees itself once its handles have closed.
void http_server_destroy(struct http_server *server);

#endif
