// SPDX-License-Identifier: MIT
//
// How long a connection may take. libmicrohttpd's own time-out restarts with every byte, so a client that trickles
// would hold its connection for ever. So each connection is in the list of its stage, whose oldest is at its head, and
// a timer looks at the heads now and then. A connection is ended by shutting its socket down, which libmicrohttpd
// notices and closes in its own order.
#include "shared/http/stage.h"

#include <sys/socket.h>

static int64_t now_ms(const struct http_server *server) {
    return (int64_t)uv_now(server->loop);
}

void http_stage_enter(struct http_connection *connection, enum http_stage stage, int64_t most_ms) {
    struct http_connections *stages = connection->server->stages;
    if (connection->stage != HTTP_STAGE_FREE) {
        TAILQ_REMOVE(&stages[connection->stage], connection, entry);
    }
    connection->stage = stage;
    connection->due_ms = now_ms(connection->server) + most_ms;
    if (stage != HTTP_STAGE_FREE) {
        TAILQ_INSERT_TAIL(&stages[stage], connection, entry);
    }
}

void http_stage_end(struct http_connection *connection) {
    http_stage_enter(connection, HTTP_STAGE_FREE, 0);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

static void end_late(struct http_connection *connection) {
    if (connection->stage == HTTP_STAGE_BODY && connection->request != NULL) {
        connection->server->give_up(connection->request, HTTP_BODY_LATE);
    }
    http_stage_end(connection);
}

// The deadlines of answers depend on their lengths; the other lists are in the order of theirs.
static void sweep_stage(struct http_server *server, enum http_stage stage) {
    int64_t now = now_ms(server);
    struct http_connection *next;
    for (struct http_connection *connection = TAILQ_FIRST(&server->stages[stage]); connection != NULL;
         connection = next) {
        next = TAILQ_NEXT(connection, entry);
        if (connection->due_ms <= now) {
            end_late(connection);
        } else if (stage != HTTP_STAGE_SENT) {
            return;
        }
    }
}

void http_stages_sweep(struct http_server *server) {
    for (int stage = 0; stage < HTTP_STAGES; stage++) {
        sweep_stage(server, (enum http_stage)stage);
    }
}
