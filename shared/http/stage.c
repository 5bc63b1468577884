// SPDX-License-Identifier: MIT
//
// How long a connection may take. libmicrohttpd's own time-out begins anew with every byte, so a client that trickles
// would hold its connection for ever. So each connection is in the list of its stage, whose oldest is at its head, and
// a timer looks at the heads now and then. A connection is ended by shutting its socket down, which libmicrohttpd
// notices and closes in its own order.
#include "shared/http/stage.h"

#include <sys/socket.h>

static int64_t now_ms(const struct http_server *server) {
    return (int64_t)uv_now(server->loop);
}

static void http_stage_take_out(struct http_connection *connection) {
    struct http_connections *list = &connection->server->stages[connection->stage];
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        list->first = connection->next;
    }
    if (connection->next) {
        connection->next->previous = connection->previous;
    } else {
        list->last = connection->previous;
    }
}

static void put_last(struct http_connection *connection) {
    struct http_connections *list = &connection->server->stages[connection->stage];
    connection->previous = list->last;
    connection->next = NULL;
    if (list->last) {
        list->last->next = connection;
    } else {
        list->first = connection;
    }
    list->last = connection;
}

void http_stage_enter(struct http_connection *connection, enum http_stage stage, int64_t most_ms) {
    if (connection->stage != HTTP_STAGE_FREE) {
        http_stage_take_out(connection);
    }
    connection->stage = stage;
    connection->due_ms = now_ms(connection->server) + most_ms;
    if (stage != HTTP_STAGE_FREE) {
        put_last(connection);
    }
}

void http_stage_end(struct http_connection *connection) {
    http_stage_enter(connection, HTTP_STAGE_FREE, 0);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

static void end_late(struct http_connection *connection) {
    if (connection->stage == HTTP_STAGE_BODY && connection->request) {
        connection->server->give_up(connection->request, HTTP_BODY_LATE);
    }
    http_stage_end(connection);
}

// The deadlines of answers depend on their lengths; the other lists are in the order of theirs.
static void sweep_stage(struct http_server *server, enum http_stage stage) {
    int64_t now = now_ms(server);
    struct http_connection *next;
    for (struct http_connection *connection = server->stages[stage].first; connection; connection = next) {
        next = connection->next;
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
