// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_CONNECT_H
#define SHARED_POSTGRES_CONNECT_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "shared/base/buf.h"
#include "shared/loop/deadline.h"
#include "shared/loop/resolve.h"
#include "shared/postgres/hosts.h"
#include "shared/postgres/socket.h"

// From a URL to a connection that stands, one attempt at a time. An attempt asks the URL's servers one after another.

struct pg_connect {
    // The owner's, all set before pg_connect_init; the strings are kept as long as what it has connected.
    const PQconninfoOption *address; // the URL's parts
    const char *name;                // application_name
    const char *session_attrs;       // target_session_attrs of a URL that lists several servers and says none
    int64_t timeout_ms;              // of an attempt as a whole
    void (*on_connected)(void *owner, PGconn *conn); // non-blocking; owned by the owner from here on
    void (*on_failed)(void *owner, const char *why); // followed by pg_connect_cancel; why is valid until then
    void *owner;
    size_t first; // of the servers, by its place in the URL: the one that the next attempt begins with
    bool is_only; // no other one is asked
    // Its own.
    uv_loop_t *loop;
    struct pg_hosts hosts; // during an attempt
    size_t begun_with;     // the server that this attempt began with
    size_t last;           // the one that is being asked, or was last
    size_t asked, to_ask;  // in this attempt; prefer-standby asks each twice
    unsigned attempt;
    struct buf whys;         // what each has said
    struct resolve *resolve; // while the name is looked up
    PGconn *conn;            // from then to on_connected
    struct pg_socket *socket;
    struct deadline deadline;   // of the server that is asked
    int64_t until_ms, share_ms; // when the attempt ends, and that server's share of it
};

void pg_connect_init(uv_loop_t *loop, struct pg_connect *connect);
// attempt: as for resolve_start. Ends in on_connected, or in on_failed, maybe within this call.
void pg_connect_start(struct pg_connect *connect, unsigned attempt);
// The server that the latest attempt came to is of no use: the next attempt asks it last.
void pg_connect_pass_over(struct pg_connect *connect);
// Ends an attempt; nothing where there is none.
void pg_connect_cancel(struct pg_connect *connect);
// on_closed gets a handle whose data is `data` then.
void pg_connect_close(struct pg_connect *connect, void *data, uv_close_cb on_closed);

#endif
