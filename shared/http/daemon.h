// SPDX-License-Identifier: MIT
#ifndef SHARED_HTTP_DAEMON_H
#define SHARED_HTTP_DAEMON_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "shared/base/buf.h"
#include "shared/http/budget.h"
#include "shared/http/options.h"
#include "shared/loop/turn.h"

// The daemon on its loop, as all that serves its connections knows it.

struct http_connection;

// What a connection is doing, as far as it has a deadline.
enum http_stage {
    HTTP_STAGE_HEAD, // a request's head is awaited
    HTTP_STAGE_BODY, // the rest of the request is
    HTTP_STAGE_SENT, // an answer is to be taken by the client
    HTTP_STAGES,
    HTTP_STAGE_FREE = HTTP_STAGES, // it waits for us, is a stream, or is being closed
};

TAILQ_HEAD(http_connections, http_connection);

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
    struct buf filtered;                             // of the piece of a body that is being taken
    LIST_HEAD(http_requests, http_request) requests; // all requests begun and not done
    // What stands above, for what is below to call; set by http_server_create.
    void (*run)(void *server); // the daemon, and what follows on that
    uv_timer_cb on_sweep;
    void (*give_up)(struct http_request *request, enum http_body_state why); // http_exchange_give_up
};

// Runs the daemon again before the loop polls.
void http_daemon_run_soon(struct http_server *server);
// Looks for connections past their deadline from now on, or no more.
void http_daemon_sweep(struct http_server *server, bool on);

#endif
