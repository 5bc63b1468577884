// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_CONNECT_H
#define SHARED_POSTGRES_CONNECT_H

#include <libpq-fe.h>
#include <stdint.h>
#include <uv.h>

#include "shared/loop/deadline.h"
#include "shared/loop/resolve.h"
#include "shared/postgres/socket.h"

// From a URL to a connection that stands, one attempt at a time.

struct pg_connect {
    // The owner's, all set before pg_connect_init; the strings are kept as long as what it has connected.
    const PQconninfoOption *address;                 // the URL's parts
    const char *name;                                // application_name
    int64_t timeout_ms;                              // of an attempt as a whole
    void (*on_connected)(void *owner, PGconn *conn); // non-blocking; owned by the owner from here on
    void (*on_failed)(void *owner, const char *why); // followed by pg_connect_cancel; why is valid until then
    void *owner;
    // Its own.
    uv_loop_t *loop;
    struct resolve *resolve; // while the name is looked up
    PGconn *conn;            // from then to on_connected
    struct pg_socket *socket;
    struct deadline deadline;
    int64_t since_ms;
};

void pg_connect_init(uv_loop_t *loop, struct pg_connect *connect);
// attempt: as for resolve_start. Ends in on_connected, or in on_failed, maybe within this call.
void pg_connect_start(struct pg_connect *connect, unsigned attempt);
// Ends an attempt; nothing where there is none.
void pg_connect_cancel(struct pg_connect *connect);
// on_closed gets a handle whose data is `data` then.
void pg_connect_close(struct pg_connect *connect, void *data, uv_close_cb on_closed);

#endif
