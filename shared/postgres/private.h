// SPDX-License-Identifier: MIT
#ifndef SHARED_POSTGRES_PRIVATE_H
#define SHARED_POSTGRES_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "shared/loop/deadline.h"
#include "shared/loop/resolve.h"
#include "shared/loop/turn.h"
#include "shared/postgres/link.h"

// What postgres/link.c (the life of the link), postgres/connect.c (from URL to connection), postgres/setup.c (what it
// runs first) and postgres/session.c (whether it is a session of its own) and postgres/job.c (jobs and their answers)
// share.

enum pg_link_state {
    PG_LINK_WAITING, // for the next attempt
    PG_LINK_RESOLVING,
    PG_LINK_CONNECTING,
    PG_LINK_SETUP, // connected; running `setup`, preparing the statements
    PG_LINK_UP,
    PG_LINK_DESTROYED,
};

struct pg_job {
    struct pg_job *next;
    char *sql;        // what to send; NULL where it has been sent already (pipeline)
    bool copy;        // feeds data to a COPY
    const char *data; // the caller's bytes
    size_t length, sent;
    bool internal; // the link's own, not counted in pending
    pg_link_done done;
    void *argument;
    PGresult *result; // so far: the last one, or the first error
};

// The descriptor that libuv polls. libpq may close its socket and open another with the same number while it
// connects, so each step of that has a handle of its own.
struct pg_socket {
    uv_poll_t poll;
    struct pg_link *link; // NULL once it is closing
    int events;           // what is asked for now: asking anew for the same costs two system calls
    uv_poll_cb on_io;
};

struct pg_session_check;

struct pg_link {
    uv_loop_t *loop;
    struct pg_link_options options; // url and name are not kept
    char *url;
    char *name;
    char *setup;
    PQconninfoOption *address; // the URL's parts
    enum pg_link_state state;
    struct resolve *resolve;  // while RESOLVING
    PGconn *conn;             // from CONNECTING to UP
    struct pg_socket *socket; // what is polled now, or NULL
    uv_timer_t retry;         // while WAITING
    struct deadline deadline; // of the connect, or of the oldest job
    struct turn end_of_turn;  // runs before the next poll: sends what the turn queued
    int open_handles;
    unsigned failures; // in a row: the backoff's attempt, and which of the host's addresses is next
    char *complaint;   // the last trouble that was logged, so that each is logged once; NULL after an up
    char *last_error;  // "" when none
    int64_t up_since_ms;
    struct pg_job *first; // jobs not yet answered, oldest first
    struct pg_job **last;
    bool running; // batch: the first job has been sent
    bool copying; // batch: the first job's data are being fed
    size_t pending;
    int64_t oldest_since_ms; // since when the first job is the first; while connecting: when that began
    size_t statements_ready;
    uint64_t nonce; // of the connection, in its statements' names: another session has none of such a name
    struct pg_session_check *check; // while it runs
    int unseen;                     // such checks in a row that saw nothing
    bool checks;                    // is the second connection of such a check: tells nobody, has no set-up
};

// postgres/link.c. Logs `why` unless it was the last thing logged, drops the connection, and tries again after a
// backoff.
void pg_link_fail(struct pg_link *link, const char *why);
// The same with libpq's own words.
void pg_link_fail_conn(struct pg_link *link);
void pg_link_ready(struct pg_link *link);
// The only place that changes it.
void pg_link_change_state(struct pg_link *link, enum pg_link_state state);

// postgres/connect.c
void pg_connect_start(struct pg_link *link);
void pg_socket_watch(struct pg_link *link, int events, uv_poll_cb on_io);
void pg_socket_unwatch(struct pg_link *link);

// postgres/setup.c. The connection stands: ends in pg_link_ready or pg_link_fail.
void pg_setup_start(struct pg_link *link);

// Runs the set-up, or what follows on it.
void pg_setup_run(struct pg_link *link);

// postgres/session.c. Looks whether the connection is a session of its own: ends in pg_setup_run or pg_link_fail.
void pg_session_check_start(struct pg_link *link);
void pg_session_check_cancel(struct pg_link *link);

// postgres/job.c
void pg_job_on_io(uv_poll_t *poll, int status, int events);
void pg_job_script(struct pg_link *link, const char *sql, bool internal, pg_link_done done, void *argument);
void pg_job_prepare(struct pg_link *link, const struct pg_statement *statement, pg_link_done done, void *argument);
// Gives every job its LOST.
void pg_job_lose(struct pg_job *first, struct pg_link *link);

#endif
