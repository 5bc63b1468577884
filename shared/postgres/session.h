// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_SESSION_H
#define SHARED_POSTGRES_SESSION_H

#include <libpq-fe.h>
#include <uv.h>

#include "shared/postgres/job.h"

// Whether a connection is a session of its own.

struct pg_session_check;

struct pg_session {
    // The owner's, all set before the first check.
    uv_loop_t *loop;
    const PQconninfoOption *address; // for a second connection; kept while a check runs
    const char *name;
    void (*on_passed)(void *owner);
    void (*on_failed)(void *owner, const char *why); // the owner cancels the check and drops the connection within this
    void *owner;
    // Its own.
    struct pg_jobs *jobs;
    struct pg_session_check *check; // while it runs
    int unseen;                     // such checks in a row that saw nothing
};

// Looks at a connection that stands and has no jobs: ends in on_passed or on_failed, maybe within this call, or with
// the connection.
void pg_session_check_start(struct pg_session *session, struct pg_jobs *jobs);
// Nothing where none runs.
void pg_session_check_cancel(struct pg_session *session);

#endif
