// SPDX-License-Identifier: MIT
//
// The daemon on the loop. libmicrohttpd has an epoll descriptor of its own, which libuv polls; MHD_run then does
// everything that is due without blocking, and MHD_get_timeout says when to call it again at the latest. Its callbacks
// run inside MHD_run, which can neither be entered again nor have the daemon stopped under it: both wait until it
// has returned.
#include "shared/http/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/http/connection.h"
#include "shared/http/daemon.h"
#include "shared/http/exchange.h"
#include "shared/http/head.h"
#include "shared/http/request_private.h"
#include "shared/http/stage.h"
#include "shared/http/wire.h"

static void stop(struct http_server *server);

static void log_from_daemon(void *cls, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

static void log_from_daemon(void *cls, const char *format, va_list arguments) {
    struct buf text = {0};
    (void)cls;
    buf_vprintf(&text, format, arguments);
    if (text.length > 0 && text.data[text.length - 1] == '\n') {
        text.data[text.length - 1] = '\0';
    }
    log_debug("http_library", "%s", text.data != NULL ? text.data : "");
    buf_free(&text);
}

static void http_server_on_timer(uv_timer_t *timer);

static void set_timer(struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG wait_ms;
    uv_timer_stop(&server->timer);
    if (MHD_get_timeout(server->daemon, &wait_ms) != MHD_YES) {
        return;
    }
    if (wait_ms == 0) { // not by the timer: libuv runs one that is due at once again before it polls, for ever
        http_daemon_run_soon(server);
    } else {
        uv_timer_start(&server->timer, http_server_on_timer, wait_ms, 0);
    }
}

static void leave_daemon(struct http_server *server) {
    server->in_daemon = false;
    if (server->destroyed) {
        stop(server);
    } else {
        set_timer(server);
    }
}

static void http_server_run(void *argument) {
    struct http_server *server = argument;
    if (server->in_daemon) {
        return;
    }
    server->in_daemon = true;
    http_wire_run(server);
    http_wire_settle(server);
    leave_daemon(server);
}

static void http_server_on_sweep(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    server->in_daemon = true; // what it calls may want to stop the daemon
    http_stages_sweep(server);
    leave_daemon(server);
}

static void http_server_on_crowd(uv_async_t *crowd) {
    struct http_server *server = crowd->data;
    server->in_daemon = true;
    http_connections_crowd_out(server);
    leave_daemon(server);
}

static void wake_for_crowd(struct http_claimant *claimant) {
    struct http_server *server =
        (struct http_server *)(void *)((char *)claimant - offsetof(struct http_server, claimant));
    uv_async_send(&server->crowd);
}

static void http_server_on_timer(uv_timer_t *timer) {
    http_server_run(timer->data);
}

static void http_server_on_ready(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    http_server_run(poll->data);
}

// The memory of one connection: a request's line and headers, pieces of its body, the answer's headers. The library's
// own choice, 32 KB, is cleared before each request, and 10,000 idle connections keep it. What the largest head leaves
// is for pieces of a body and for the answer's headers.
enum { CONNECTION_BYTES = HTTP_HEAD_MOST + 2 * 1024 };

static struct MHD_Daemon *start_daemon(struct http_server *server, const struct http_server_options *options) {
    unsigned timeout_secs = (unsigned)((options->request_timeout_ms + 999) / 1000);
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, http_connection_may_come,
                            server, http_exchange_handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_from_daemon, NULL,
                            MHD_OPTION_LISTEN_SOCKET, options->listen_socket, MHD_OPTION_NOTIFY_COMPLETED,
                            http_exchange_completed, server, MHD_OPTION_NOTIFY_CONNECTION, http_connection_notify,
                            server, MHD_OPTION_URI_LOG_CALLBACK, http_connection_note_target, server,
                            MHD_OPTION_CONNECTION_LIMIT, options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
                            timeout_secs, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                            MHD_OPTION_UNESCAPE_CALLBACK, http_request_unescape, NULL, MHD_OPTION_END);
}

struct http_server *http_server_create(uv_loop_t *loop, const struct http_server_options *options) {
    struct http_server *server = xcalloc(1, sizeof *server);
    server->loop = loop;
    server->options = *options;
    server->run = http_server_run;
    server->on_sweep = http_server_on_sweep;
    server->give_up = http_exchange_give_up;
    for (int stage = 0; stage < HTTP_STAGES; stage++) {
        TAILQ_INIT(&server->stages[stage]);
    }
    server->daemon = start_daemon(server, options);
    if (server->daemon == NULL) {
        int why = errno;
        free(server);
        errno = why;
        return NULL;
    }
    int epoll_fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int status = uv_poll_init(loop, &server->poll, epoll_fd);
    if (status < 0) {
        MHD_stop_daemon(server->daemon);
        free(server);
        errno = -status;
        return NULL;
    }
    uv_timer_init(loop, &server->timer);
    turn_init(loop, &server->resumed, server);
    uv_timer_init(loop, &server->sweep);
    uv_async_init(loop, &server->crowd, http_server_on_crowd);
    server->claimant = (struct http_claimant){.drop = http_exchange_drop, .wake = wake_for_crowd};
    server->poll.data = server->timer.data = server->sweep.data = server->crowd.data = server;
    server->open_handles = 5;
    if (!options->held) {
        http_server_begin(server);
    }
    return server;
}

void http_server_begin(struct http_server *server) {
    if (!server->destroyed) {
        uv_poll_start(&server->poll, UV_READABLE, http_server_on_ready);
    }
}

void http_server_quiesce(struct http_server *server) {
    if (server->quiesced || server->destroyed) {
        return;
    }
    http_server_begin(server);
    http_server_run(server); // connections that the kernel has accepted for this socket would be reset
    server->quiesced = true;
    MHD_socket listening = MHD_quiesce_daemon(server->daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
    }
}

size_t http_server_pending(const struct http_server *server) {
    return server->pending;
}

static void http_server_on_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (--server->open_handles == 0) {
        buf_free(&server->filtered);
        free(server->sockets);
        free(server);
    }
}

// The library forbids stopping with suspended connections: let what was never answered end without an answer.
static void abort_requests(struct http_server *server) {
    for (struct http_request *request = LIST_FIRST(&server->requests); request != NULL;
         request = LIST_NEXT(request, entry)) {
        request->aborted = true;
        http_stream_break(request);
        if (request->suspended) {
            request->suspended = false;
            MHD_resume_connection(request->connection);
        }
    }
}

static void stop(struct http_server *server) {
    server->in_daemon = true;
    abort_requests(server);
    http_wire_run(server);
    uv_poll_stop(&server->poll); // before its descriptor is closed
    MHD_stop_daemon(server->daemon);
    uv_close((uv_handle_t *)&server->poll, http_server_on_closed);
    uv_close((uv_handle_t *)&server->timer, http_server_on_closed);
    uv_close((uv_handle_t *)&server->resumed.idle, http_server_on_closed);
    uv_close((uv_handle_t *)&server->sweep, http_server_on_closed);
    uv_close((uv_handle_t *)&server->crowd, http_server_on_closed);
}

void http_server_destroy(struct http_server *server) {
    if (server->destroyed) {
        return;
    }
    server->destroyed = true;
    if (!server->in_daemon) {
        stop(server);
    }
}
