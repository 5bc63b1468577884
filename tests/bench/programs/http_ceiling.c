// SPDX-License-Identifier: MIT
// The ceiling of accepting: libmicrohttpd, driven by libuv as ingest drives it (shared/http/server.c) and with the same
// flags, that reads a POST's body and answers 202 without a look at it. The answer is made once for all.
//   http_ceiling PORT THREADS
// Serves until it is killed.

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "shared/base/mem.h"
#include "shared/http/server.h"

#define MAX_CONNECTIONS 10000U
#define IDLE_SECS 10U

struct server {
    uv_loop_t loop;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_thread_t thread;
    struct MHD_Daemon *daemon;
};

static struct MHD_Response *accepted;

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *size, void **slot) {
    (void)cls, (void)url, (void)method, (void)version, (void)data;
    static int begun;
    if (*slot == NULL) {
        *slot = &begun;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_ACCEPTED, accepted);
}

static void run(struct server *server);

static void on_timer(uv_timer_t *timer) {
    run(timer->data);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    run(poll->data);
}

static void run(struct server *server) {
    MHD_UNSIGNED_LONG_LONG wait_ms;
    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES) {
        uv_timer_start(&server->timer, on_timer, wait_ms, 0);
    } else {
        uv_timer_stop(&server->timer);
    }
}

static void serve(void *argument) {
    struct server *server = argument;
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

static void start(struct server *server, uint16_t port) {
    int listening = http_listen("127.0.0.1", port, true);
    server->daemon =
        listening < 0 ? NULL
                      : MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                                         answer, NULL, MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
                                         MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECS, MHD_OPTION_END);
    if (server->daemon == NULL) {
        perror("http_ceiling");
        exit(EXIT_FAILURE);
    }
    uv_loop_init(&server->loop);
    uv_poll_init(&server->loop, &server->poll, MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    uv_timer_init(&server->loop, &server->timer);
    server->poll.data = server->timer.data = server;
    uv_poll_start(&server->poll, UV_READABLE, on_ready);
    uv_thread_create(&server->thread, serve, server);
}

int main(int argc, char **argv) {
    static char body[] = "{\"status\":\"accepted\"}";
    if (argc != 3) {
        fprintf(stderr, "usage: http_ceiling PORT THREADS\n");
        return 2;
    }
    accepted = MHD_create_response_from_buffer(sizeof body - 1, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(accepted, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    size_t threads = strtoul(argv[2], NULL, 10);
    struct server *servers = xcalloc(threads, sizeof *servers);
    for (size_t i = 0; i < threads; i++) {
        start(&servers[i], (uint16_t)strtoul(argv[1], NULL, 10));
    }
    for (size_t i = 0; i < threads; i++) {
        uv_thread_join(&servers[i].thread);
    }
    return EXIT_SUCCESS;
}
