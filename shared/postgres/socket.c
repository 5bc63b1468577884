// SPDX-License-Identifier: MIT
//
// libpq may close its socket and open another with the same number while it connects, so each step of that has a handle
// of its own.
#include "shared/postgres/socket.h"

#include <stdlib.h>

struct pg_socket {
    uv_poll_t poll;
    int events; // what is asked for now: asking again for the same costs two system calls
    pg_socket_ready on_ready;
    void *owner; // NULL once it is closing
};

static void pg_socket_on_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void pg_socket_on_io(uv_poll_t *poll, int status, int events) {
    const struct pg_socket *socket = poll->data;
    if (socket->owner != NULL) {
        socket->on_ready(socket->owner, status, events);
    }
}

int pg_socket_watch(struct pg_socket **socket, uv_loop_t *loop, const PGconn *conn, int events,
                    pg_socket_ready on_ready, void *owner) {
    if (*socket == NULL) {
        struct pg_socket *made = xcalloc(1, sizeof *made);
        int status = uv_poll_init(loop, &made->poll, PQsocket(conn));
        if (status < 0) {
            free(made);
            return status;
        }
        made->on_ready = on_ready;
        made->owner = owner;
        made->poll.data = made;
        *socket = made;
    }
    if ((*socket)->events == events) {
        return 0;
    }
    (*socket)->events = events;
    return uv_poll_start(&(*socket)->poll, events, pg_socket_on_io);
}

void pg_socket_unwatch(struct pg_socket **socket) {
    struct pg_socket *gone = *socket;
    if (gone == NULL) {
        return;
    }
    *socket = NULL;
    gone->owner = NULL;
    uv_poll_stop(&gone->poll); // takes the descriptor out of epoll at once
    uv_close((uv_handle_t *)&gone->poll, pg_socket_on_closed);
}
