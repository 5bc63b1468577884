// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_PRIVATE_H
#define SHARED_HTTP_PRIVATE_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/buf.h"
#include "shared/http/budget.h"
#include "shared/http/framing.h"
#include "shared/http/host.h"
#include "shared/http/server.h"
#include "shared/loop/turn.h"

// What http/server.c (the daemon on the loop), http/wire.c (what it reads), http/connection.c (deadlines and limits of
// connections), http/exchange.c (the course of one request), http/request.c (what can be asked of it) and http/reply.c
// (its answer) share.

// What a connection is doing, as far as it has a deadline.
enum http_stage {
    HTTP_STAGE_HEAD, // a request's head is awaited
    HTTP_STAGE_BODY, // the rest of the request is
    HTTP_STAGE_SENT, // an answer is to be taken by the client
    HTTP_STAGES,
    HTTP_STAGE_FREE = HTTP_STAGES, // it waits for us, is a stream, or is being closed
};

// How a request's target is written (RFC 9112, 3.2).
enum http_form {
    HTTP_FORM_ORIGIN,   // "/path?query"
    HTTP_FORM_ABSOLUTE, // "http://host/path?query"
    HTTP_FORM_ASTERISK, // "*"
    HTTP_FORM_NONE,     // anything else
};

struct http_connection {
    struct http_connection *previous, *next; // of the same stage, in the order in which they came to it
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

struct http_connections {
    struct http_connection *first, *last;
};

struct http_server {
    uv_loop_t *loop;
    struct http_server_options options;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;      // of the daemon's epoll descriptor
    uv_timer_t timer;    // the daemon's next time-out
    struct turn resumed; // runs the daemon before the next poll, because a request was resumed
    uv_timer_t sweep;    // looks for connections past their deadline, while there are any
    uv_async_t crowd;    // a body of ours makes way
    struct http_claimant claimant;
    struct http_connections stages[HTTP_STAGES];
    struct http_connection **sockets; // by their descriptors
    size_t socket_room;
    struct http_connection *refused; // those with something to be refused
    unsigned connections;
    int64_t warned_ms; // of uv_now: when the log was last told that a limit was reached
    int open_handles;
    bool in_daemon; // inside MHD_run: it must not be entered twice, nor stopped
    bool quiesced;
    bool destroyed;
    size_t pending;
    struct http_request *first; // all requests begun and not done
};

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
    struct http_request *next, **back; // in the server's list
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_connection *place; // its connection, as http/connection.c knows it
    const char *method, *path;     // libmicrohttpd's, until the request's end
    char *target;                  // keep_target; else NULL
    struct http_host host;
    struct buf body;
    uint64_t declared; // its length; 0: unknown, or none
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

// http/exchange.c: libmicrohttpd's callbacks; cls is the server.
enum MHD_Result http_exchange_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                     const char *version, const char *data, size_t *size, void **slot);
void http_exchange_completed(void *cls, struct MHD_Connection *connection, void **slot,
                             enum MHD_RequestTerminationCode how);

// Ends a request that has not come whole, for that reason: asks its owner for the answer, which goes past the library.
void http_exchange_give_up(struct http_request *request, enum http_body_state why);
// The budget's: the body makes way.
void http_exchange_drop(struct http_claim *claim);

// http/wire.c. Runs the daemon, and judges what it reads meanwhile.
void http_wire_run(struct http_server *server);
// Answers what was refused, where its turn has come.
void http_wire_settle(struct http_server *server);
void http_wire_open(struct http_connection *connection);
void http_wire_close(struct http_connection *connection);
// Whether the request that the library begins now has been judged; to be asked once each.
bool http_wire_has_seen(struct http_connection *connection) MUST_CHECK;

// http/connection.c: libmicrohttpd's callbacks; cls is the server.
enum MHD_Result http_connection_may_come(void *cls, const struct sockaddr *address, socklen_t length);
void http_connection_notify(void *cls, struct MHD_Connection *connection, void **slot,
                            enum MHD_ConnectionNotificationCode code);
void *http_connection_note_target(void *cls, const char *target, struct MHD_Connection *connection);
struct http_connection *http_connection_of(struct MHD_Connection *connection);
// The one place where a connection's stage changes; most_ms from now is its deadline there.
void http_connection_enter(struct http_connection *connection, enum http_stage stage, int64_t most_ms);
// Shuts it down; the library closes it.
void http_connection_end(struct http_connection *connection);
// Ends those that are past their deadline.
void http_connections_sweep(struct http_server *server);
// Ends those whose bodies have had to make way.
void http_connections_crowd_out(struct http_server *server);

// http/request.c. Writes an address without port; IPv4-mapped IPv6 as IPv4. "" when it is of another family.
void http_format_address(const struct sockaddr *address, char out[INET6_ADDRSTRLEN]);
void http_request_read_peer(struct http_request *request);
// Percent-decodes in place, but for %00, and returns the length: see http_path.
size_t http_request_unescape(void *cls, struct MHD_Connection *connection, char *text);

// http/reply.c. Gives the answer to libmicrohttpd; from inside its callback only.
enum MHD_Result http_reply_queue(struct http_request *request);
// Adds what http_add_header gathered.
void http_reply_add_headers(const struct http_request *request, struct MHD_Response *response,
                            const char *content_type);
// Answers what is no request past the library, as far as that goes without waiting, and sends no more.
void http_reply_refusal(int fd, const struct http_refusal *refusal);
// The answer is there: it is queued as soon as libmicrohttpd asks. Takes ownership of response.
void http_reply_is_ready(struct http_request *request, unsigned status, struct MHD_Response *response);

// http/stream.c. The connection goes away.
void http_stream_break(struct http_request *request);

// http/server.c. Runs the daemon again before the loop polls.
void http_server_run_soon(struct http_server *server);
// Looks for connections past their deadline from now on, or no more.
void http_server_sweep(struct http_server *server, bool on);

#endif
