// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_STAGE_H
#define SHARED_HTTP_STAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "shared/base/buf.h"
#include "shared/http/daemon.h"
#include "shared/http/framing.h"
#include "shared/http/host.h"

// A connection as what serves it knows it, and how long it may take for what it is doing.

// How a request's target is written (RFC 9112, 3.2).
enum http_form {
    HTTP_FORM_ORIGIN,   // "/path?query"
    HTTP_FORM_ABSOLUTE, // "http://host/path?query"
    HTTP_FORM_ASTERISK, // "*"
    HTTP_FORM_NONE,     // anything else
};

struct http_connection {
    TAILQ_ENTRY(http_connection) entry; // of the same stage, in the order in which they came to it
    struct http_server *server;
    struct http_request *request; // begun and not done; NULL between requests
    enum http_stage stage;
    int64_t due_ms; // of uv_now
    int fd;
    struct http_framing framing;          // of what it sends
    struct buf judged;                    // of that, what the library has had no room for yet
    size_t handed_over;                   // of those bytes, which it has
    uint64_t begun;                       // requests that the library has begun
    struct http_connection *next_refused; // while is_refused
    bool is_refused;                      // it sent what can't be served, which is to be answered: in server->refused
    bool is_deaf;                         // that has been answered: what it still sends is dropped
    enum http_form form;
    struct http_host *named; // HTTP_FORM_ABSOLUTE: by the target; else NULL
    size_t path_at;          // where the path begins in the decoded target
    char *kept_target;       // a copy of path and query, until the request takes it over; NULL unless keep_target
    bool is_counted;         // in server->options.peers, under `network`
    struct in6_addr network;
};

// The one place where a connection's stage changes; most_ms from now is its deadline there.
void http_stage_enter(struct http_connection *connection, enum http_stage stage, int64_t most_ms);
// Shuts it down; the library closes it.
void http_stage_end(struct http_connection *connection);
// Ends those that are past their deadline.
void http_stages_sweep(struct http_server *server);

#endif
