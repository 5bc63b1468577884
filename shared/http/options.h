// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_OPTIONS_H
#define SHARED_HTTP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a server is told at its creation, and what it tells of a request's body.

struct http_budget;
struct http_peers;
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

#endif
