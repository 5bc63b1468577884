// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_SERVER_H
#define SHARED_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/http/host.h"

// libmicrohttpd on a libuv loop: MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, its epoll descriptor polled by libuv, one
// daemon a loop on a listening socket of its own with SO_REUSEPORT. It knows HTTP, nothing of messages.
//
// Life of a request: on_headers (may already reply), then the body is gathered, then on_request, once. The owner
// replies in either, or later (the connection is suspended meanwhile); exactly once. on_done is the end of it:
// the owner lets go of what it hung on the request.

struct http_budget;
struct http_peers;
struct http_server;
struct http_request;

enum http_body_state {
    HTTP_BODY_OK,
    // Over max_body: told at once where the length is declared, else once what came has been drained, up to twice
    // max_body. Answer within on_request. The connection is closed.
    HTTP_BODY_TOO_LARGE,
    // The target or the Host header is malformed, or the body is no chunked one though it says so: answer 400 within
    // on_request. The connection is closed. (A head that is none never gets here: it is answered with 400, 413, 414,
    // 431 or 505 and its connection closed.)
    HTTP_BODY_MALFORMED,
    // Not complete within request_timeout_ms: answer 408 within on_request. The connection is closed.
    HTTP_BODY_LATE,
    // It had to make way for others (http/budget.h): answer 408 within on_request. The connection is closed.
    HTTP_BODY_CROWDED_OUT,
};

struct http_server_options {
    int listen_socket; // from http_listen; owned by the server from here on
    // At this number, the connection that has waited longest for a request makes way for a new one.
    unsigned max_connections;
    // Counts the connections of one address over all servers that are given it; NULL: none is refused for that.
    struct http_peers *peers;
    // Whether a peer's connections are not counted, because it speaks for many clients. May be NULL: all are counted.
    bool (*is_exempt)(void *argument, const char *peer);
    // Bytes held for clients over all servers that are given it; NULL: they aren't counted.
    struct http_budget *budget;
    size_t max_body; // bytes
    // What is due within so long, whatever trickles in: a request's head, from the connection's begin or the end of the
    // answer before; its body, from the end of its head. A connection on which nothing moves is closed as well.
    int64_t request_timeout_ms;
    bool held;                                                        // what connects waits until http_server_begin
    bool keep_target;                                                 // for http_target
    void (*on_headers)(void *argument, struct http_request *request); // may be NULL
    void (*on_request)(void *argument, struct http_request *request, enum http_body_state body);
    void (*on_done)(void *argument, struct http_request *request); // may be NULL
    void *argument;
};

// A listening TCP socket. shared_port: SO_REUSEPORT, for several loops of one process.
// Returns the descriptor, or -1 with errno set (EADDRINUSE when any other process listens there).
int http_listen(const char *address, uint16_t port, bool shared_port) MUST_CHECK;
// Whether somebody else listens there already: 0 when free, -1 with errno set otherwise. To be asked once before
// several http_listen with shared_port, because SO_REUSEPORT would let two copies share the port silently.
int http_port_check(const char *address, uint16_t port) MUST_CHECK;

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

// The request. All strings are owned by it and live until on_done.
const char *http_method(const struct http_request *request);
// Percent-decoded, without the query. "%00" stays as it is, here and in http_query, so that no NUL cuts a string short.
const char *http_path(const struct http_request *request);
// The target's path and query as they were sent, with their escapes; NULL unless keep_target.
const char *http_target(const struct http_request *request);
// Whom it was sent to: as an absolute target names it, else as the Host header does. Its name is empty where that is,
// or where HTTP/1.0 sent none, and in what is malformed.
const struct http_host *http_host(const struct http_request *request);
// A header by its name in any case, or NULL. With several of that name: the first.
const char *http_header(const struct http_request *request, const char *name);
unsigned http_header_count(const struct http_request *request);
// Calls each(argument, name, value) for every header.
void http_each_header(const struct http_request *request, void (*each)(void *, const char *, const char *),
                      void *argument);
// A query parameter, percent-decoded, or NULL; `count` (may be NULL) gets how often it was given.
const char *http_query(const struct http_request *request, const char *name, unsigned *count);
// The body; valid from on_request until it is answered. NUL-terminated (the NUL is not counted).
const char *http_body(const struct http_request *request, size_t *length);
// The peer's numeric address without port; an IPv4-mapped IPv6 address is shown as IPv4.
const char *http_peer(const struct http_request *request);
// Whose the request is, a numeric address, where that isn't the peer; within on_headers only.
void http_set_client(struct http_request *request, const char *address);
// Takes so many bytes of the budget besides the body, for what is made of it or is to be the answer. False: there
// aren't as many, and nothing has changed. An answer is counted by its length, whether there is room or not, until the
// client has it; the body no longer, then.
bool http_hold(struct http_request *request, size_t bytes) MUST_CHECK;
// How many there are now.
size_t http_room(struct http_request *request);
int64_t http_started_us(const struct http_request *request); // clock_monotonic_us at its first byte's handling
void http_set_context(struct http_request *request, void *context);
void *http_context(const struct http_request *request);

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
bool http_is_answered(const struct http_request *request);

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

#endif
