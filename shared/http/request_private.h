// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_REQUEST_PRIVATE_H
#define SHARED_HTTP_REQUEST_PRIVATE_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "shared/base/buf.h"
#include "shared/http/filter.h"
#include "shared/http/stage.h"

// A request, as what serves it knows it.

// An answer whose end isn't known when it begins.
struct http_stream {
    struct buf unsent;
    size_t sent;    // of unsent, what libmicrohttpd has taken
    size_t most;    // that may wait
    bool is_one;    // the answer is a stream
    bool suspended; // nothing waits to be sent
    bool ended;     // after what waits
    bool broken;    // at once
};

struct http_request {
    LIST_ENTRY(http_request) entry; // in the server's list
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_connection *place; // its connection, as http/stage.h has it
    const char *method, *path;     // libmicrohttpd's, until the request's end
    char *target;                  // keep_target; else NULL
    struct http_host host;
    struct buf body;
    uint64_t declared;         // the length that it may have by what was declared; 0: unknown, or none
    uint64_t max_body;         // bytes of it, as they are sent
    struct http_filter filter; // take is NULL: none
    struct http_claim claim;
    uint64_t received; // bytes of the body, kept or dropped
    enum http_body_state state;
    bool asked;     // on_request has been called
    bool suspended; // it waits for its answer outside libmicrohttpd
    bool answered;
    bool cut_short;                // the answer can't wait for the body's end, nor go through libmicrohttpd
    bool aborted;                  // the server goes away
    struct MHD_Response *response; // answered, and not yet queued
    unsigned status;
    size_t answer_bytes; // of its body
    struct http_stream stream;
    struct buf headers; // name NUL value NUL …, to send with the answer
    char peer[INET6_ADDRSTRLEN];
    int64_t started_us;
    void *context;
};

// Writes an address without port; IPv4-mapped IPv6 as IPv4. "" when it is of another family.
void http_format_address(const struct sockaddr *address, char out[INET6_ADDRSTRLEN]);
void http_request_read_peer(struct http_request *request);
// Percent-decodes in place, but for %00, and returns the length: see http_path in request.h.
size_t http_request_unescape(void *cls, struct MHD_Connection *connection, char *text);

#endif
