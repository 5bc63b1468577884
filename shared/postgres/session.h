// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_SESSION_H
#define SHARED_POSTGRES_SESSION_H

#include <libpq-fe.h>
#include <uv.h>

#include "shared/postgres/conn.h"

// Whether a connection is a session of its own. Where it isn't, pg_conn_fail ends it.

struct pg_session_check;

struct pg_session {
    // The owner's, all set before the first check.
    uv_loop_t *loop;
    const PQconninfoOption *address; // for a second connection; kept while a check runs
    const char *name;
    const char *session_attrs; // as the first one has it
    struct pg_conn *conn;      // the first one; when it fails, the owner cancels the check
    void (*on_passed)(void *owner);
    void *owner;
    // Its own.
    struct pg_session_check *check; // while it runs
    int unseen;                     // such checks in a row that saw nothing
};

// Looks at a connection that stands and has no jobs: ends in on_passed, maybe within this call, or with the connection.
void pg_session_check_start(struct pg_session *session);
// Nothing where none runs.
void pg_session_check_cancel(struct pg_session *session);

#endif
